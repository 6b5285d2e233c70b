"""How far a classifier's probabilities can be believed, and when it should not answer.

- One temperature, fitted on the validation split, makes probabilities honest (Guo et al., 2017).
- The distance of a picture's features to the nearest class (Mahalanobis; Lee et al., 2018) says how unlike the training
  pictures it is, as a p-value against the validation split.
- A threshold on the probability keeps the answers as accurate as asked for.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float, Int64
from torch import Tensor

BINS = 15
QUANTILES = 512


def fit_temperature(logits: Float[Tensor, "n classes"], labels: Int64[Tensor, "n"]) -> float:
    """The divisor of the logits that makes the labels likeliest, between 1/20 and 20 (golden-section search)."""

    def loss(log_temperature: float) -> float:
        return float(F.cross_entropy(logits.double() / np.exp(log_temperature), labels))

    low, high, ratio = -3.0, 3.0, (5**0.5 - 1) / 2
    while high - low > 1e-4:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return float(np.exp((low + high) / 2))


@dataclass(frozen=True)
class Reliability:
    """Confidence against accuracy in bins of equal width."""

    confidence: Float[np.ndarray, "bins"]
    accuracy: Float[np.ndarray, "bins"]
    share: Float[np.ndarray, "bins"]

    @property
    def error(self) -> float:
        """Expected calibration error: the mean gap between confidence and accuracy, weighted by the bins' shares."""
        return float((self.share * np.abs(self.confidence - self.accuracy)).sum())


def reliability(confidence: Float[np.ndarray, "n"], correct: Bool[np.ndarray, "n"], bins: int = BINS) -> Reliability:
    """Reliability of so many answers; an empty bin has share 0."""
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    count = np.bincount(index, minlength=bins)
    total = np.maximum(count, 1)
    return Reliability(
        np.bincount(index, confidence, bins) / total,
        np.bincount(index, correct.astype(float), bins) / total,
        count / max(1, len(confidence)),
    )


def selective_curve(
    confidence: Float[np.ndarray, "n"], correct: Bool[np.ndarray, "n"]
) -> tuple[Float[np.ndarray, "n"], Float[np.ndarray, "n"], Float[np.ndarray, "n"]]:
    """Threshold, coverage and accuracy when only the answers at or above the threshold are given, surest first."""
    order = np.argsort(-confidence, kind="stable")
    given = np.arange(1, len(order) + 1)
    return confidence[order], given / len(order), np.cumsum(correct[order]) / given


def abstain_threshold(confidence: Float[np.ndarray, "n"], correct: Bool[np.ndarray, "n"], target: float) -> float:
    """The lowest confidence at which the answers given are right with a share of `target`; at least half are given."""
    if not len(confidence):
        return 0.0
    threshold, coverage, accuracy = selective_curve(confidence, correct)
    fits = np.flatnonzero((accuracy >= target) | (coverage <= 0.5))
    return float(threshold[fits[-1]]) if len(fits) else float(threshold[0])


class Novelty:
    """How unlike its training pictures a picture is, from the features before the last layer."""

    def __init__(
        self,
        means: Float[Tensor, "classes features"],
        precision: Float[Tensor, "features features"],
        reference: Float[Tensor, "quantiles"],
    ) -> None:
        self.means, self.precision, self.reference = means, precision, reference

    @classmethod
    def fit(
        cls,
        features: Float[Tensor, "n features"],
        labels: Int64[Tensor, "n"],
        held_out: Float[Tensor, "m features"],
    ) -> "Novelty":
        """Class means and shared covariance from training pictures; the reference distances from held-out ones."""
        classes = int(labels.max()) + 1
        means = torch.stack([features[labels == label].mean(0) for label in range(classes)]).nan_to_num()
        centred = (features - means[labels]).double()
        covariance = centred.T @ centred / len(features)
        ridge = 1e-3 * covariance.diagonal().mean() + 1e-9
        precision = torch.linalg.inv(covariance + ridge * torch.eye(len(covariance), dtype=torch.float64)).float()
        fitted = cls(means, precision, torch.zeros(1))
        distances = fitted.distance(held_out).sort().values
        fitted.reference = torch.quantile(distances, torch.linspace(0, 1, min(QUANTILES, len(distances))))
        return fitted

    def distance(self, features: Float[Tensor, "n features"]) -> Float[Tensor, "n"]:
        """Squared Mahalanobis distance to the nearest class mean."""
        gaps = features[:, None, :] - self.means
        return torch.einsum("ncf,fg,ncg->nc", gaps, self.precision, gaps).amin(1)

    def p_value(self, features: Float[Tensor, "n features"]) -> Float[Tensor, "n"]:
        """The share of held-out training-like pictures that are at least as far away; small means unlike them."""
        below = torch.searchsorted(self.reference, self.distance(features).contiguous())
        return (len(self.reference) - below + 1) / (len(self.reference) + 1)
