"""3×3 convolutions by Winograd's minimal filtering, in single precision: a fraction of a convolution's products.

A row of a map and a row of a filter are polynomials, and their convolution is the product of the two. So it is enough
to evaluate both at as many points as there are unknowns, to multiply them point by point, and to interpolate: n outputs
of a row take n + 2 products instead of 3n, and those of a map the square of that (Winograd, "Arithmetic complexity of
computations", 1980; Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016). At each point the
pictures' channels meet the filters' in one matrix product.

The points lie at equal angles on the projective line: one formula for rows of any length, which loses digits about as
slowly as the best points that were tried. Rows of eight lose three of single precision's seven; bfloat16 has none to
lose. Maps are tensors with a pixel's channels side
by side.
"""

import math
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from trine.train.patches import TAPS

TILE = 8
"""The most outputs of a row that are interpolated together: a longer row is cut into even tiles."""
AT_ONCE = 2**23
"""Products that are held at a time: they stay in the processor's cache."""


class Filtering(NamedTuple):
    """The convolution of a row, with a padding of one: outputs @ ((maps @ row) * (taps @ filter))."""

    maps: Float[Tensor, "points inputs"]
    taps: Float[Tensor, "points 3"]
    outputs: Float[Tensor, "outputs points"]


class Meeting(NamedTuple):
    """Maps and filters at the points where they are multiplied."""

    maps: Float[Tensor, "batch points inputs"]
    filters: Float[Tensor, "points inputs outputs"]


def convolve(
    maps: Float[Tensor, "batch height width inputs"],
    filters: Float[Tensor, "outputs 3 3 inputs"],
    rows: int,
    columns: int,
) -> tuple[Float[Tensor, "batch rows columns outputs"], Meeting]:
    """The first rows and columns of a convolution with a padding of one pixel, and what `gradients` need of it."""
    down, right = _filtering(maps.shape[1], rows, maps.dtype), _filtering(maps.shape[2], columns, maps.dtype)
    at_points = _transform(down.taps, right.taps, filters.permute(3, 1, 2, 0)).flatten(1, 2)
    met = Meeting(_transform(down.maps, right.maps, maps).flatten(1, 2), at_points.transpose(0, 1).contiguous())
    found = maps.new_empty(len(maps), rows, columns, len(filters))
    for some in _turns(met):
        products = torch.bmm(met.maps[some].transpose(0, 1), met.filters).transpose(0, 1)
        found[some] = _transform(down.outputs, right.outputs, products)
    return found, met


def gradients(
    gradient: Float[Tensor, "batch rows columns outputs"], met: Meeting, height: int, width: int
) -> tuple[Float[Tensor, "batch height width inputs"], Float[Tensor, "outputs 3 3 inputs"]]:
    """The gradients of a convolution's maps and of its filters, from that of its outputs: every step the other way."""
    _, rows, columns, _ = gradient.shape
    down, right = _filtering(height, rows, gradient.dtype), _filtering(width, columns, gradient.dtype)
    turned = met.filters.transpose(1, 2).contiguous()
    to_filters = torch.zeros_like(met.filters)
    to_maps = gradient.new_empty(len(gradient), height, width, met.maps.shape[2])
    for some in _turns(met):
        to_products = _transform(down.outputs.T, right.outputs.T, gradient[some]).flatten(1, 2).transpose(0, 1)
        torch.baddbmm(to_filters, met.maps[some].permute(1, 2, 0), to_products, out=to_filters)
        to_maps[some] = _transform(down.maps.T, right.maps.T, torch.bmm(to_products, turned).transpose(0, 1))
    return to_maps, _transform(down.taps.T, right.taps.T, to_filters.transpose(0, 1)).permute(3, 1, 2, 0)


@cache
def _filtering(inputs: int, outputs: int, dtype: torch.dtype) -> Filtering:
    """That of the first outputs of rows of so many inputs, rounded from double precision."""
    count = math.ceil(outputs / TILE)
    ends = [outputs * tile // count for tile in range(count + 1)]
    points = outputs + (TAPS - 1) * count
    maps = torch.zeros(points, inputs + TAPS - 1, dtype=torch.float64)
    taps = torch.zeros(points, TAPS, dtype=torch.float64)
    sums = torch.zeros(outputs, points, dtype=torch.float64)
    for number, (begin, end) in enumerate(pairwise(ends)):
        own = slice(begin + number * (TAPS - 1), end + (number + 1) * (TAPS - 1))
        maps[own, begin : end + TAPS - 1], taps[own], sums[begin:end, own] = _tile(end - begin)
    return Filtering(*(part.to(dtype) for part in (maps[:, 1:-1], taps, sums)))


def _tile(outputs: int) -> Filtering:
    """That of a row with two more inputs than outputs, as the transposition of a product of polynomials."""
    points = outputs + TAPS - 1
    taps, sums = _values(points, TAPS), _values(points, outputs)
    taps_size, sums_size = taps.norm(dim=1, keepdim=True), sums.norm(dim=1, keepdim=True)
    maps = torch.linalg.inv(_values(points, points)).T * taps_size * sums_size
    return Filtering(maps, taps / taps_size, (sums / sums_size).T)


def _values(points: int, coefficients: int) -> Float[Tensor, "points coefficients"]:
    """What takes a polynomial's coefficients to its values at points of the projective line."""
    angles = torch.arange(points, dtype=torch.float64).unsqueeze(1) * math.pi / points
    powers = torch.arange(coefficients)
    return angles.cos() ** powers.flip(0) * angles.sin() ** powers


def _transform(
    rows: Float[Tensor, "to_rows rows"], columns: Float[Tensor, "to_columns columns"], maps: Float[Tensor, "batch ..."]
) -> Float[Tensor, "batch to_rows to_columns channels"]:
    """Rows and columns of maps, as such or as points of both, multiplied by matrices."""
    count, channels = len(maps), maps.shape[-1]
    found = rows @ maps.reshape(count, rows.shape[1], -1)
    found = columns @ found.view(count * len(rows), columns.shape[1], channels)
    return found.view(count, len(rows), len(columns), channels)


def _turns(met: Meeting) -> Iterator[slice]:
    """Pictures that are taken together."""
    count, points, inputs = met.maps.shape
    at_once = max(1, AT_ONCE // (points * max(inputs, met.filters.shape[2])))
    return (slice(begin, begin + at_once) for begin in range(0, count, at_once))
