"""How a picture of one aspect ratio fills a frame of another: its middle cropped, padded, or squashed.

Crops are of whole pixels, so that an exported graph can do the same.
"""

from typing import Literal

import numpy as np
from PIL import Image

from trine.pictures.reading import Fit

CROPPED_UP_TO = 4 / 3
"""Largest ratio of the picture's aspect to the frame's that `auto` crops: a quarter of the picture is lost. Photos of
cameras and phones are 4:3 or 3:2."""
SAME = 1.02
"""Ratio of aspects up to which a picture counts as having the frame's."""
OPAQUE = 128
"""Mean opacity of a border from which the padding is opaque."""

Frame = Literal["whole", "crop", "pad", "squash"]


def frame_of(size: tuple[int, int], shape: tuple[int, int], fit: Fit) -> Frame:
    """What is done with a picture of this size (height, width) in a frame of this shape (height, width)."""
    aspect = (size[1] * shape[0]) / (size[0] * shape[1])
    ratio = max(aspect, 1 / aspect)
    if ratio <= SAME:
        return "whole"
    if fit == "auto":
        return "crop" if ratio <= CROPPED_UP_TO * 1.001 else "pad"
    return fit


def framed(image: Image.Image, shape: tuple[int, int], fit: Fit) -> Image.Image:
    """The picture at `shape` (height, width), in one antialiased step."""
    height, width = shape
    if image.size == (width, height):
        return image
    frame = frame_of((image.height, image.width), shape, fit)
    if frame == "pad":
        return _padded(image, shape)
    return (image if frame == "squash" else _middle(image, shape)).resize((width, height), Image.Resampling.BICUBIC)


def _middle(image: Image.Image, shape: tuple[int, int]) -> Image.Image:
    """The largest centred part with the proportions of `shape`, in whole pixels."""
    scale = min(image.width / shape[1], image.height / shape[0])
    across = min(image.width, max(1, round(shape[1] * scale)))
    down = min(image.height, max(1, round(shape[0] * scale)))
    left, top = (image.width - across) // 2, (image.height - down) // 2
    return image.crop((left, top, left + across, top + down))


def _padded(image: Image.Image, shape: tuple[int, int]) -> Image.Image:
    """The whole picture in the middle, on the mean colour of its border: black bars would become a feature."""
    height, width = shape
    scale = max(image.width / width, image.height / height)
    across = min(width, max(1, round(image.width / scale)))
    down = min(height, max(1, round(image.height / scale)))
    small = image.resize((across, down), Image.Resampling.BICUBIC)
    frame = Image.new(image.mode, (width, height), border_colour(small))
    frame.paste(small, ((width - across) // 2, (height - down) // 2))
    return frame


def border_colour(image: Image.Image) -> tuple[int, ...]:
    """The mean of the border pixels; transparent where the border mostly is."""
    levels = np.asarray(image).reshape(image.height, image.width, -1).astype(np.float64)
    border = np.concatenate([levels[0], levels[-1], levels[1:-1, 0], levels[1:-1, -1]])
    if image.mode not in ("LA", "RGBA"):
        mean: list[float] = border.mean(axis=0).tolist()
        return tuple(round(level) for level in mean)
    opacity = border[:, -1]
    if opacity.mean() < OPAQUE:
        return (0,) * int(border.shape[1])
    colour = (border[:, :-1] * opacity[:, None]).sum(axis=0) / opacity.sum()
    rounded: list[int] = [round(level) for level in colour.tolist()]
    return (*rounded, 255)
