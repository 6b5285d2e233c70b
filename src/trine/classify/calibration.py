"""Calibration of a classifier's probabilities, novelty of pictures, and abstention.

- One temperature, fitted on the validation split, calibrates the probabilities (Guo et al., 2017).
- The energy of the logits and their distance to the nearest class measure how unlike the training pictures a picture
  is, as a p-value against the validation split.
- A threshold on the probability keeps the given answers at a target accuracy.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float, Int64
from torch import Tensor

BINS = 15
"""Bins of the calibration error."""
QUANTILES = 512
"""Quantiles of the novelty reference that a bundle stores."""
SPREAD = 0.5
"""Standard deviation of the prior of the temperature's logarithm."""


def fit_temperature(logits: Float[Tensor, "n classes"], labels: Int64[Tensor, "n"]) -> float:
    """The maximum-a-posteriori temperature, between 1/20 and 20, by golden-section search.

    Its logarithm has the prior N(0, `SPREAD`²): with few pictures it stays near 1.
    """

    def loss(log_temperature: float) -> float:
        fit = F.cross_entropy(logits.double() / np.exp(log_temperature), labels, reduction="sum")
        return float(fit) + 0.5 * (log_temperature / SPREAD) ** 2

    low, high, ratio = -3.0, 3.0, (5**0.5 - 1) / 2
    while high - low > 1e-4:
        left, right = high - ratio * (high - low), low + ratio * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return float(np.exp((low + high) / 2))


@dataclass(frozen=True)
class Reliability:
    """Mean confidence and accuracy in bins of equal width, with each bin's share of the answers."""

    confidence: Float[np.ndarray, "bins"]
    accuracy: Float[np.ndarray, "bins"]
    share: Float[np.ndarray, "bins"]

    @property
    def error(self) -> float:
        """Expected calibration error: mean gap between confidence and accuracy, weighted by the shares."""
        return float((self.share * np.abs(self.confidence - self.accuracy)).sum())


def reliability(confidence: Float[np.ndarray, "n"], correct: Bool[np.ndarray, "n"], bins: int = BINS) -> Reliability:
    """Reliability of answers; an empty bin has share 0."""
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
    """Threshold, coverage and accuracy if only answers at or above the threshold are given, most confident first."""
    order = np.argsort(-confidence, kind="stable")
    given = np.arange(1, len(order) + 1)
    return confidence[order], given / len(order), np.cumsum(correct[order]) / given


def abstain_threshold(confidence: Float[np.ndarray, "n"], correct: Bool[np.ndarray, "n"], target: float) -> float:
    """Smallest threshold at which the given answers reach the accuracy `target`; at least half of them are given."""
    if not len(confidence):
        return 0.0
    threshold, coverage, accuracy = selective_curve(confidence, correct)
    fits = np.flatnonzero((accuracy >= target) | (coverage <= 0.5))
    return float(threshold[fits[-1]]) if len(fits) else float(threshold[0])


class Novelty:
    """Novelty of a picture from its logits: the sum of two standardised scores.

    - Energy, −log Σ exp(logits) (Liu et al., 2020): high when the logits of all classes are small.
    - Relative Mahalanobis distance (Ren et al., 2021): distance to the nearest class mean minus distance to the overall
      mean.

    With a network for CIFAR-10 (accuracy 88 %), this sum separates Fashion-MNIST, MNIST and noise from validation
    pictures with AUROC 0.91, 0.91 and 0.99; the Mahalanobis distance of the features with 0.58, 0.50 and 0.63.
    """

    def __init__(
        self,
        means: Float[Tensor, "known classes"],
        within: Float[Tensor, "classes classes"],
        centre: Float[Tensor, "classes"],
        overall: Float[Tensor, "classes classes"],
        scale: Float[Tensor, "moments scores"],
        reference: Float[Tensor, "quantiles"],
    ) -> None:
        self.means, self.within = means, within
        self.centre, self.overall = centre, overall
        self.scale, self.reference = scale, reference

    @classmethod
    def fit(
        cls, logits: Float[Tensor, "n classes"], labels: Int64[Tensor, "n"], held_out: Float[Tensor, "m classes"]
    ) -> "Novelty":
        """Means and covariances from training pictures, reference scores from held-out pictures."""
        known, index = torch.unique(labels, return_inverse=True)
        means = torch.stack([logits[labels == label].mean(0) for label in known])
        centre = logits.mean(0)
        parts = means, _whitening(logits - means[index]), centre, _whitening(logits - centre)
        fitted = cls(*parts, scale=torch.tensor([[0.0, 0.0], [1.0, 1.0]]), reference=torch.zeros(1))
        raw = fitted._scores(torch.cat([logits, held_out]))
        fitted.scale = torch.stack([raw.mean(0), raw.std(0).clamp_min(1e-6)])
        scores = fitted.score(held_out)
        fitted.reference = torch.quantile(scores, torch.linspace(0, 1, min(QUANTILES, len(scores))))
        return fitted

    def score(self, logits: Float[Tensor, "n classes"]) -> Float[Tensor, "n"]:
        """Novelty in standard deviations; a higher score is less like the training pictures."""
        return ((self._scores(logits) - self.scale[0]) / self.scale[1]).sum(1)

    def p_value(self, logits: Float[Tensor, "n classes"]) -> Float[Tensor, "n"]:
        """Share of held-out pictures with at least this novelty; a small p-value means unlike the training pictures.

        Beyond the most novel held-out picture the share decays exponentially, at the rate of the tenth before it.
        """
        scores, count = self.score(logits).contiguous(), len(self.reference)
        share = (count - torch.searchsorted(self.reference, scores) + 1) / (count + 1)
        tail = self.reference[-max(3, count // 10) :]
        decay = (tail.mean() - tail[0]).clamp_min(0.5)
        return share * torch.exp(-(scores - self.reference[-1]).clamp_min(0) / decay)

    def state(self) -> dict[str, Tensor]:
        """The arguments of `__init__`, by name."""
        return dict(vars(self))

    def _scores(self, logits: Float[Tensor, "n classes"]) -> Float[Tensor, "n scores"]:
        nearest = torch.cdist(logits @ self.within, self.means @ self.within).amin(1).square()
        overall = ((logits - self.centre) @ self.overall).square().sum(1)
        return torch.stack([-torch.logsumexp(logits, 1), nearest - overall], 1)


def _whitening(centred: Float[Tensor, "n classes"]) -> Float[Tensor, "classes classes"]:
    """Matrix that transforms the vectors to uncorrelated components of unit variance."""
    vectors = centred.double()
    covariance = vectors.T @ vectors / len(vectors)
    ridge = 1e-2 * covariance.diagonal().mean() + 1e-9
    identity = torch.eye(len(covariance), dtype=torch.float64, device=covariance.device)
    factor: Tensor = torch.linalg.cholesky(torch.linalg.inv(covariance + ridge * identity))
    return factor.float().contiguous()  # the memory layout of a loaded bundle: products then agree to the last bit
