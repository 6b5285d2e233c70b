"""3×3 convolutions by Winograd's minimal filtering, in single precision: a fraction of a convolution's products.

A row of a map and a row of a filter are polynomials, and their convolution is the product of the two. So it is enough
to evaluate both at as many points as there are unknowns, to multiply them point by point, and to interpolate: n outputs
of a row take n + 2 products instead of 3n, and those of a map the square of that (Winograd, "Arithmetic complexity of
computations", 1980; Lavin and Gray, "Fast algorithms for convolutional neural networks", 2016). At each point the
pictures' channels meet the filters' in one matrix product.

The points lie at equal angles on the projective line: one formula for rows of any length, which loses digits about as
slowly as the best points that were tried. Rows of eight lose three of single precision's seven; bfloat16 has none to
lose. Maps are tensors with a pixel's channels side by side.

Both directions are operators of torch's, so that whoever counts operations counts a convolution, by its definition, as
with torch's own: what it costs does not depend on the way in which it is taken.
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
"""The most outputs of a row that are interpolated together: a longer row is cut into even tiles."""
AT_ONCE = 2**23
"""Products that are held at a time: they stay in the processor's cache."""
Shape = tuple[int, ...]


class Filtering(NamedTuple):
    """The convolution of a row, with a padding of one: outputs @ ((maps @ row) * (taps @ filter))."""

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
    """The first rows and columns of a convolution with a padding of one pixel.

    Beside them what `gradients` needs: maps and filters at the points where they are multiplied.
    """
    down, right = _filtering(maps.shape[1], rows, maps.dtype), _filtering(maps.shape[2], columns, maps.dtype)
    at_points = _transform(down.maps, right.maps, maps).flatten(1, 2)
    taps = _transform(down.taps, right.taps, filters.permute(3, 1, 2, 0)).flatten(1, 2).transpose(0, 1).contiguous()
    found = maps.new_empty(len(maps), rows, columns, len(filters))
    for some in _turns(at_points, taps):
        products = torch.bmm(at_points[some].transpose(0, 1), taps).transpose(0, 1)
        found[some] = _transform(down.outputs, right.outputs, products)
    return found, at_points, taps


def gradients(
    gradient: Float[Tensor, "batch rows columns outputs"],
    at_points: Float[Tensor, "batch points inputs"],
    taps: Float[Tensor, "points inputs outputs"],
    height: int,
    width: int,
) -> tuple[Float[Tensor, "batch height width inputs"], Float[Tensor, "outputs 3 3 inputs"]]:
    """The gradients of a convolution's maps and of its filters, from that of its outputs: every step the other way."""
    _, rows, columns, _ = gradient.shape
    down, right = _filtering(height, rows, gradient.dtype), _filtering(width, columns, gradient.dtype)
    turned = taps.transpose(1, 2).contiguous()
    to_taps = torch.zeros_like(taps)
    to_maps = gradient.new_empty(len(gradient), height, width, at_points.shape[2])
    for some in _turns(at_points, taps):
        to_products = _transform(down.outputs.T, right.outputs.T, gradient[some]).flatten(1, 2).transpose(0, 1)
        torch.baddbmm(to_taps, at_points[some].permute(1, 2, 0), to_products, out=to_taps)
        to_maps[some] = _transform(down.maps.T, right.maps.T, torch.bmm(to_products, turned).transpose(0, 1))
    return to_maps, _transform(down.taps.T, right.taps.T, to_taps.transpose(0, 1)).permute(3, 1, 2, 0)


@cache
def _filtering(inputs: int, outputs: int, dtype: torch.dtype) -> Filtering:
    """That of the first outputs of rows of so many inputs, rounded from double precision."""
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
    """Number of points at which a row of outputs is evaluated: two more than it has outputs, per tile."""
    return outputs + (TAPS - 1) * _tiles(outputs)


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


def _turns(
    at_points: Float[Tensor, "batch points inputs"], taps: Float[Tensor, "points inputs outputs"]
) -> Iterator[slice]:
    """Pictures that are taken together."""
    count, points, inputs = at_points.shape
    at_once = max(1, AT_ONCE // (points * max(inputs, taps.shape[2])))
    return (slice(begin, begin + at_once) for begin in range(0, count, at_once))


def _convolve_fake(maps: Tensor, filters: Tensor, rows: int, columns: int) -> tuple[Tensor, Tensor, Tensor]:
    """Empty results of `convolve`'s shapes, by which torch traces and exports it."""
    (batch, _, _, inputs), outputs, points = maps.shape, filters.shape[0], _points(rows) * _points(columns)
    return (
        maps.new_empty(batch, rows, columns, outputs),
        maps.new_empty(batch, points, inputs),
        maps.new_empty(points, inputs, outputs),
    )


def _gradients_fake(
    gradient: Tensor, at_points: Tensor, taps: Tensor, height: int, width: int
) -> tuple[Tensor, Tensor]:
    """Empty results of `gradients`' shapes and strides."""
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
    """Of convolutions by their definition: two wherever a tap meets a pixel, none where it meets the padding."""
    return 2 * pairs * math.prod(map(_meetings, inputs, outputs))


def _meetings(inputs: int, outputs: int) -> int:
    """Pairs of a tap and a pixel in a row: output i meets the pixels i - 1, i and i + 1 that lie inside the row."""
    return sum(min(outputs, inputs - offset) - max(0, -offset) for offset in (-1, 0, 1))
