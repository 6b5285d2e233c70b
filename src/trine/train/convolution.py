"""A 3×3 convolution that learns faster where feature maps are small.

The gradient of its weights is a sum over the pixels of all pictures: a matrix product of their gradients and the
patches around them. On maps of a few pixels a side, on a processor, torch's own way takes up to four times as long.
"""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.grad import conv2d_input

SMALL = 64
"""The most pixels of a map whose weight gradient is taken as a matrix product."""
ROWS = 2_048
"""Pixels, of all pictures together, whose patches are laid out at a time: they stay in the processor's cache."""


class Convolution(nn.Conv2d):
    """A 3×3 convolution that keeps the size of the maps."""

    def __init__(self, inputs: int, outputs: int, bias: bool = True) -> None:
        super().__init__(inputs, outputs, 3, padding=1, bias=bias)

    def forward(self, maps: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs height width"]:
        """A map for each filter."""
        small = maps.device.type == "cpu" and maps.shape[2] * maps.shape[3] <= SMALL
        if not (small and torch.is_grad_enabled() and self.weight.requires_grad):
            return super().forward(maps)
        if torch.is_autocast_enabled("cpu"):
            maps = maps.to(torch.get_autocast_dtype("cpu"))
        found: Tensor = _Convolve.apply(maps, self.weight.to(maps.dtype))  # type: ignore[no-untyped-call]
        return found if self.bias is None else found + self.bias.to(found.dtype)[:, None, None]


class _Convolve(torch.autograd.Function):
    """torch's convolution with `weight_gradient` for its own."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(maps, weight)
        return F.conv2d(maps, weight, padding=1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        maps, weight = ctx.saved_tensors
        to_maps: Tensor = conv2d_input(maps.shape, weight, gradient, padding=1)  # type: ignore[no-untyped-call]
        return to_maps, weight_gradient(maps, gradient).to(weight.dtype)


def weight_gradient(
    maps: Float[Tensor, "batch inputs height width"], gradient: Float[Tensor, "batch outputs height width"]
) -> Float[Tensor, "outputs inputs 3 3"]:
    """The gradient of a 3×3 convolution's weights in float32, from that of its outputs."""
    (count, inputs, height, width), outputs = maps.shape, gradient.shape[1]
    padded = F.pad(maps.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1)).contiguous()
    pixels = gradient.permute(0, 2, 3, 1).reshape(count, height * width, outputs)
    total = torch.zeros(outputs, 9 * inputs)
    at_once = max(1, ROWS // (height * width))
    for start in range(0, count, at_once):
        some = padded[start : start + at_once]
        picture, row, column, _ = some.stride()
        patches = some.as_strided((len(some), height, width, 3, 3 * inputs), (picture, row, column, row, 1))
        total += pixels[start : start + at_once].flatten(0, 1).T @ patches.reshape(-1, 9 * inputs)
    return total.view(outputs, 3, 3, inputs).permute(0, 3, 1, 2)
