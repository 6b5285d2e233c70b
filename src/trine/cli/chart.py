"""Curves as text, for a terminal."""

from collections.abc import Sequence
from itertools import pairwise

BLOCKS = " ▁▂▃▄▅▆▇█"


def plot(values: Sequence[float], width: int = 60, height: int = 8) -> list[str]:
    """A column chart of the values, from the smallest to the largest, as `height` lines; the top line first."""
    columns = [value for value in resampled(values, width) for _ in range(max(1, width // len(values)))]
    low, high = min(columns), max(columns)
    eighths = [1 + round((value - low) / (high - low or 1) * (8 * height - 1)) for value in columns]
    return ["".join(BLOCKS[min(8, max(0, level - 8 * row))] for level in eighths) for row in reversed(range(height))]


def framed(title: str, values: Sequence[float], width: int = 60, height: int = 8) -> list[str]:
    """A chart below its title, first and last value; beside it the largest and the smallest value."""
    rows = plot(values, width, height)
    scale = [f"{max(values):.4g}", *[""] * (height - 2), f"{min(values):.4g}"]
    margin = max(map(len, scale))
    lines = [f"{label:>{margin}} │{row}" for label, row in zip(scale, rows, strict=True)]
    return [f"{title}: {values[0]:.4g} → {values[-1]:.4g}", *lines]


def sparkline(values: Sequence[float], width: int = 40) -> str:
    """A chart of one line."""
    return plot(values, width, height=1)[0]


def resampled(values: Sequence[float], width: int) -> list[float]:
    """At most `width` values: the means of equal parts of the sequence."""
    count = min(width, len(values))
    edges = [round(index * len(values) / count) for index in range(count + 1)]
    return [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
