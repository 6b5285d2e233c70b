"""How well scores separate normal from abnormal items: ROC curves, figures at a threshold, intervals."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

RESAMPLES = 500
"""Bootstrap samples of the AUC interval."""


@dataclass(frozen=True)
class Roc:
    """False-alarm rate (fpr) and detection rate (tpr) at every threshold, strictest threshold first."""

    fpr: Float64[np.ndarray, "thresholds"]
    tpr: Float64[np.ndarray, "thresholds"]

    def tpr_at(self, fpr: float) -> float:
        """Detection rate at the largest false-alarm rate that does not exceed `fpr`."""
        return float(self.tpr[np.searchsorted(self.fpr, fpr, side="right") - 1])

    def fpr_at(self, tpr: float) -> float:
        """Smallest false-alarm rate at which the detection rate reaches `tpr`."""
        return float(self.fpr[np.searchsorted(self.tpr, tpr, side="left")])


def roc(scores: Float64[np.ndarray, "n"], abnormal: Bool[np.ndarray, "n"]) -> Roc:
    """The ROC curve; equal scores share a threshold."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits = np.cumsum(abnormal[order])[last]
    alarms = last + 1 - hits
    fpr, tpr = alarms / max(1, alarms[-1]), hits / max(1, hits[-1])
    return Roc(np.concatenate([[0.0], fpr]), np.concatenate([[0.0], tpr]))


def auc(scores: Float64[np.ndarray, "n"], abnormal: Bool[np.ndarray, "n"]) -> float:
    """Area under the ROC curve: probability that an abnormal sequence scores above a normal one; ties count half."""
    curve = roc(scores, abnormal)
    return float(np.trapezoid(curve.tpr, curve.fpr))


def auc_interval(
    scores: Float64[np.ndarray, "n"], abnormal: Bool[np.ndarray, "n"], seed: int = 0
) -> tuple[float, float]:
    """95 % bootstrap interval of the AUC; normal and abnormal sequences are resampled separately."""
    draw = np.random.default_rng(seed)
    strictest = np.argsort(-scores, kind="stable")  # once: a resample counts how often each item was drawn
    first = np.append(0, np.flatnonzero(np.diff(scores[strictest])) + 1)  # of the items of each threshold
    normal, other = np.flatnonzero(~abnormal), np.flatnonzero(abnormal)
    areas = []
    for _ in range(RESAMPLES):
        alarms, hits = (
            np.add.reduceat(np.bincount(draw.choice(kind, len(kind)), minlength=len(scores))[strictest], first)
            for kind in (normal, other)
        )
        areas.append(alarms @ (np.cumsum(hits) - hits / 2) / (len(normal) * len(other)))
    low, high = np.quantile(areas, [0.025, 0.975])
    return float(low), float(high)


def at_threshold(flagged: Bool[np.ndarray, "n"], abnormal: Bool[np.ndarray, "n"]) -> dict[str, float]:
    """Precision, recall and F1 of the alerts."""
    hits = int((flagged & abnormal).sum())
    precision, recall = hits / max(1, int(flagged.sum())), hits / max(1, int(abnormal.sum()))
    return {"precision": precision, "recall": recall, "f1": 2 * precision * recall / max(1e-12, precision + recall)}


def separation(scores: Float64[np.ndarray, "n"], abnormal: Bool[np.ndarray, "n"]) -> dict[str, Any]:
    """Figures without a threshold: AUC with interval, detection at 1 % and 5 % false alarms, false alarms at 90 %."""
    curve = roc(scores, abnormal)
    return {
        "auc": auc(scores, abnormal),
        "auc_interval": auc_interval(scores, abnormal),
        "tpr_at_fpr": {"0.01": curve.tpr_at(0.01), "0.05": curve.tpr_at(0.05)},
        "fpr_at_tpr_90": curve.fpr_at(0.9),
    }
