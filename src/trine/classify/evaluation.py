"""A classifier's answers on a labelled split, and their figures."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

from trine.classify.calibration import Promise, reliability
from trine.classify.predictor import NOVEL
from trine.measures.shares import wilson_interval

WIDE = 0.2
"""Width of the accuracy's interval from which the pictures are too few for a statement."""


@dataclass(frozen=True)
class Answers:
    """Logits of a labelled split, of one view and averaged over test-time views, with the model's thresholds."""

    plain: Float[Tensor, "n classes"]
    averaged: Float[Tensor, "n classes"]
    labels: Int64[Tensor, "n"]
    temperature: float
    threshold: float
    novelty: Float[Tensor, "n"]
    """p-values against held-out pictures."""
    unlike: float = NOVEL
    """p-value below which a picture counts as unlike the training pictures."""
    promised: float | None = None
    """Accuracy of the given answers that the held-out pictures of the training show."""

    @property
    def probabilities(self) -> Float[np.ndarray, "n classes"]:
        """Calibrated probabilities of the averaged views."""
        return np.asarray(torch.softmax(self.averaged.double() / self.temperature, 1))

    @property
    def confidence(self) -> Float[np.ndarray, "n"]:
        """Calibrated probability of each answer."""
        return np.asarray(self.probabilities.max(1))

    @property
    def uncalibrated(self) -> Float[np.ndarray, "n"]:
        """Probability of each answer before calibration."""
        return np.asarray(torch.softmax(self.averaged.double(), 1).amax(1))

    @property
    def labels_given(self) -> Int64[np.ndarray, "n"]:
        """Index of the class answered for each picture."""
        return np.asarray(self.averaged.argmax(1))

    @property
    def correct(self) -> Bool[np.ndarray, "n"]:
        """Whether each answer is correct."""
        return np.asarray(self.labels_given == self.labels.numpy())


def metrics(answers: Answers, classes: tuple[str, ...]) -> dict[str, Any]:
    """The figures of a split, under the names that every result uses. Means over classes leave out absent ones."""
    per_class, given = _per_class(answers, classes), answers.confidence >= answers.threshold
    there = [figures for figures in per_class.values() if figures["n"]]
    interval = wilson_interval(int(answers.correct.sum()), len(answers.labels))
    return {
        "accuracy": float((answers.plain.argmax(1) == answers.labels).float().mean()),
        "accuracy_tta": float(answers.correct.mean()),
        "accuracy_interval": list(interval),
        **remark(interval, len(answers.labels)),
        "nll": float(
            -np.log(answers.probabilities[np.arange(len(answers.labels)), answers.labels.numpy()] + 1e-12).mean()
        ),
        "ece": reliability(answers.confidence, answers.correct).error,
        "ece_uncalibrated": reliability(answers.uncalibrated, answers.correct).error,
        "macro_f1": float(np.mean([figures["f1"] for figures in there])) if there else 0.0,
        "macro_recall": float(np.mean([figures["recall"] for figures in there])) if there else 0.0,
        "abstain_threshold": answers.threshold,
        "coverage": float(given.mean()),
        "selective_accuracy": float(answers.correct[given].mean()) if given.any() else 0.0,
        **({"promised_accuracy": answers.promised} if answers.promised is not None else {}),
        "unlike_training": float((answers.novelty < answers.unlike).float().mean()),
        "confusions": confusions(answers, classes),
        "per_class": per_class,
    }


def cross_validation(promise: Promise) -> dict[str, Any]:
    """The figure `cross_validated`, where the model was calibrated by cross-validation on its training pictures."""
    if not promise.folds:
        return {}
    accuracy, interval = promise.right / promise.pictures, wilson_interval(promise.right, promise.pictures)
    figures = {"accuracy": accuracy, "accuracy_interval": list(interval)}
    return {"cross_validated": {**figures, "n": promise.pictures, "folds": promise.folds}}


def remark(interval: tuple[float, float], pictures: int) -> dict[str, str]:
    """The figure `remark`, where the pictures are too few for a statement about the accuracy."""
    low, high = interval
    if high - low <= WIDE:
        return {}
    between = f"the accuracy is between {100 * low:.0f} and {100 * high:.0f} %"
    return {"remark": f"{pictures:,} pictures are too few to say more than: {between}"}


def confusions(answers: Answers, classes: tuple[str, ...], most: int = 10) -> list[dict[str, Any]]:
    """The classes that are taken for one another most often: truth, answer, number, and share of the true class."""
    counts = confusion(answers, len(classes))
    truth = counts.sum(1)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:most]
    pairs = [np.unravel_index(index, counts.shape) for index in order]
    return [
        {"truth": classes[t], "answer": classes[a], "n": int(counts[t, a]), "share": float(counts[t, a] / truth[t])}
        for t, a in pairs
        if counts[t, a]
    ]


def _per_class(answers: Answers, classes: tuple[str, ...]) -> dict[str, dict[str, float]]:
    counts = confusion(answers, len(classes))
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
    np.add.at(counts, (answers.labels.numpy(), answers.labels_given), 1)
    return counts
