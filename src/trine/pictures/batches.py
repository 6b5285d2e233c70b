"""Pictures taken together: how many at once, and in which order an epoch shows them."""

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from trine.pictures.picture_set import PictureSplit

PIXELS = 500 * 32 * 32
"""Of the pictures that are judged together."""


def at_once(height: int, width: int) -> int:
    """How many pictures of this size are judged together."""
    return max(1, PIXELS // (height * width))


@lru_cache(maxsize=2)
def epoch_order(seed: int, epoch: int, count: int) -> Int64[Tensor, "count"]:
    """The samples' places, shuffled anew each epoch; the same whenever it is asked for. Not to be changed in place."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed * 7_919 + epoch))


def batches(
    images: UInt8[np.ndarray, "n height width channels"], size: int
) -> Iterator[UInt8[Tensor, "batch height width channels"]]:
    """Pictures in order, `size` at a time, copied from the memory map."""
    for start in range(0, len(images), size):
        yield torch.from_numpy(np.array(images[start : start + size]))


def evenly(count: int, most: int) -> Int64[np.ndarray, "chosen"]:
    """Indices of at most `most` of `count` items, evenly spaced."""
    return np.linspace(0, count - 1, min(count, most)).astype(np.int64)


def mirrors(flip: str, channels: int) -> bool:
    """Whether a recipe's `flip` mirrors pictures of these channels; `auto` mirrors colour pictures."""
    return flip in ("alternating", "random") or (flip == "auto" and channels == 3)


def labels_of(split: PictureSplit) -> Int64[Tensor, "n"]:
    """The class indices of a labelled split."""
    return torch.from_numpy(np.array(split.labels, dtype=np.int64))
