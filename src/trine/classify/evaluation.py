"""A classifier's answers on a labelled split, and their figures."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from trine.classify.calibration import reliability

NOVEL = 0.01
"""p-value below which a picture counts as unlike the training pictures."""


@dataclass(frozen=True)
class Answers:
    """What a classifier said of a labelled split: logits of one view and of the average over views."""

    plain: Float[Tensor, "n classes"]
    averaged: Float[Tensor, "n classes"]
    labels: Int64[Tensor, "n"]
    temperature: float
    threshold: float
    novelty: Float[Tensor, "n"]
    """p-values against training-like pictures."""

    @property
    def probabilities(self) -> Float[np.ndarray, "n classes"]:
        """Calibrated probabilities of the averaged views."""
        return np.asarray(torch.softmax(self.averaged.double() / self.temperature, 1))

    @property
    def confidence(self) -> Float[np.ndarray, "n"]:
        """The calibrated probability of each answer."""
        return np.asarray(self.probabilities.max(1))

    @property
    def uncalibrated(self) -> Float[np.ndarray, "n"]:
        """The probability of each answer before calibration."""
        return np.asarray(torch.softmax(self.averaged.double(), 1).amax(1))

    @property
    def answers(self) -> Int64[np.ndarray, "n"]:
        """The class said for each picture."""
        return np.asarray(self.averaged.argmax(1))

    @property
    def correct(self) -> Bool[np.ndarray, "n"]:
        """Whether each answer is right."""
        return np.asarray(self.answers == self.labels.numpy())


def metrics(said: Answers, classes: tuple[str, ...]) -> dict[str, Any]:
    """The figures of a split, under the names that every result uses."""
    per_class, given = _per_class(said, classes), said.confidence >= said.threshold
    return {
        "accuracy": float((said.plain.argmax(1) == said.labels).float().mean()),
        "accuracy_tta": float(said.correct.mean()),
        "nll": float(-np.log(said.probabilities[np.arange(len(said.labels)), said.labels.numpy()] + 1e-12).mean()),
        "ece": reliability(said.confidence, said.correct).error,
        "ece_uncalibrated": reliability(said.uncalibrated, said.correct).error,
        "macro_f1": float(np.mean([figures["f1"] for figures in per_class.values()])),
        "abstain_threshold": said.threshold,
        "coverage": float(given.mean()),
        "selective_accuracy": float(said.correct[given].mean()) if given.any() else 0.0,
        "unlike_training": float((said.novelty < NOVEL).float().mean()),
        "per_class": per_class,
    }


def _per_class(said: Answers, classes: tuple[str, ...]) -> dict[str, dict[str, float]]:
    counts = confusion(said, len(classes))
    hits, truth, answered = counts.diagonal(), counts.sum(1), counts.sum(0)
    precision, recall = hits / np.maximum(answered, 1), hits / np.maximum(truth, 1)
    f1 = 2 * hits / np.maximum(truth + answered, 1)
    return {
        name: {"precision": float(p), "recall": float(r), "f1": float(f), "n": int(n)}
        for name, p, r, f, n in zip(classes, precision, recall, f1, truth, strict=True)
    }


def confusion(answers: Answers, classes: int) -> Int64[np.ndarray, "truth answer"]:
    """Number of pictures by true class and answer."""
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (answers.labels.numpy(), answers.answers), 1)
    return counts
