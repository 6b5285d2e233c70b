"""How pictures look, in a few numbers that need no network: brightness, contrast, colour, even areas, edges.

Noise, checkerboards, drawings and pictures of another camera differ in these, whatever a network takes them for.
"""

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, UInt8
from torch import Tensor

SCALES = (1, 2, 4)
"""Sides of the squares that pixels are averaged over before edges are measured, in pixels."""
FAINT = 0.003
"""Added to a strength before its logarithm: under one of 256 levels, it is none."""
EVEN = 1.5 / 256
"""Difference of brightness below which neighbours count as equal."""
END = 1 / 16
"""Width of the ranges of levels that count as black and as white, of all levels."""


@torch.no_grad()
def look(images: UInt8[Tensor, "n height width channels"]) -> Float[Tensor, "n figures"]:
    """The numbers of each picture; strengths are logarithms."""
    pixels = images.permute(0, 3, 1, 2).float() / 255
    grey = pixels.mean(1, keepdim=True)
    ends = [(pixels < END).float().mean((1, 2, 3)), (pixels > 1 - END).float().mean((1, 2, 3))]
    contrast = torch.log(grey.flatten(1).std(1) + FAINT)
    colour = [torch.log((pixels - grey).abs().mean((1, 2, 3)) + FAINT)] if pixels.shape[1] > 1 else []
    return torch.stack([*pixels.mean((2, 3)).T, *ends, contrast, *colour, _even(grey), *_edges(grey)], 1)


def _even(grey: Float[Tensor, "n 1 height width"]) -> Float[Tensor, "n"]:
    """Share of pixels that are as bright as the next one: large in drawings and before an empty background."""
    return (grey.diff(dim=3).abs() < EVEN).float().mean((1, 2, 3))


def _edges(grey: Float[Tensor, "n 1 height width"]) -> list[Float[Tensor, "n"]]:
    """Mean absolute difference of neighbours, across and down, at each scale."""
    strengths = []
    for scale in SCALES:
        coarse = F.avg_pool2d(grey, scale) if min(grey.shape[2:]) >= 2 * scale else grey
        both = coarse.diff(dim=3), coarse.diff(dim=2)
        strengths += [torch.log(difference.abs().mean((1, 2, 3)) + FAINT) for difference in both]
    return strengths
