"""Convolutions that learn faster on a processor than torch's: of 3×3 pixels, of 2×2 with a stride of 2, of one.

- The gradient of a convolution's weights is a sum over the pixels of all pictures: a matrix product of their gradients
  and the patches around them. On maps of a few pixels a side torch's own way takes up to four times as long.
- Where patches do not overlap, the convolution itself is a matrix product of pixels and filters.
- 2×2 pooling ignores the last row and column of a map with an odd side: a quarter of a map of 7×7 pixels.
"""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.grad import conv2d_input

SMALL = 49
"""The most pixels of a map whose weight gradient is taken as a matrix product."""
FEW = 16
"""The most pixels of a map on which a convolution of single pixels is a matrix product."""
ROWS = 2_048
"""Pixels, of all pictures together, whose patches are laid out at a time: they stay in the processor's cache."""


class Convolution(nn.Conv2d):
    """A 3×3 convolution that keeps the size of the maps.

    pooled   its maps are pooled 2×2 next: a last odd row or column is not computed
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True, pooled: bool = False) -> None:
        super().__init__(inputs, outputs, 3, padding=1, bias=bias)
        self.pooled = pooled

    def forward(self, maps: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs rows columns"]:
        """A map for each filter."""
        (height, width), padding = maps.shape[2:], 1
        small = maps.device.type == "cpu" and height * width <= SMALL
        if self.pooled and (height % 2 or width % 2):
            maps, padding = F.pad(maps, (1, 1 - width % 2, 1, 1 - height % 2)), 0
        if not (small and torch.is_grad_enabled() and self.weight.requires_grad):
            return F.conv2d(maps, self.weight, self.bias, padding=padding)
        if torch.is_autocast_enabled("cpu"):
            maps = maps.to(torch.get_autocast_dtype("cpu"))
        found: Tensor = _Convolve.apply(maps, self.weight, self.bias, padding)  # type: ignore[no-untyped-call]
        return found


class Pointwise(nn.Conv2d):
    """A convolution of single pixels; on maps of few it is a matrix product of pixels and filters."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1)

    def forward(self, maps: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs height width"]:
        """A map for each filter."""
        if maps.shape[2:].numel() > FEW:
            return super().forward(maps)
        return F.linear(maps.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


class Halving(nn.Conv2d):
    """A convolution that makes one pixel of each square of 2×2: a matrix product, in half the time of torch's own way.

    Height and width of its maps are even.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 2, stride=2)

    def forward(self, maps: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs rows columns"]:
        """A map of half the size for each filter."""
        count, inputs, height, width = maps.shape
        pixels = maps.permute(0, 2, 3, 1).reshape(count, height // 2, 2, width // 2, 2, inputs)
        squares = pixels.transpose(2, 3).flatten(3)
        return F.linear(squares, self.weight.permute(0, 2, 3, 1).flatten(1), self.bias).permute(0, 3, 1, 2)


class _Convolve(torch.autograd.Function):
    """torch's convolution with `weight_gradient` for its own."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor | None, padding: int) -> Tensor:
        weight, bias = weight.to(maps.dtype), None if bias is None else bias.to(maps.dtype)
        ctx.save_for_backward(maps, weight)
        ctx.padding = padding
        return F.conv2d(maps, weight, bias, padding=padding)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor | None, None]:
        (maps, weight), padding = ctx.saved_tensors, ctx.padding
        to_bias = gradient.sum((0, 2, 3), dtype=torch.float32) if ctx.needs_input_grad[2] else None
        to_maps: Tensor = conv2d_input(maps.shape, weight, gradient, padding=padding)  # type: ignore[no-untyped-call]
        return to_maps, weight_gradient(maps, gradient, padding), to_bias, None


def weight_gradient(
    maps: Float[Tensor, "batch inputs height width"],
    gradient: Float[Tensor, "batch outputs rows columns"],
    padding: int,
) -> Float[Tensor, "outputs inputs 3 3"]:
    """The gradient of a 3×3 convolution's weights in float32, from that of its outputs."""
    inputs, (count, outputs, height, width) = maps.shape[1], gradient.shape
    padded = F.pad(maps.permute(0, 2, 3, 1), (0, 0, *[padding] * 4)).contiguous()
    pixels = gradient.permute(0, 2, 3, 1).reshape(count, height * width, outputs)
    total = torch.zeros(outputs, 9 * inputs)
    at_once = max(1, ROWS // (height * width))
    for start in range(0, count, at_once):
        some = padded[start : start + at_once]
        picture, row, column, _ = some.stride()
        patches = some.as_strided((len(some), height, width, 3, 3 * inputs), (picture, row, column, row, 1))
        total += pixels[start : start + at_once].flatten(0, 1).T @ patches.reshape(-1, 9 * inputs)
    return total.view(outputs, 3, 3, inputs).permute(0, 3, 1, 2)
