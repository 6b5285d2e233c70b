"""Convolutions that train faster on a CPU than torch's: 3×3, 2×2 with a stride of 2, and 1×1.

- In single precision, a 3×3 convolution of small maps with many channels uses minimal filtering: a third of the
  products.
- In bfloat16, which is too coarse for minimal filtering, and with few channels, torch computes the convolution. On
  small maps its weight gradient is a matrix product of the outputs' gradient and patches of the maps. torch's own
  weight gradient takes up to four times as long.
- A convolution whose patches do not overlap (2×2 with a stride of 2, 1×1) is a matrix product of pixels and filters.
- 2×2 pooling ignores the last row and column of a map with an odd side, a quarter of a map of 7×7 pixels. They are not
  computed, except where torch's convolution in single precision takes longer without them.
"""

from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.grad import conv2d_input
from typing_extensions import override

from trine.nn import patches, winograd

FILTERED_SIDE = 16
"""Longest side, in pixels, of maps that are convolved by minimal filtering: on larger ones it gains little."""
FILTERED_PAIRS = 2**12
"""Smallest number of pairs of an input and an output channel for minimal filtering: below it, the transforms cost more
than is gained."""
PRECISE = (torch.float32, torch.float64)
"""Number formats with enough digits for minimal filtering, which loses three."""
PATCHED_PIXELS = 49
"""Largest number of pixels of a map whose weight gradient is a product with patches: on larger maps torch's own way is
faster."""
PRODUCT_PIXELS = 16
"""Largest number of pixels of a map on which a 1×1 convolution is a matrix product."""


class Convolution(nn.Conv2d):
    """A 3×3 convolution with a padding of one pixel.

    pooled   2×2 pooling follows, so a last odd row or column may be left out of the output
    """

    def __init__(self, inputs: int, outputs: int, bias: bool = True, pooled: bool = False) -> None:
        super().__init__(inputs, outputs, 3, padding=1, bias=bias)
        self.pooled, self.many_pairs = pooled, inputs * outputs >= FILTERED_PAIRS

    @override
    def forward(self, maps: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs rows columns"]:
        height, width = maps.shape[2:]
        rows, columns = (side - side % 2 if self.pooled else side for side in (height, width))
        learns = torch.is_grad_enabled() and self.weight.requires_grad and maps.device.type == "cpu"
        if learns and torch.is_autocast_enabled("cpu"):
            maps = maps.to(torch.get_autocast_dtype("cpu"))
        if learns and self.many_pairs and max(height, width) <= FILTERED_SIDE and maps.dtype in PRECISE:
            return _apply(_Filtered, maps, self.weight, self.bias, rows, columns)
        padding = 1
        if (rows, columns) != (height, width) and maps.dtype not in PRECISE:
            maps, padding = F.pad(maps, (1, columns - width + 1, 1, rows - height + 1)), 0
        if learns and height * width <= PATCHED_PIXELS:
            return _apply(_WithPatches, maps, self.weight, self.bias, padding)
        return F.conv2d(maps, self.weight, self.bias, padding=padding)


class Pointwise(nn.Conv2d):
    """A 1×1 convolution; on maps of few pixels it is a matrix product of pixels and filters."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1)

    @override
    def forward(self, maps: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs height width"]:
        if maps.shape[2:].numel() > PRODUCT_PIXELS:
            return super().forward(maps)
        return F.linear(maps.permute(0, 2, 3, 1), self.weight.flatten(1), self.bias).permute(0, 3, 1, 2)


class Halving(nn.Conv2d):
    """A 2×2 convolution with a stride of 2 as a matrix product, which takes half the time of torch's convolution.

    Height and width of its maps must be even.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 2, stride=2)

    @override
    def forward(self, maps: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs rows columns"]:
        count, inputs, height, width = maps.shape
        pixels = maps.permute(0, 2, 3, 1).reshape(count, height // 2, 2, width // 2, 2, inputs)
        squares = pixels.transpose(2, 3).flatten(3)
        return F.linear(squares, self.weight.permute(0, 2, 3, 1).flatten(1), self.bias).permute(0, 3, 1, 2)


class _Filtered(torch.autograd.Function):
    """The first rows and columns of a convolution, by minimal filtering."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, weight: Tensor, bias: Tensor | None, rows: int, columns: int) -> Tensor:
        outputs: Tensor
        outputs, *at_points = winograd.OPERATORS.convolve(_pixels(maps), weight.permute(0, 2, 3, 1), rows, columns)
        ctx.save_for_backward(*at_points)
        ctx.size = maps.shape[2:]
        return (outputs if bias is None else outputs.add_(bias)).permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor | None, None, None]:
        to_maps, to_weight = winograd.OPERATORS.gradients(_pixels(gradient), *ctx.saved_tensors, *ctx.size)
        return to_maps.permute(0, 3, 1, 2), to_weight.permute(0, 3, 1, 2), _to_bias(ctx, gradient), None, None


class _WithPatches(torch.autograd.Function):
    """torch's convolution, except that its weight gradient is a product with patches."""

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
        return to_maps, to_weight, _to_bias(ctx, gradient), None


def _apply(function: type[torch.autograd.Function], *arguments: Any) -> Tensor:
    outputs: Tensor = function.apply(*arguments)  # type: ignore[no-untyped-call]
    return outputs


def _pixels(maps: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch height width channels"]:
    return maps.permute(0, 2, 3, 1)


def _to_bias(ctx: Any, gradient: Float[Tensor, "batch outputs rows columns"]) -> Float[Tensor, "outputs"] | None:
    return gradient.sum((0, 2, 3), dtype=torch.float32) if ctx.needs_input_grad[2] else None
