"""Trine: three deep networks that train on the machine you have."""
