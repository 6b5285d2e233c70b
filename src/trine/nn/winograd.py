"""3×3 convolutions by Winograd's minimal filtering in single precision, with a fraction of a convolution's products.

The convolution of a row of a map with a row of a filter is a product of two polynomials. It is enough to evaluate both
polynomials at as many points as their product has coefficients, to multiply the values at each point, and to
interpolate. n outputs of a row take n + 2 products instead of 3n, and n × n outputs take (n + 2)² instead of 9n²
(Winograd, "Arithmetic complexity of computations", 1980; Lavin and Gray, "Fast algorithms for convolutional neural
networks", 2016). At each point, one matrix product multiplies the channels of all pictures and all filters.

The points lie at equal angles on the projective line, by one formula for rows of any length. Rounding errors grow with
the length of a row about as slowly as with the best points that were tried: rows of eight outputs lose three of single
precision's seven digits. bfloat16 has fewer than three. All tensors here have the channels of a pixel last.

Both directions are operators of torch, so that counters of operations see them. Each counts as the convolution that it
computes, as torch's own does: the count does not depend on the algorithm.
"""

import math
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from trine.nn.patches import TAPS

TILE = 8
"""Largest number of outputs of a row that are interpolated together. Longer rows are cut into tiles of nearly equal
length, because the rounding error grows with the length."""
AT_ONCE = 2**23
"""Largest number of products held at a time, 32 MiB in single precision, so that they stay in the processor's cache."""
Shape = tuple[int, ...]


class Filtering(NamedTuple):
    """Matrices for the convolution of a row with a padding of one: outputs @ ((maps @ row) * (taps @ filter))."""

    maps: Float[Tensor, "points inputs"]
    taps: Float[Tensor, "points 3"]
    outputs: Float[Tensor, "outputs points"]


def convolve(
    maps: Float[Tensor, "batch height width inputs"],
    filters: Float[Tensor, "outputs 3 3 inputs"],
    rows: int,
    columns: int,
) -> tuple[
    Float[Tensor, "batch rows columns outputs"],
    Float[Tensor, "batch points inputs"],
    Float[Tensor, "points inputs outputs"],
]:
    """The first `rows` and `columns` of a convolution with a padding of one pixel.

    Also returns what `gradients` needs: the values of maps and filters at the points.
    """
    down, right = _filtering(maps.shape[1], rows, maps.dtype), _filtering(maps.shape[2], columns, maps.dtype)
    at_points = _transform(down.maps, right.maps, maps).flatten(1, 2)
    taps = _transform(down.taps, right.taps, filters.permute(3, 1, 2, 0)).flatten(1, 2).transpose(0, 1).contiguous()
    outputs = maps.new_empty(len(maps), rows, columns, len(filters))
    for pictures in _slices(at_points, taps):
        products = torch.bmm(at_points[pictures].transpose(0, 1), taps).transpose(0, 1)
        outputs[pictures] = _transform(down.outputs, right.outputs, products)
    return outputs, at_points, taps


def gradients(
    gradient: Float[Tensor, "batch rows columns outputs"],
    at_points: Float[Tensor, "batch points inputs"],
    taps: Float[Tensor, "points inputs outputs"],
    height: int,
    width: int,
) -> tuple[Float[Tensor, "batch height width inputs"], Float[Tensor, "outputs 3 3 inputs"]]:
    """The gradients of a convolution's maps and filters, from the gradient of its outputs.

    The steps of `convolve`, transposed and in reverse order.
    """
    _, rows, columns, _ = gradient.shape
    down, right = _filtering(height, rows, gradient.dtype), _filtering(width, columns, gradient.dtype)
    transposed = taps.transpose(1, 2).contiguous()
    to_taps = torch.zeros_like(taps)
    to_maps = gradient.new_empty(len(gradient), height, width, at_points.shape[2])
    for pictures in _slices(at_points, taps):
        to_products = _transform(down.outputs.T, right.outputs.T, gradient[pictures]).flatten(1, 2).transpose(0, 1)
        torch.baddbmm(to_taps, at_points[pictures].permute(1, 2, 0), to_products, out=to_taps)
        to_maps[pictures] = _transform(down.maps.T, right.maps.T, torch.bmm(to_products, transposed).transpose(0, 1))
    return to_maps, _transform(down.taps.T, right.taps.T, to_taps.transpose(0, 1)).permute(3, 1, 2, 0)


