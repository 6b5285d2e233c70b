"""Fréchet distance of two sets of features, each taken as a normal distribution (Heusel et al., 2017).

The inception network of the FID is not used here, so its published values do not compare.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Gaussian:
    """Mean and covariance of features."""

    mean: Float[Tensor, "features"]
    covariance: Float[Tensor, "features features"]

    @classmethod
    def of(cls, features: Float[Tensor, "n features"]) -> "Gaussian":
        """The normal distribution with the features' moments; needs two of them."""
        values = features.double()
        return cls(values.mean(0), torch.cov(values.T))

    def distance(self, other: "Gaussian") -> float:
        """Squared 2-Wasserstein distance: |m − m'|² + tr(C + C' − 2 (C C')^½)."""
        shift = (self.mean - other.mean).square().sum()
        root = _root(self.covariance)
        shared = torch.linalg.eigvalsh(root @ other.covariance @ root).clamp_min(0).sqrt().sum()
        return max(0.0, float(shift + self.covariance.trace() + other.covariance.trace() - 2 * shared))


def _root(matrix: Float[Tensor, "n n"]) -> Float[Tensor, "n n"]:
    """The symmetric square root."""
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = (vectors * values.clamp_min(0).sqrt()) @ vectors.T
    return root
