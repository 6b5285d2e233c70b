"""Pillow's picture modes: which are grey, how each is brought to 8 bits, and transparency laid over white."""

import numpy as np
from PIL import Image

GREY_MODES = frozenset({"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"})
PLAIN_MODES = {"1": "L", "La": "LA", "RGBa": "RGBA", "L": "L", "LA": "LA", "RGBA": "RGBA", "CMYK": "CMYK"}
"""The scalable mode for each 8-bit mode without a palette; RGB for modes not listed."""


def is_grey(image: Image.Image) -> bool:
    """Whether the mode, or the palette, has no colour."""
    if image.mode not in ("P", "PA"):
        return image.mode in GREY_MODES
    palette = image.getpalette("RGB")
    return palette is not None and palette[0::3] == palette[1::3] == palette[2::3]


def plain_mode(image: Image.Image) -> Image.Image:
    """The picture in a mode that Pillow can scale: L, LA, RGB, RGBA or CMYK.

    Levels of 16 bits are divided by 257. Floating-point levels are multiplied by 255 if none is above 1.
    """
    if image.mode == "F":
        levels = np.asarray(image)
        return Image.fromarray(np.clip(levels * (255 if levels.max() <= 1 else 1), 0, 255).astype(np.uint8))
    if image.mode.startswith("I"):
        return Image.fromarray(np.clip(np.asarray(image) / 257 + 0.5, 0, 255).astype(np.uint8))
    if image.mode in ("P", "PA"):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode in ("L", "RGB") and image.has_transparency_data:
        return image.convert("LA" if image.mode == "L" else "RGBA")
    return image.convert(PLAIN_MODES.get(image.mode, "RGB"))


def over_white(image: Image.Image) -> Image.Image:
    """The picture laid over a white background where it is transparent."""
    if image.mode not in ("LA", "RGBA"):
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
