"""Every way in which a convolution is computed gives the outputs and gradients of torch's convolution."""

from itertools import product

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from trine.nn import winograd
from trine.nn.convolution import (
    FILTERED_PAIRS,
    FILTERED_SIDE,
    PATCHED_PIXELS,
    PRODUCT_PIXELS,
    Convolution,
    Halving,
    Pointwise,
)
from trine.nn.operations import count_flops
from trine.nn.patches import ROWS

PATCHES, FILTERING = WAYS = ("weight gradient by patches", "minimal filtering")


def gradients(layer: nn.Module, maps: torch.Tensor, target: torch.Tensor) -> list[torch.Tensor]:
    maps = maps.clone().requires_grad_()
    layer.zero_grad()
    (layer(maps) * target).sum().backward()
    return [maps.grad, *(parameter.grad for parameter in layer.parameters())]


def random(layer: nn.Module, *shapes: tuple[int, ...]) -> list[torch.Tensor]:
    """Random tensors of these shapes in the precision of the layer's weights."""
    return [torch.randn(shape, dtype=next(layer.parameters()).dtype) for shape in shapes]


def assert_agreement(ours: nn.Module, theirs: nn.Module, maps: torch.Tensor, target: torch.Tensor, last: bool) -> None:
    """Outputs and gradients are the same, with channels first in memory or last."""
    if last:
        maps, target = (value.to(memory_format=torch.channels_last) for value in (maps, target))
    torch.testing.assert_close(ours(maps), theirs(maps))
    for computed, expected in zip(gradients(ours, maps, target), gradients(theirs, maps, target), strict=True):
        torch.testing.assert_close(computed, expected, atol=1e-4, rtol=1e-4)


def pair(inputs: int, outputs: int, bias: bool, way: str, pooled: bool = False) -> tuple[Convolution, nn.Conv2d]:
    """Our layer, computed in the given way whatever its number of channels, and torch's with the same weights."""
    ours, theirs = Convolution(inputs, outputs, bias, pooled), nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)
    ours.many_pairs = way == FILTERING
    theirs.load_state_dict(ours.state_dict())
    return (ours.double(), theirs.double()) if ours.many_pairs else (ours, theirs)


@settings(deadline=None, max_examples=30)
@given(
    st.integers(1, 5),
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 18),
    st.integers(1, 9),
    st.booleans(),
    st.booleans(),
    st.sampled_from(WAYS),
)
def test_outputs_and_gradients_agree_with_torch(count, inputs, outputs, height, width, bias, last, way):
    torch.manual_seed(count)
    ours, theirs = pair(inputs, outputs, bias, way)
    assert_agreement(ours, theirs, *random(ours, (count, inputs, height, width), (count, outputs, height, width)), last)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 17), st.integers(2, 17), st.sampled_from(WAYS))
