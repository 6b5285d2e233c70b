"""Directions of the latent space in which pictures differ most: the principal components of real pictures' latents."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from trine.annotations import Float

FITTED, MOST = 5_000, 16
"""Largest number of latent vectors that directions are computed from, and of directions that are kept."""
KEPT_AS = "directions."
"""What the names of a model's arrays begin with that hold its directions."""


@dataclass(frozen=True, eq=False)
class Directions:
    """Principal components, those with the largest variance first. A model of former versions has none."""

    centre: Float[np.ndarray, "latent"]
    steps: Float[np.ndarray, "directions latent"]
    """Each direction, as long as the standard deviation of real pictures along it."""
    shares: Float[np.ndarray, "directions"]
    """Share of the variance of real pictures' latents along each direction."""

    @classmethod
    def fitted(cls, means: Float[np.ndarray, "n latent"]) -> Self:
        """The directions of posteriors' means."""
        chosen = means[:: max(1, len(means) // FITTED)].astype(np.float64)
        centre = chosen.mean(0)
        _, lengths, components = np.linalg.svd(chosen - centre, full_matrices=False)
        variance = lengths**2 / max(1, len(chosen) - 1)
        kept = int((variance[:MOST] > 1e-9).sum())
        steps = components[:kept] * np.sqrt(variance[:kept])[:, None]
        shares = variance[:kept] / max(float(variance.sum()), 1e-12)
        return cls(*(values.astype(np.float32) for values in (centre, steps, shares)))

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> Self:
        """The directions that a model keeps."""
        latent = len(arrays["information"])
        none = {"centre": np.zeros(latent), "steps": np.zeros((0, latent)), "shares": np.zeros(0)}
        return cls(**{name: arrays.get(KEPT_AS + name, value.astype(np.float32)) for name, value in none.items()})

    @classmethod
    def along_numbers(cls, information: Float[np.ndarray, "latent"]) -> Self:
        """Single numbers of the latent vector, the most informative first: for a model that keeps no directions."""
        latent = len(information)
        steps = np.eye(latent, dtype=np.float32)[np.argsort(-information, kind="stable")]
        return cls(np.zeros(latent, np.float32), steps, np.zeros(latent, np.float32))

    def arrays(self) -> dict[str, np.ndarray]:
        """What a model keeps; nothing for one of a former version."""
        return {KEPT_AS + name: value for name, value in vars(self).items()} if len(self.steps) else {}

    def at(self, latents: Float[np.ndarray, "*n latent"]) -> Float[np.ndarray, "*n directions"]:
        """Where latent vectors are along each direction, in standard deviations of real pictures."""
        along: np.ndarray = ((latents - self.centre) @ self.steps.T) / np.square(self.steps).sum(1)
        return along
