"""Pillow's picture modes: which are grey, how each is brought to 8 bits, and what becomes of transparent pixels."""

import numpy as np
from PIL import Image

from trine.annotations import UInt8
from trine.pictures.levels import DEEP_MODES, level_range, scaled
from trine.pictures.reading import Reading

GREY_MODES = frozenset({"1", "L", "LA", "La"}) | DEEP_MODES
PLAIN_MODES = {"1": "L", "La": "LA", "RGBa": "RGBA", "L": "L", "LA": "LA", "RGBA": "RGBA", "CMYK": "CMYK"}
"""The scalable mode for each 8-bit mode without a palette; RGB for modes not listed."""
OPAQUE = 255
"""Opacity of a pixel through which nothing can be seen."""
BRIGHT = 191.0
"""Mean brightness of the opaque part, in levels of 255, above which it is laid on black: on white it would vanish."""


def is_grey(image: Image.Image) -> bool:
    """Whether the mode, or the palette, has no colour."""
    if image.mode not in ("P", "PA"):
        return image.mode in GREY_MODES
    palette = image.getpalette("RGB")
    return palette is not None and palette[0::3] == palette[1::3] == palette[2::3]


def plain_mode(image: Image.Image, reading: Reading) -> Image.Image:
    """The picture in a mode that Pillow can scale: L, LA, RGB, RGBA or CMYK.

    Raises ValueError for levels that are NaN or infinite.
    """
    levels = np.asarray(image) if image.mode in DEEP_MODES else np.zeros(0)
    if image.mode == "F":
        return scaled(levels, reading.floats or (0.0, 1.0 if level_range(levels)[1] <= 1 else 255.0))
    if image.mode in DEEP_MODES:
        return scaled(levels, reading.integers)
    if image.mode in ("P", "PA"):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    if image.mode in ("L", "RGB") and image.has_transparency_data:
        return image.convert("LA" if image.mode == "L" else "RGBA")
    return image.convert(PLAIN_MODES.get(image.mode, "RGB"))


def over_backdrop(image: Image.Image, reading: Reading) -> Image.Image:
    """The picture laid over a backdrop where it is transparent."""
    if image.mode not in ("LA", "RGBA"):
        return image
    image = image.convert("RGBA")
    colour = "black" if reading.backdrop == "contrast" and _is_bright(image) else "white"
    return Image.alpha_composite(Image.new("RGBA", image.size, colour), image).convert("RGB")


def has_transparency(image: Image.Image) -> bool:
    """Whether a pixel of the picture is not opaque."""
    if image.mode in DEEP_MODES or not image.has_transparency_data:
        return False
    return image.convert("RGBA").getchannel("A").getextrema()[0] != OPAQUE


def with_opacity(image: Image.Image) -> UInt8[np.ndarray, "height width 4"]:
    """The picture as RGB and opacity. Where nothing can be seen, the colour is the mean of what can.

    What files hold there is arbitrary: a network would learn it, and generated pictures would have it at their edges.
    """
    pixels = np.array(image.convert("RGBA"))
    opacity = pixels[..., 3].astype(np.float64)
    if opacity.any():
        mean = (pixels[..., :3] * opacity[..., None]).sum((0, 1)) / opacity.sum()
        pixels[opacity == 0, :3] = np.rint(mean).astype(np.uint8)
    return pixels


def _is_bright(image: Image.Image) -> bool:
    """Whether what can be seen of an RGBA picture is bright: the mean brightness, weighted by opacity."""
    opacity = np.asarray(image.getchannel("A"), np.float64)
    brightness = np.asarray(image.convert("RGB").convert("L"), np.float64)
    return bool(opacity.sum() and (brightness * opacity).sum() / opacity.sum() > BRIGHT)
