"""Convolutions that learn faster on a processor than torch's: of 3×3 pixels, of 2×2 with a stride of 2, of one.

- In single precision a 3×3 convolution with many filters is taken by minimal filtering, with a third of the products.
- Otherwise, as bfloat16 has not the digits for that, the gradient of a small convolution's weights is a matrix product
  of its outputs' gradients and the patches around them. torch's own way takes up to four times as long.
- Where patches do not overlap, the convolution itself is a matrix product of pixels and filters.
- 2×2 pooling ignores the last row and column of a map with an odd side, a quarter of a map of 7×7 pixels: they are left
  out, but where torch's own way in single precision is the slower for it.
"""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.grad import conv2d_input

from trine.nn import patches, winograd

FILTERED = 16
"""The longest side of a map whose convolution is taken by minimal filtering."""
WORTH = 2**12
"""Pairs of an input and an output from which on minimal filtering gains more than its transforms cost."""
PRECISE = (torch.float32, torch.float64)
"""With digits enough for it."""
SMALL = 49
"""The most pixels of a map that is laid out in patches."""
FEW = 16
"""The most pixels of a map on which a convolution of single pixels is a matrix product."""


class Convolution(nn.Conv2d):
    """A 3×3 convolution that keeps the size of the maps.

    pooled   its maps are pooled 2×2 next: a last odd row or column may be missing
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True, pooled: bool = False) -> None:
        super().__init__(inputs, outputs, 3, padding=1, bias=bias)
        self.pooled, self.worth = pooled, inputs * outputs >= WORTH

    def forward(self, maps: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs rows columns"]:
        """A map for each filter."""
        height, width = maps.shape[2:]
        rows, columns = (side - side % 2 if self.pooled else side for side in (height, width))
        learns = torch.is_grad_enabled() and self.weight.requires_grad and maps.device.type == "cpu"
        if learns and torch.is_autocast_enabled("cpu"):
            maps = maps.to(torch.get_autocast_dtype("cpu"))
        if learns and self.worth and max(height, width) <= FILTERED and maps.dtype in PRECISE:
            return _apply(_Filtered, maps, self.weight, self.bias, rows, columns)
        padding = 1
        if (rows, columns) != (height, width) and maps.dtype not in PRECISE:
            maps, padding = F.pad(maps, (1, columns - width + 1, 1, rows - height + 1)), 0
        if learns and height * width <= SMALL:
            return _apply(_WithPatches, maps, self.weight, self.bias, padding)
        return F.conv2d(maps, self.weight, self.bias, padding=padding)


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


class _Filtered(torch.autograd.Function):
    """The first rows and columns of a convolution, by minimal filtering."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor | None, rows: int, columns: int) -> Tensor:
        found: Tensor
        found, *met = winograd.OPERATORS.convolve(_pixels(maps), weight.permute(0, 2, 3, 1), rows, columns)
        ctx.save_for_backward(*met)
        ctx.size = maps.shape[2:]
        return (found if bias is None else found.add_(bias)).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor | None, None, None]:
        to_maps, to_weight = winograd.OPERATORS.gradients(_pixels(gradient), *ctx.saved_tensors, *ctx.size)
        return to_maps.permute(0, 3, 1, 2), to_weight.permute(0, 3, 1, 2), _of_bias(ctx, gradient), None, None


class _WithPatches(torch.autograd.Function):
    """torch's convolution, but for the gradient of its weights."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor | None, padding: int) -> Tensor:
        weight, bias = weight.to(maps.dtype), None if bias is None else bias.to(maps.dtype)
        ctx.save_for_backward(maps, weight)
        ctx.padding = padding
        return F.conv2d(maps, weight, bias, padding=padding)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor | None, None]:
        (maps, weight), padding = ctx.saved_tensors, ctx.padding
        to_maps: Tensor = conv2d_input(maps.shape, weight, gradient, padding=padding)  # type: ignore[no-untyped-call]
        padded = F.pad(_pixels(maps), (0, 0, *[padding] * 4))
        to_weight = patches.weight_gradient(padded, _pixels(gradient)).permute(0, 3, 1, 2)
        return to_maps, to_weight, _of_bias(ctx, gradient), None


def _apply(function: type[torch.autograd.Function], *arguments: Any) -> Tensor:
    found: Tensor = function.apply(*arguments)  # type: ignore[no-untyped-call]
    return found


def _pixels(maps: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch height width channels"]:
    return maps.permute(0, 2, 3, 1)


def _of_bias(ctx: Any, gradient: Float[Tensor, "batch outputs rows columns"]) -> Float[Tensor, "outputs"] | None:
    return gradient.sum((0, 2, 3), dtype=torch.float32) if ctx.needs_input_grad[2] else None
