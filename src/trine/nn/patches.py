"""The weight gradient of a 3×3 convolution of small maps, as a matrix product with patches of the maps."""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

ROWS = 2_048
"""Patches that are copied into one matrix at a time: they stay in the processor's cache."""
TAPS = 3
"""Rows and columns of a filter."""


def weight_gradient(
    maps: Float[Tensor, "batch height width inputs"], gradient: Float[Tensor, "batch rows columns outputs"]
) -> Float[Tensor, "outputs 3 3 inputs"]:
    """The gradient of the filters in float32, from the gradient of the outputs; `maps` include the padding."""
    _, rows, columns, outputs = gradient.shape
    total = torch.zeros(outputs, TAPS * TAPS * maps.shape[-1])
    for pictures, patches in _patches(maps.contiguous(), rows, columns):
        total += gradient[pictures].reshape(-1, outputs).T @ patches
    return total.view(outputs, TAPS, TAPS, -1)


def _patches(
    maps: Float[Tensor, "batch height width inputs"], rows: int, columns: int
) -> Iterator[tuple[slice, Float[Tensor, "patches taps"]]]:
    """The patches of several pictures at a time, one per output pixel, with the indices of these pictures."""
    inputs, at_once = maps.shape[-1], max(1, ROWS // (rows * columns))
    picture, row, column, _ = maps.stride()
    for start in range(0, len(maps), at_once):
        part = maps[start : start + at_once]
        patches = part.as_strided((len(part), rows, columns, TAPS, TAPS * inputs), (picture, row, column, row, 1))
        yield slice(start, start + at_once), patches.reshape(-1, TAPS * TAPS * inputs)
