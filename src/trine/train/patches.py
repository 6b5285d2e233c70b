"""3×3 convolutions of small maps as matrix products of patches and filters, without products with padding.

At the edge of a map some taps of a filter lie outside, where all is zero: 32 products in 81 on a map of 3×3
pixels, 80 in 441 on one of 7×7. So the outputs are taken in regions whose patches have the same taps inside, and the
others' weights are left out. Maps are tensors with a pixel's channels side by side.
"""

from collections.abc import Iterator
from itertools import groupby, product
from typing import NamedTuple

import torch
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
    filters: Float[Tensor, "3 3 inputs outputs"],
    rows: int,
    columns: int,
) -> Float[Tensor, "batch rows columns outputs"]:
    """The first rows and columns of a convolution with a padding of one pixel."""
    found = maps.new_empty(len(maps), rows, columns, filters.shape[-1])
    for some, down, right, patches in _regions(maps, rows, columns, 1):
        region = found[some, down.outputs, right.outputs]
        region.copy_((patches @ filters[down.taps, right.taps].flatten(0, 2)).view_as(region))
    return found


def weight_gradient(
    maps: Float[Tensor, "batch height width inputs"],
    gradient: Float[Tensor, "batch rows columns outputs"],
    padding: int,
) -> Float[Tensor, "outputs 3 3 inputs"]:
    """The gradient of a convolution's filters in float32, from that of its outputs."""
    inputs, (_, rows, columns, outputs) = maps.shape[-1], gradient.shape
    total = torch.zeros(outputs, TAPS, TAPS, inputs)
    for some, down, right, patches in _regions(maps, rows, columns, padding):
        pixels = gradient[some, down.outputs, right.outputs].reshape(-1, outputs)
        part = total[:, down.taps, right.taps]
        part += (pixels.T @ patches).view_as(part)
    return total


def _inside(begin: int, inputs: int) -> tuple[int, int]:
    """The first tap of a filter that begins here which lies inside the maps, and the one after the last."""
    return max(0, -begin), min(TAPS, inputs - begin)


def _regions(
    maps: Float[Tensor, "batch height width inputs"], rows: int, columns: int, padding: int
) -> Iterator[tuple[slice, Band, Band, Float[Tensor, "patches taps"]]]:
    """The patches of some pictures at a time, a region after the other; a patch's taps row by row."""
    maps = maps.contiguous()
    count, height, width, inputs = maps.shape
    picture, row, column, _ = maps.stride()
    for down, right in product(bands(rows, height, padding), bands(columns, width, padding)):
        high, wide, tall, broad = map(_size, (down.outputs, right.outputs, down.taps, right.taps))
        at_once = max(1, ROWS // (high * wide))
        for start in range(0, count, at_once):
            some = maps[start : start + at_once]
            patches = some.as_strided(
                (len(some), high, wide, tall, broad * inputs),
                (picture, row, column, row, 1),
                some.storage_offset() + down.begin * row + right.begin * column,
            )
            yield slice(start, start + at_once), down, right, patches.reshape(-1, tall * broad * inputs)


def _size(part: slice) -> int:
    return int(part.stop - part.start)
