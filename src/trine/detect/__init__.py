"""Detect: event sequences to surprisal, and surprisal to findings."""
