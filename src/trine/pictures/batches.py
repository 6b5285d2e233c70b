"""Which pictures are processed together: batches, even samples, the order of an epoch; and the rule for mirroring."""

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Int64, UInt8
from torch import Tensor

from trine.errors import DataError
from trine.pictures.picture_set import PictureSet, PictureSplit

PIXELS = 500 * 32 * 32
"""Pixels per batch when no gradients are computed: 500 pictures of CIFAR-10's size."""
LEAST_LOOKED_AT = 30
"""Held-out or test pictures that are looked at, if there are so many, however little time there is."""


def at_once(height: int, width: int) -> int:
    """Batch size for pictures of this height and width when no gradients are computed; at least 1."""
    return max(1, PIXELS // (height * width))


def batches(
    images: UInt8[np.ndarray, "n height width channels"], size: int
) -> Iterator[UInt8[Tensor, "batch height width channels"]]:
    """All pictures in order, `size` per batch; each batch is a copy, so a memory-mapped file is never written to."""
    for start in range(0, len(images), size):
        yield torch.from_numpy(np.array(images[start : start + size]))


def evenly(count: int, most: int) -> Int64[np.ndarray, "sample"]:
    """Indices of at most `most` of `count` pictures at even distances; with two or more, the first and the last."""
    return np.linspace(0, count - 1, min(count, most)).astype(np.int64)


def share_of(count: int, share: float) -> Int64[np.ndarray, "sample"]:
    """Indices of this share of the pictures at even distances, but of `LEAST_LOOKED_AT` at least."""
    return evenly(count, max(LEAST_LOOKED_AT, round(share * count)))


def part_of(split: PictureSplit, share: float) -> PictureSplit:
    """This share of a split's pictures, as `share_of` chooses them."""
    if share >= 1:
        return split
    chosen = share_of(len(split), share)
    labels = None if split.labels is None else split.labels[chosen]
    names = [split.names[int(index)] for index in chosen]
    return PictureSplit(split.images[chosen], labels, names, split.positions[chosen])


def part_held_out(pictures: PictureSet, share: float) -> PictureSet:
    """The set with this share of its validation and test pictures."""
    if share >= 1:
        return pictures
    parts = {name: part_of(split, share) for name, split in pictures.splits.items() if name != "train"}
    return replace(pictures, splits={**pictures.splits, **parts})


@lru_cache(maxsize=2)
def epoch_order(seed: int, epoch: int, count: int) -> Int64[Tensor, "count"]:
    """A random permutation of all indices, determined by seed and epoch.

    The result is cached: do not change it in place.
    """
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed * 7_919 + epoch))


def mirrors(flip: str, channels: int) -> bool:
    """Whether a recipe's `flip` mirrors pictures from left to right.

    `auto` mirrors colour pictures only: grey ones are often digits or letters, which change their meaning.
    """
    return flip in ("alternating", "random") or (flip == "auto" and channels >= 3)


def labels_of(split: PictureSplit) -> Int64[Tensor, "n"]:
    """The class index of each picture. Raises `DataError` for a split without labels."""
    if split.labels is None:
        raise DataError("the pictures have no classes: put the pictures of each class into a folder named after it")
    return torch.from_numpy(np.array(split.labels, dtype=np.int64))