def test_rows_and_columns_that_pooling_ignores_change_no_output_and_no_gradient(height, width, way):
    torch.manual_seed(height)
    ours, theirs = pair(3, 4, False, way, pooled=True)
    maps, target = random(ours, (2, 3, height, width), (2, 4, height // 2, width // 2))
    pooled = [nn.Sequential(layer, nn.MaxPool2d(2)) for layer in (ours, theirs)]
    torch.testing.assert_close(pooled[0](maps), pooled[1](maps))
    for computed, expected in zip(*(gradients(network, maps, target) for network in pooled), strict=True):
        torch.testing.assert_close(computed, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("way", WAYS)
def test_minimal_filtering_does_not_compute_what_pooling_ignores(way):
    ours, _ = pair(3, 4, False, way, pooled=True)
    maps = random(ours, (2, 3, 7, 5))[0].requires_grad_()
    assert ours(maps).shape == ((2, 4, 7, 5) if way == PATCHES else (2, 4, 6, 4))


def test_bfloat16_does_not_compute_what_pooling_ignores():
    ours = Convolution(3, 4, pooled=True)
    with torch.autocast("cpu", torch.bfloat16):
        assert all(ours(torch.ones(2, 3, side, side)).shape == (2, 4, side - 1, side - 1) for side in (5, 7, 31))


@pytest.mark.parametrize("way", WAYS)
def test_a_batch_too_large_for_the_cache_is_computed_in_parts(way, monkeypatch):
    count = 2 * ROWS // 49 + 5
    monkeypatch.setattr(winograd, "AT_ONCE", 40 * 81 * 4)
    ours, theirs = pair(3, 4, False, way)
    maps, target = random(ours, (count, 3, 7, 7), (count, 4, 7, 7))
    for computed, expected in zip(gradients(ours, maps, target), gradients(theirs, maps, target), strict=True):
        torch.testing.assert_close(computed, expected, atol=1e-3, rtol=1e-3)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, FILTERED_SIDE), st.integers(2, FILTERED_SIDE), st.booleans())
def test_minimal_filtering_counts_the_operations_of_a_convolution_by_its_definition(height, width, pooled):
    (ours, _), counter = pair(2, 3, False, FILTERING, pooled), FlopCounterMode(display=False)
    maps = torch.ones(5, 2, height, width, dtype=torch.float64, requires_grad=True)
    with counter:
        ours(maps).sum().backward()
    rows, columns = (side - side % 2 if pooled else side for side in (height, width))
    meetings = [
        (row, column, down, right)
        for row, column, down, right in product(range(rows), range(columns), (-1, 0, 1), (-1, 0, 1))
        if 0 <= row + down < height and 0 <= column + right < width
    ]
    assert counter.get_total_flops() == 3 * 2 * 5 * 2 * 3 * len(meetings)
    assert count_flops(lambda: ours(maps).sum().backward())[1] == counter.get_total_flops()


@pytest.mark.parametrize("side", [3, 7, 14])
def test_minimal_filtering_executes_at_most_half_of_the_operations_transforms_included(side):
    maps, filters = torch.ones(64, side, side, 128), torch.ones(128, 3, 3, 128)

    def ours() -> None:
        _, at_points, taps = winograd.convolve(maps, filters, side, side)
        winograd.gradients(maps, at_points, taps, side, side)

    theirs, pixels = nn.Conv2d(128, 128, 3, padding=1), torch.ones(64, 128, side, side, requires_grad=True)
    assert 2 * count_flops(ours)[1] <= count_flops(lambda: theirs(pixels).sum().backward())[1]


@pytest.mark.parametrize("side", range(1, FILTERED_SIDE + 2))
def test_minimal_filtering_keeps_four_digits_in_single_precision(side):
    torch.manual_seed(side)
    ours, theirs = Convolution(64, FILTERED_PAIRS // 64), nn.Conv2d(64, FILTERED_PAIRS // 64, 3, padding=1)
    theirs.load_state_dict(ours.state_dict())
    maps, target = random(ours, (4, 64, side, side), (4, FILTERED_PAIRS // 64, side, side))
    exact = theirs.double()
    pairs = [(ours(maps), exact(maps.double()))]
    pairs += zip(gradients(ours, maps, target), gradients(exact, maps.double(), target.double()), strict=True)
    assert all((computed - expected).norm() < 1e-4 * expected.norm() for computed, expected in pairs)


@pytest.mark.parametrize("side", [4, round(PATCHED_PIXELS**0.5) + 1])
def test_under_autocast_gradients_have_the_precision_of_the_weights(side):
    ours, theirs = pair(8, 8, True, PATCHES)
    maps, target = random(ours, (16, 8, side, side), (16, 8, side, side))
    with torch.autocast("cpu", torch.bfloat16):
        pairs = list(zip(gradients(ours, maps, target), gradients(theirs, maps, target), strict=True))
    for computed, expected in pairs:
        assert computed.dtype == expected.dtype == torch.float32
        assert (computed - expected).norm() < 0.02 * expected.norm()


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6), st.integers(1, 4), st.integers(1, 4), st.booleans())
def test_a_2x2_convolution_with_a_stride_of_2_agrees_with_torch(count, inputs, outputs, rows, columns, last):
    torch.manual_seed(count)
    ours, theirs = Halving(inputs, outputs), nn.Conv2d(inputs, outputs, 2, stride=2)
    theirs.load_state_dict(ours.state_dict())
    maps, target = torch.randn(count, inputs, 2 * rows, 2 * columns), torch.randn(count, outputs, rows, columns)
    assert_agreement(ours, theirs, maps, target, last)


@settings(deadline=None, max_examples=30)
@given(
    st.integers(1, 5),
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, PRODUCT_PIXELS),
    st.integers(1, 2),
    st.booleans(),
)
def test_a_1x1_convolution_agrees_with_torch(count, inputs, outputs, rows, columns, last):
    torch.manual_seed(count)
    ours, theirs = Pointwise(inputs, outputs), nn.Conv2d(inputs, outputs, 1)
    theirs.load_state_dict(ours.state_dict())
    maps, target = torch.randn(count, inputs, rows, columns), torch.randn(count, outputs, rows, columns)
    assert_agreement(ours, theirs, maps, target, last)
