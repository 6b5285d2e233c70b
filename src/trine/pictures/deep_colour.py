"""Colour pictures with 16 bits per channel, of which Pillow keeps the high bytes only: 10 bits would leave 4 levels.

Pillow's unpackers for the other byte order give the low bytes, so that a second decoding completes the levels.
"""

import sys

import numpy as np
from PIL import Image, ImageFile

from trine.annotations import UInt16

SWAPPED = {"16B": "16L", "16L": "16B", "16N": "16B" if sys.byteorder == "little" else "16L"}
"""The unpacker of the other byte order."""
RAW_MODES = frozenset(f"{mode};{order}" for mode in ("RGB", "RGBA", "RGBX") for order in SWAPPED)


def is_deep_colour(image: Image.Image) -> bool:
    """Whether a picture that is open but not decoded has 16 bits per channel."""
    return isinstance(image, ImageFile.ImageFile) and bool(image.tile) and _raw_mode(image.tile[0].args) in RAW_MODES


def colour_levels(image: Image.Image) -> UInt16[np.ndarray, "height width channels"]:
    """All levels of such a picture, as RGB or RGBA. The picture is decoded, and its file read again."""
    assert isinstance(image, ImageFile.ImageFile)
    assert image.fp is not None
    file, form = image.fp, image.format
    image.load()
    file.seek(0)
    again = Image.open(file, formats=(str(form),))
    assert isinstance(again, ImageFile.ImageFile)
    again.tile = [tile._replace(args=_swapped(tile.args)) for tile in again.tile]
    low = np.asarray(again).astype(np.uint16)
    return np.asarray(image).astype(np.uint16) * 256 + low


def _raw_mode(args: object) -> str:
    first = args[0] if isinstance(args, tuple) and args else args
    return str(first)


def _swapped(args: object) -> tuple[object, ...] | str:
    raw = _raw_mode(args)
    mode, _, order = raw.partition(";")
    swapped = f"{mode};{SWAPPED[order]}"
    return (swapped, *args[1:]) if isinstance(args, tuple) else swapped
