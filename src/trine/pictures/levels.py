"""Pictures of more than 8 bits: which levels become black and white. The whole set has one range, so that pictures stay
comparable: scaled one by one, a dark picture would look like a bright one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trine.pictures.reading import Range

DEEP_MODES = frozenset({"I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
"""Pillow's modes of more than 8 bits."""


def level_range(levels: NDArray[Any]) -> Range:
    """The lowest and the highest level of a picture. Raises ValueError for NaN and infinity."""
    low, high = float(levels.min()), float(levels.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        count = int((~np.isfinite(levels)).sum())
        raise ValueError(f"{count:,} of its levels are NaN or infinite: replace them by numbers")
    return low, high


def integer_range(ranges: list[Range]) -> Range:
    """The range of integer levels: 0 to the next power of two minus 1 (1,023 for 10 bits), at least 255.

    With negative levels it is their own range.
    """
    low, high = _joined(ranges)
    if low < 0:
        return low, max(high, low + 1)
    return 0.0, float(2 ** max(8, int(high).bit_length()) - 1)


def float_range(ranges: list[Range]) -> Range:
    """The range of floating-point levels: 0 to 1, or 0 to the highest one; with negative levels their own range."""
    low, high = _joined(ranges)
    if low < 0:
        return low, max(high, low + 1e-12 * max(1.0, abs(low)))
    return 0.0, (high if high > 1 else 1.0)


def scaled(levels: NDArray[Any], span: Range) -> Image.Image:
    """A picture of more than 8 bits, with 8 bits: the range becomes 0 to 255; what lies outside is cut off."""
    level_range(levels)  # refuses NaN, which would become black
    low, high = span
    levels = (levels.astype(np.float64) - low) * (255 / (high - low))
    return Image.fromarray(np.clip(np.rint(levels), 0, 255).astype(np.uint8))


def _joined(ranges: list[Range]) -> Range:
    return min(low for low, _ in ranges), max(high for _, high in ranges)
