"""Density and coverage (Naeem et al., "Reliable fidelity and diversity metrics for generative models", 2020).

Around each real picture lies a ball that reaches to its k-th nearest real neighbour.

- Density: how many balls a made picture lies in, over k; 1 for real pictures, more for too typical ones.
- Coverage: the share of balls with a made picture inside: how much of the variety is there.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

NEAREST = 5
BLOCK = 1000
"""Rows of a distance matrix that are computed at a time."""


class Manifold:
    """Real features with their balls."""

    def __init__(self, real: Float[Tensor, "n features"], nearest: int = NEAREST) -> None:
        self.nearest = min(nearest, len(real) - 1)
        self.centre = real.mean(0)
        self.real = real - self.centre
        kth = [rows.kthvalue(self.nearest + 1).values for rows in _distances(self.real, self.real)]
        self.radii = torch.cat(kth)

    def density_and_coverage(self, made: Float[Tensor, "m features"]) -> tuple[float, float]:
        """Of made features among the real ones."""
        inside, covered, start = 0, 0, 0
        for rows in _distances(self.real, made - self.centre):
            within = rows < self.radii[start : start + len(rows), None]
            inside, covered, start = inside + int(within.sum()), covered + int(within.any(1).sum()), start + len(rows)
        return inside / (self.nearest * len(made)), covered / len(self.real)


def _distances(
    rows: Float[Tensor, "n features"], columns: Float[Tensor, "m features"]
) -> Iterator[Float[Tensor, "block m"]]:
    """Euclidean distances, some rows at a time; both about the origin, where float32 loses least."""
    for start in range(0, len(rows), BLOCK):
        yield torch.cdist(rows[start : start + BLOCK], columns)
