"""Convolutions that are matrix products, in part or altogether, are torch's convolutions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from trine.train.compute import count_flops
from trine.train.convolution import FEW, MANY, SMALL, Convolution, Halving, Pointwise
from trine.train.patches import ROWS


def gradients(layer: nn.Module, maps: torch.Tensor, target: torch.Tensor) -> list[torch.Tensor]:
    maps = maps.clone().requires_grad_()
    layer.zero_grad()
    (layer(maps) * target).sum().backward()
    return [maps.grad, *(parameter.grad for parameter in layer.parameters())]


def agree(ours: nn.Module, theirs: nn.Module, maps: torch.Tensor, target: torch.Tensor, last: bool) -> None:
    """Outputs and gradients are the same, with channels last in memory or first."""
    if last:
        maps, target = (value.to(memory_format=torch.channels_last) for value in (maps, target))
    torch.testing.assert_close(ours(maps), theirs(maps))
    for found, expected in zip(gradients(ours, maps, target), gradients(theirs, maps, target), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


def pair(
    inputs: int, outputs: int, bias: bool, many: bool = False, pooled: bool = False
) -> tuple[Convolution, nn.Conv2d]:
    """Ours, as if its filters were many or few, and torch's."""
    ours, theirs = Convolution(inputs, outputs, bias, pooled), nn.Conv2d(inputs, outputs, 3, padding=1, bias=bias)
    ours.many = many
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


@settings(deadline=None, max_examples=30)
@given(
    st.integers(1, 5),
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 9),
    st.integers(1, 9),
    st.booleans(),
    st.booleans(),
    st.booleans(),
)
def test_outputs_and_gradients_are_those_of_torch(count, inputs, outputs, height, width, bias, last, many):
    torch.manual_seed(count)
    ours, theirs = pair(inputs, outputs, bias, many)
    maps, target = torch.randn(count, inputs, height, width), torch.randn(count, outputs, height, width)
    agree(ours, theirs, maps, target, last)


@settings(deadline=None, max_examples=30)
@given(st.integers(2, 17), st.integers(2, 17), st.booleans())
def test_what_pooling_leaves_out_is_not_computed_and_nothing_else_changes(height, width, many):
    torch.manual_seed(height)
    ours, theirs = pair(3, 4, False, many, pooled=True)
    maps, target = torch.randn(2, 3, height, width), torch.randn(2, 4, height // 2, width // 2)
    assert ours(maps).shape == (2, 4, height // 2 * 2, width // 2 * 2)
    pooled = [nn.Sequential(layer, nn.MaxPool2d(2)) for layer in (ours, theirs)]
    torch.testing.assert_close(pooled[0](maps), pooled[1](maps))
    for found, expected in zip(*(gradients(one, maps, target) for one in pooled), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("many", [False, True])
def test_many_pictures_are_taken_in_turn(many):
    ours, theirs = pair(3, 4, False, many)
    count = 2 * ROWS // 49 + 5
    maps, target = torch.randn(count, 3, 7, 7), torch.randn(count, 4, 7, 7)
    for found, expected in zip(gradients(ours, maps, target), gradients(theirs, maps, target), strict=True):
        torch.testing.assert_close(found, expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("many", [False, True])
def test_with_many_filters_no_product_with_padding_is_computed(many):
    outputs = 4 if many else 2
    ours, theirs = Convolution(MANY // 4, outputs), nn.Conv2d(MANY // 4, outputs, 3, padding=1)
    costs = [count_flops(lambda one=one: one(torch.ones(1, MANY // 4, 3, 3)))[1] for one in (ours, theirs)]
    assert costs[0] * 81 == costs[1] * (49 if many else 81)


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("side", [4, round(SMALL**0.5) + 1])
def test_under_autocast_the_weights_gradient_comes_back_in_the_weights_precision(side, many):
    ours, theirs = pair(8, 8, True, many)
    maps, target = torch.randn(16, 8, side, side), torch.randn(16, 8, side, side)
    with torch.autocast("cpu", torch.bfloat16):
        found, expected = gradients(ours, maps, target), gradients(theirs, maps, target)
    assert [value.dtype for value in found] == [value.dtype for value in expected] == [torch.float32] * 3
    for one, other in zip(found, expected, strict=True):
        assert (one - other).norm() < 0.02 * other.norm()


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6), st.integers(1, 4), st.integers(1, 4), st.booleans())
def test_squares_of_two_pixels_are_taken_as_torch_takes_them(count, inputs, outputs, rows, columns, last):
    torch.manual_seed(count)
    ours, theirs = Halving(inputs, outputs), nn.Conv2d(inputs, outputs, 2, stride=2)
    theirs.load_state_dict(ours.state_dict())
    maps, target = torch.randn(count, inputs, 2 * rows, 2 * columns), torch.randn(count, outputs, rows, columns)
    agree(ours, theirs, maps, target, last)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 5), st.integers(1, 6), st.integers(1, 6), st.integers(1, FEW), st.integers(1, 2), st.booleans())
def test_single_pixels_are_taken_as_torch_takes_them(count, inputs, outputs, rows, columns, last):
    torch.manual_seed(count)
    ours, theirs = Pointwise(inputs, outputs), nn.Conv2d(inputs, outputs, 1)
    theirs.load_state_dict(ours.state_dict())
    maps, target = torch.randn(count, inputs, rows, columns), torch.randn(count, outputs, rows, columns)
    agree(ours, theirs, maps, target, last)
