"""Calibration of a classifier's probabilities, and abstention.

- One temperature, fitted to held-out pictures, calibrates the probabilities (Guo et al., 2017).
- Answers below a threshold of the probability are not given. The accuracy of the others is promised only as far as the
  held-out pictures show it.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from trine.measures.shares import lower_bound

BINS = 15
"""Bins of the calibration error."""
SPREAD = 0.5
"""Standard deviation of the prior of the temperature's logarithm."""
FOLDS = 5
"""Parts of the held-out pictures: the temperature of all others must suit each part."""
COVERAGES = tuple(tenth / 10 for tenth in range(10, 0, -1))
"""Shares of the pictures answered that a promise is looked for at."""
RISK = 0.05
"""Probability that an accuracy is promised which the answers do not have."""
WORTH_SAYING = 0.5
"""Smallest accuracy that is worth a promise: below it, wrong answers could be the rule."""
SLACK = 0.01
"""Accuracy that is given up for more answers where the target cannot be shown."""
NEVER = 1.01
"""Threshold that no probability reaches: every answer is marked."""


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


def useful_temperature(logits: Float[Tensor, "n classes"], labels: Int64[Tensor, "n"]) -> float:
    """The fitted temperature, or 1 where fitted temperatures make the loss of pictures left out of the fit larger."""
    if not len(labels):
        return 1.0
    loss = 0.0
    for fold in range(min(FOLDS, len(labels))):
        apart = torch.arange(len(labels)) % FOLDS == fold
        temperature = fit_temperature(logits[~apart], labels[~apart])
        loss += float(F.cross_entropy(logits[apart].double() / temperature, labels[apart], reduction="sum"))
    plain = float(F.cross_entropy(logits.double(), labels, reduction="sum"))
    return fit_temperature(logits, labels) if loss < plain else 1.0


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


@dataclass(frozen=True)
class Promise:
    """What the held-out answers show: how often answers of at least this probability are right."""

    threshold: float
    accuracy: float
    """The share of right answers that is shown, except with probability `RISK`; 0 where nothing can be shown."""
    pictures: int
    """Held-out pictures that it rests on."""
    right: int = 0
    """Those of them that are answered right."""
    folds: int = 0
    """Folds of a cross-validation on the training pictures; 0: the pictures are a validation split."""

    def statement(self, target: float) -> str:
        """The promise in words; `target` is the accuracy that was asked for."""
        if not self.accuracy:
            return f"no accuracy can be shown with {self.pictures:,} held-out pictures: every answer is marked abstain"
        if self.accuracy < WORTH_SAYING:
            few = f"{self.pictures:,} held-out pictures are too few to show how often its answers are right"
            return f"{few}; those below {self.threshold:.2f} are marked abstain"
        shown = f"answers from {self.threshold:.2f} on are right in at least {_floored(self.accuracy)} of cases"
        if self.accuracy >= target:
            return f"{shown}, as {self.pictures:,} held-out pictures show"
        return f"{shown}; {100 * target:g} % cannot be shown with {self.pictures:,} held-out pictures"


def promise(
    confidence: Float[np.ndarray, "n"], correct: Bool[np.ndarray, "n"], target: float, folds: int = 0
) -> Promise:
    """The threshold of most answers that are shown to reach `target`, or else nearly the highest accuracy shown.

    Thresholds are looked for at the fixed `COVERAGES`, each with an equal part of the risk: whichever is chosen, its
    bound holds with probability 1 − `RISK` (Bonferroni; Angelopoulos et al., "Learn then Test", 2021).
    """
    order, shown = np.argsort(-confidence, kind="stable"), []
    for given in (round(coverage * len(order)) for coverage in COVERAGES):
        threshold = float(confidence[order[given - 1]]) if given else NEVER
        answered = confidence >= threshold
        shown.append((threshold, lower_bound(int(correct[answered].sum()), int(answered.sum()), RISK / len(COVERAGES))))
    highest = max(accuracy for _, accuracy in shown)
    wanted = target if highest >= target else highest - SLACK
    threshold, accuracy = next(each for each in shown if each[1] >= wanted) if highest else (NEVER, 0.0)
    return Promise(threshold, accuracy, len(order), int(correct.sum()), folds)


def _floored(share: float) -> str:
    """A share in per cent, never rounded up."""
    return f"{math.floor(1000 * share) / 10:g} %"
