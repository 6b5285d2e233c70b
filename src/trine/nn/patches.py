"""3×3 convolutions of small maps as matrix products of patches and filters, without products with padding.

At the edge of a map some taps of a filter lie outside, where all is zero: 32 products in 81 on a map of 3×3
pixels, 80 in 441 on one of 7×7. So the outputs are taken in regions whose patches have the same taps inside, and the
others' weights are left out. Maps are tensors with a pixel's channels side by side.
"""

from collections.abc import Iterator
from itertools import groupby, product
from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor

ROWS = 2_048
"""Patches that are laid out at a time: they stay in the processor's cache."""
TAPS = 3
"""Of a filter, in each direction."""


class Band(NamedTuple):
    """Rows of the outputs, or columns, that have the same taps inside the maps."""

    outputs: slice
    taps: slice
    begin: int
    """Where in the maps the first one's patch begins."""


def bands(outputs: int, inputs: int, padding: int) -> list[Band]:
    """All outputs of a convolution in one direction, first to last; there may be fewer than there are inputs."""
    found, start = [], 0
    for (first, last), alike in groupby(_inside(place - padding, inputs) for place in range(outputs)):
        end = start + len(list(alike))
        found.append(Band(slice(start, end), slice(first, last), start - padding + first))
        start = end
    return found


def convolve(
    maps: Float[Tensor, "batch height width inputs"],
    filters: Float[Tensor, "outputs 3 3 inputs"],
    rows: int,
    columns: int,
) -> Float[Tensor, "batch rows columns outputs"]:
    """The first rows and columns of a convolution with a padding of one pixel."""
    maps, filters = maps.contiguous(), filters.contiguous()
    found = maps.new_empty(len(maps), rows, columns, len(filters))
    for down, right in _regions(maps, rows, columns, 1):
        taps = filters[:, down.taps, right.taps].flatten(1)
        region = found[:, down.outputs, right.outputs]
        for some, patches in _patches(maps, down, right):
            part = region[some]
            part.copy_(F.linear(patches, taps).view_as(part))
    return found


def weight_gradient(
    maps: Float[Tensor, "batch height width inputs"],
    gradient: Float[Tensor, "batch rows columns outputs"],
    padding: int,
) -> Float[Tensor, "outputs 3 3 inputs"]:
    """The gradient of a convolution's filters in float32, from that of its outputs."""
    maps, (_, rows, columns, outputs) = maps.contiguous(), gradient.shape
    total = torch.zeros(outputs, TAPS, TAPS, maps.shape[-1])
    for down, right in _regions(maps, rows, columns, padding):
        of_taps = total[:, down.taps, right.taps]
        region = gradient[:, down.outputs, right.outputs]
        for some, patches in _patches(maps, down, right):
            of_taps += (region[some].reshape(-1, outputs).T @ patches).view_as(of_taps)
    return total


def _inside(begin: int, inputs: int) -> tuple[int, int]:
    """The first tap of a filter that begins here which lies inside the maps, and the one after the last."""
    return max(0, -begin), min(TAPS, inputs - begin)


def _regions(maps: Tensor, rows: int, columns: int, padding: int) -> Iterator[tuple[Band, Band]]:
    """Rows and columns of outputs whose patches have the same taps inside the maps."""
    return product(bands(rows, maps.shape[1], padding), bands(columns, maps.shape[2], padding))


def _patches(
    maps: Float[Tensor, "batch height width inputs"], down: Band, right: Band
) -> Iterator[tuple[slice, Float[Tensor, "patches taps"]]]:
    """The patches of a region, of some pictures at a time; a patch's taps row by row."""
    count, inputs = len(maps), maps.shape[-1]
    picture, row, column, _ = maps.stride()
    high, wide, tall, broad = map(size, (down.outputs, right.outputs, down.taps, right.taps))
    at_once = max(1, ROWS // (high * wide))
    for start in range(0, count, at_once):
        some = maps[start : start + at_once]
        patches = some.as_strided(
            (len(some), high, wide, tall, broad * inputs),
            (picture, row, column, row, 1),
            some.storage_offset() + down.begin * row + right.begin * column,
        )
        yield slice(start, start + at_once), patches.reshape(-1, tall * broad * inputs)


def size(part: slice) -> int:
    """Places in it."""
    return int(part.stop - part.start)
