"""Layers and optimisers for all networks, and the counter of floating-point operations."""