@cache
def _filtering(inputs: int, outputs: int, dtype: torch.dtype) -> Filtering:
    """Matrices for rows of `inputs` pixels, of which the first `outputs` are wanted; rounded from double precision."""
    count, points = _tiles(outputs), _points(outputs)
    ends = [outputs * tile // count for tile in range(count + 1)]
    maps = torch.zeros(points, inputs + TAPS - 1, dtype=torch.float64)
    taps = torch.zeros(points, TAPS, dtype=torch.float64)
    sums = torch.zeros(outputs, points, dtype=torch.float64)
    for number, (begin, end) in enumerate(pairwise(ends)):
        own = slice(begin + number * (TAPS - 1), end + (number + 1) * (TAPS - 1))
        maps[own, begin : end + TAPS - 1], taps[own], sums[begin:end, own] = _tile(end - begin)
    return Filtering(*(part.to(dtype) for part in (maps[:, 1:-1], taps, sums)))


def _tiles(outputs: int) -> int:
    """Number of tiles that a row of outputs is cut into."""
    return math.ceil(outputs / TILE)


def _points(outputs: int) -> int:
    """Number of points for a row of outputs: in each tile, two more than it has outputs."""
    return outputs + (TAPS - 1) * _tiles(outputs)


def _tile(outputs: int) -> Filtering:
    """Matrices for one tile, a row with two more inputs than outputs: a product of polynomials, transposed."""
    points = outputs + TAPS - 1
    taps, sums = _values(points, TAPS), _values(points, outputs)
    taps_size, sums_size = taps.norm(dim=1, keepdim=True), sums.norm(dim=1, keepdim=True)
    maps = torch.linalg.inv(_values(points, points)).T * taps_size * sums_size
    return Filtering(maps, taps / taps_size, (sums / sums_size).T)


def _values(points: int, coefficients: int) -> Float[Tensor, "points coefficients"]:
    """The matrix that evaluates a polynomial, given by its coefficients, at points of the projective line."""
    angles = torch.arange(points, dtype=torch.float64).unsqueeze(1) * math.pi / points
    powers = torch.arange(coefficients)
    return angles.cos() ** powers.flip(0) * angles.sin() ** powers


def _transform(
    rows: Float[Tensor, "to_rows rows"], columns: Float[Tensor, "to_columns columns"], maps: Float[Tensor, "batch ..."]
) -> Float[Tensor, "batch to_rows to_columns channels"]:
    """The maps, or their values at points, with rows multiplied by one matrix and columns by another."""
    count, channels = len(maps), maps.shape[-1]
    transformed = rows @ maps.reshape(count, rows.shape[1], -1)
    transformed = columns @ transformed.view(count * len(rows), columns.shape[1], channels)
    return transformed.view(count, len(rows), len(columns), channels)


def _slices(
    at_points: Float[Tensor, "batch points inputs"], taps: Float[Tensor, "points inputs outputs"]
) -> Iterator[slice]:
    """Slices of the batch that are processed one after the other."""
    count, points, inputs = at_points.shape
    at_once = max(1, AT_ONCE // (points * max(inputs, taps.shape[2])))
    return (slice(begin, begin + at_once) for begin in range(0, count, at_once))


def _convolve_fake(maps: Tensor, filters: Tensor, rows: int, columns: int) -> tuple[Tensor, Tensor, Tensor]:
    """Tensors without data in the shapes of the results of `convolve`: torch traces and exports with them."""
    (batch, _, _, inputs), outputs, points = maps.shape, filters.shape[0], _points(rows) * _points(columns)
    return (
        maps.new_empty(batch, rows, columns, outputs),
        maps.new_empty(batch, points, inputs),
        maps.new_empty(points, inputs, outputs),
    )


def _gradients_fake(
    gradient: Tensor, at_points: Tensor, taps: Tensor, height: int, width: int
) -> tuple[Tensor, Tensor]:
    """Tensors without data in the shapes and strides of the results of `gradients`."""
    _, inputs, outputs = taps.shape
    to_maps = gradient.new_empty(gradient.shape[0], height, width, inputs)
    return to_maps, gradient.new_empty(inputs, TAPS, TAPS, outputs).permute(3, 1, 2, 0)


torch.library.define(
    "trine::convolve", "(Tensor maps, Tensor filters, int rows, int columns) -> (Tensor, Tensor, Tensor)"
)
torch.library.define(
    "trine::gradients", "(Tensor gradient, Tensor at_points, Tensor taps, int height, int width) -> (Tensor, Tensor)"
)
torch.library.impl("trine::convolve", "cpu", convolve)
torch.library.impl("trine::gradients", "cpu", gradients)
torch.library.register_fake("trine::convolve", _convolve_fake)
torch.library.register_fake("trine::gradients", _gradients_fake)
OPERATORS = torch.ops.trine


@register_flop_formula(OPERATORS.convolve)
def _convolve_operations(maps: Shape, filters: Shape, rows: int, columns: int, **_: Any) -> int:
    return _operations(maps[1:3], (rows, columns), maps[0] * maps[3] * filters[0])


@register_flop_formula(OPERATORS.gradients)
def _gradients_operations(gradient: Shape, at_points: Shape, taps: Shape, *sides: int, **_: Any) -> int:
    return 2 * _operations(sides, gradient[1:3], gradient[0] * taps[1] * taps[2])


def _operations(inputs: Sequence[int], outputs: Sequence[int], pairs: int) -> int:
    """Operations of a convolution by its definition: two per tap and pixel that meet, none for taps on the padding."""
    return 2 * pairs * math.prod(map(_meetings, inputs, outputs))


def _meetings(inputs: int, outputs: int) -> int:
    """Pairs of a tap and a pixel in a row: output i meets the pixels i - 1, i and i + 1 that lie inside the row."""
    return sum(min(outputs, inputs - offset) - max(0, -offset) for offset in (-1, 0, 1))
