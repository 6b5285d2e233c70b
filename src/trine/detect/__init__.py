"""Detect: event sequences to surprise, and surprise to findings."""
