"""A flow of latent maps: dense layers for the picture as a whole, convolutions for what neighbouring places share.

Dense layers see all places from the first step on: what a convolution, or attention between places, learns only late.
"""

import math

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int64
from torch import Tensor, nn
from typing_extensions import override

from trine.generate.prior import CONDITIONS, Flow
from trine.nn.convolution import Convolution, Pointwise

BLOCKS = 2
"""Residual blocks of each kind."""


class MapFlow(Flow):
    """The velocity of maps: a sum of that of dense layers, and of convolutions that the dense layers modulate.

    channels      of a latent map; the latents are such maps, flattened
    width         of the dense layers
    convolved     channels of the convolutions
    rows          height of the maps; None: they are square
    """

    def __init__(
        self, latent: int, channels: int, classes: int, width: int, convolved: int, rows: int | None = None
    ) -> None:
        super().__init__(latent, classes)
        rows = rows or math.isqrt(latent // channels)
        self.shape = (channels, rows, latent // channels // rows)
        self.first = nn.Linear(latent + CONDITIONS, width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(BLOCKS))
        self.last = nn.Linear(width, latent)
        self.stem = Convolution(channels, convolved)
        self.places = nn.Parameter(torch.zeros(convolved, *self.shape[1:]))
        self.blocks = nn.ModuleList(ModulatedBlock(convolved, width) for _ in range(BLOCKS))
        self.out = Pointwise(convolved, channels)
        nn.init.zeros_(self.out.weight)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @override
    def velocity(
        self, at: Float[Tensor, "batch latent"], time: Float[Tensor, "batch"], labels: Int64[Tensor, "batch"] | None
    ) -> Float[Tensor, "batch latent"]:
        whole = F.silu(self.first(torch.cat([at, self.conditions(time, labels)], 1)))
        for layer in self.hidden:
            whole = whole + F.silu(layer(whole))
        maps = at.view(-1, *self.shape).contiguous(memory_format=torch.channels_last)
        maps = self.stem(maps) + self.places
        for block in self.blocks:
            maps = block(maps, whole)
        velocity: Tensor = self.last(whole) + self.out(F.silu(maps)).flatten(1)
        return velocity


class ModulatedBlock(nn.Module):
    """A 3×3 convolution and a 1×1 convolution, added to the input; the picture as a whole scales and shifts.

    condition   size of the vector that does
    """

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.modulation = nn.Linear(condition, 2 * width)
        self.first, self.second = Convolution(width, width), Pointwise(width, width)
        nn.init.zeros_(self.second.weight)

    def forward(
        self, x: Float[Tensor, "batch width rows columns"], condition: Float[Tensor, "batch condition"]
    ) -> Float[Tensor, "batch width rows columns"]:
        """The input plus the convolutions' output."""
        scale, shift = self.modulation(condition).chunk(2, 1)
        inner = self.first(F.silu(x))
        inner = inner * (1 + scale[:, :, None, None]) + shift[:, :, None, None]
        added: Tensor = self.second(F.silu(inner))
        return x + added
