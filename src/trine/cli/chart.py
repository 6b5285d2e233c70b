"""Curves as text, for a terminal."""

from collections.abc import Sequence
from itertools import pairwise

BLOCKS = " ▁▂▃▄▅▆▇█"


def plot(values: Sequence[float], width: int = 60, height: int = 8) -> list[str]:
    """A column chart of values between their least and largest, `height` lines, the top one first."""
    shown = [value for value in resampled(values, width) for _ in range(max(1, width // len(values)))]
    low, high = min(shown), max(shown)
    eighths = [1 + round((value - low) / (high - low or 1) * (8 * height - 1)) for value in shown]
    return ["".join(BLOCKS[min(8, max(0, level - 8 * row))] for level in eighths) for row in reversed(range(height))]


def framed(title: str, values: Sequence[float], width: int = 60, height: int = 8) -> list[str]:
    """A chart with its title, its least and largest value, and where it ends."""
    rows = plot(values, width, height)
    scale = [f"{max(values):.4g}", *[""] * (height - 2), f"{min(values):.4g}"]
    room = max(map(len, scale))
    lines = [f"{label:>{room}} │{row}" for label, row in zip(scale, rows, strict=True)]
    return [f"{title}: {values[0]:.4g} → {values[-1]:.4g}", *lines]


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """One line of it."""
    return plot(values, width, height=1)[0]


def resampled(values: Sequence[float], width: int) -> list[float]:
    """At most `width` values: the means of equal parts."""
    count = min(width, len(values))
    edges = [round(place * len(values) / count) for place in range(count + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
