"""Layers and optimisers: what networks are made of, and how they are moved."""
