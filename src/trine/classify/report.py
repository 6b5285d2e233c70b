"""A classifier's figures, and their pictures for people."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor

from trine.classify.calibration import Reliability, reliability, selective_curve
from trine.drawing import figure, png

GALLERY, ACROSS = 24, 8
"""Errors shown in the gallery, and side by side."""


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
        "unlike_training": float((said.novelty < 0.01).float().mean()),
        "per_class": per_class,
    }


def pictures(
    said: Answers, classes: tuple[str, ...], images: UInt8[np.ndarray, "n height width channels"]
) -> dict[str, bytes]:
    """PNGs by file name: confusion, reliability, selective accuracy, the worst errors."""
    return {
        "confusion.png": draw_confusion(said, classes),
        "reliability.png": draw_reliability(said),
        "selective.png": draw_selective(said),
        "errors.png": draw_errors(said, classes, images),
    }


def draw_confusion(said: Answers, classes: tuple[str, ...]) -> bytes:
    """True classes down, answers across, as shares of the true class."""
    counts = _confusion(said, len(classes))
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = min(14.0, 2.5 + 0.42 * len(classes))
    drawn, axes = figure(width=side, height=side)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.grid(visible=False)
    ticks = range(len(classes))
    axes.set_xticks(ticks, classes, rotation=90)
    axes.set_yticks(ticks, classes)
    axes.set(xlabel="answer", ylabel="truth", title="confusion, in per cent of the true class")
    if len(classes) <= 20:
        for row, column in np.argwhere(shares >= 0.005):
            share = shares[row, column]
            colour = "white" if share > 0.5 else "black"
            axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=7, color=colour)
    return png(drawn)


def draw_reliability(said: Answers) -> bytes:
    """Accuracy against confidence, before and after calibration."""
    drawn, axes = figure(1, 2, width=7.5, height=3.6)
    cases = (("before", said.uncalibrated), (f"after: temperature {said.temperature:.2f}", said.confidence))
    for place, (title, confidence) in zip(axes, cases, strict=True):
        _draw_bins(place, reliability(confidence, said.correct), title)
    return png(drawn)


def draw_selective(said: Answers) -> bytes:
    """Accuracy of the answers given, against the share of pictures that are answered."""
    threshold, coverage, accuracy = selective_curve(said.confidence, said.correct)
    drawn, axes = figure(width=5, height=3.4)
    axes.plot(100 * coverage, 100 * accuracy)
    chosen = int((threshold >= said.threshold).sum()) - 1
    if chosen >= 0:
        axes.plot(100 * coverage[chosen], 100 * accuracy[chosen], "o", label=f"abstain below {said.threshold:.2f}")
        axes.legend(frameon=False)
    axes.set(xlabel="pictures answered, %", ylabel="answers that are right, %", title="selective accuracy")
    return png(drawn)


def draw_errors(said: Answers, classes: tuple[str, ...], images: UInt8[np.ndarray, "n height width channels"]) -> bytes:
    """The surest wrong answers."""
    wrong = np.flatnonzero(~said.correct)
    worst = wrong[np.argsort(-said.confidence[wrong], kind="stable")][:GALLERY]
    rows = max(1, math.ceil(len(worst) / ACROSS))
    drawn, axes = figure(rows, ACROSS, width=11, height=0.4 + 1.6 * rows)
    for place in axes.flat:
        place.axis("off")
    for place, index in zip(axes.flat, worst, strict=False):
        place.imshow(images[index].squeeze(), cmap="gray", vmin=0, vmax=255)
        answer, truth = classes[said.answers[index]], classes[int(said.labels[index])]
        place.set_title(f"{answer} {100 * said.confidence[index]:.0f} %\nis: {truth}", fontsize=7)
    drawn.suptitle("the surest errors" if len(worst) else "no errors", fontsize=10)
    return png(drawn)


def card(classes: tuple[str, ...], figures: dict[str, Any], data: dict[str, Any], recipe: dict[str, Any]) -> str:
    """The model card, in Hugging Face's form."""
    measured, cost = figures.get("metrics", {}), figures.get("compute", {})
    where = figures.get("data", {})
    rows = [
        ("accuracy, one view", f"{100 * measured.get('accuracy', 0):.2f} %"),
        ("accuracy, averaged views", f"{100 * measured.get('accuracy_tta', 0):.2f} %"),
        ("expected calibration error", f"{100 * measured.get('ece', 0):.2f} %"),
        ("macro F1", f"{measured.get('macro_f1', 0):.4f}"),
        ("training compute", f"{cost.get('train_pflop', 0):.4g} PFLOP in {cost.get('train_seconds', 0):.0f} s"),
    ]
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return f"""---
library_name: trine
pipeline_tag: image-classification
tags: [image-classification, {recipe.get("network", "fast")}]
---
# A classifier of {len(classes)} classes, trained on {data.get("name", "?")}

Classes: {", ".join(classes)}.

| measured on {where.get("split", "?")} ({where.get("n", 0):,} pictures) | |
| --- | --- |
{table}

An answer whose probability is below {measured.get("abstain_threshold", 0):.3f}, or whose picture is unlike the training
pictures, is marked `abstain`. Use: `trine classify predict FOLDER PICTURE`.

![confusion](confusion.png) ![reliability](reliability.png) ![selective accuracy](selective.png) ![errors](errors.png)

## Limits

It knows only its classes, as its training pictures showed them; other pictures get an answer too.
It was not checked for fairness between people.
Trained with network `{recipe.get("network")}`, effort `{recipe.get("effort")}`, seed {recipe.get("seed")}.
"""


def _per_class(said: Answers, classes: tuple[str, ...]) -> dict[str, dict[str, float]]:
    counts = _confusion(said, len(classes))
    hits, truth, answered = counts.diagonal(), counts.sum(1), counts.sum(0)
    precision, recall = hits / np.maximum(answered, 1), hits / np.maximum(truth, 1)
    f1 = 2 * hits / np.maximum(truth + answered, 1)
    return {
        name: {"precision": float(p), "recall": float(r), "f1": float(f), "n": int(n)}
        for name, p, r, f, n in zip(classes, precision, recall, f1, truth, strict=True)
    }


def _confusion(said: Answers, classes: int) -> Int64[np.ndarray, "truth answer"]:
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (said.labels.numpy(), said.answers), 1)
    return counts


def _draw_bins(axes: Any, found: Reliability, title: str) -> None:
    filled = found.share > 0
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
    axes.bar(found.confidence[filled], found.accuracy[filled], width=0.05, alpha=0.7)
    axes.set(
        xlabel="confidence",
        ylabel="accuracy",
        title=f"{title}\nECE {100 * found.error:.2f} %",
        xlim=(0, 1),
        ylim=(0, 1),
    )
