"""Directions of the latent space in which pictures differ most: the principal components of real pictures' latents."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from jaxtyping import Float
from torch import Tensor

FITTED, MOST = 5_000, 16
"""Largest number of latent vectors that directions are computed from, and of directions that are kept."""


@dataclass(frozen=True)
class Directions:
    """Principal components, those with the largest variance first. A model of former versions has none."""

    centre: Float[Tensor, "latent"]
    steps: Float[Tensor, "directions latent"]
    """Each direction, as long as the standard deviation of real pictures along it."""
    shares: Float[Tensor, "directions"]
    """Share of the variance of real pictures' latents along each direction."""

    @classmethod
    def fitted(cls, means: Float[Tensor, "n latent"]) -> Self:
        """The directions of posteriors' means."""
        chosen = means[:: max(1, len(means) // FITTED)].double()
        centre = chosen.mean(0)
        _, lengths, components = torch.linalg.svd(chosen - centre, full_matrices=False)
        variance = lengths.square() / max(1, len(chosen) - 1)
        kept = int((variance[:MOST] > 1e-9).sum())
        steps = components[:kept] * variance[:kept].sqrt()[:, None]
        shares = variance[:kept] / variance.sum().clamp_min(1e-12)
        return cls(centre.float(), steps.float(), shares.float())

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Self:
        """The directions that a model keeps."""
        latent = len(tensors["information"])
        none = {"centre": torch.zeros(latent), "steps": torch.zeros(0, latent), "shares": torch.zeros(0)}
        return cls(**{name: tensors.get(f"directions.{name}", value) for name, value in none.items()})

    def tensors(self) -> dict[str, Tensor]:
        """What a model keeps; nothing for one of a former version."""
        return {f"directions.{name}": value for name, value in vars(self).items()} if len(self.steps) else {}

    def at(self, latent: Float[Tensor, "latent"]) -> Float[Tensor, "directions"]:
        """Where a latent vector is along each direction, in standard deviations of real pictures."""
        return (self.steps @ (latent - self.centre)) / self.steps.square().sum(1)
