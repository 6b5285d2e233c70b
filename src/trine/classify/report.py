"""A classifier's figures, and their pictures for people."""

import math
from typing import Any

import numpy as np
from jaxtyping import UInt8

from trine.classify.calibration import Reliability, reliability, selective_curve
from trine.classify.evaluation import Answers, confusion
from trine.drawing import figure, png

GALLERY, ACROSS = 24, 8
"""Errors shown in the gallery, and side by side."""


def pictures(
    said: Answers, classes: tuple[str, ...], images: UInt8[np.ndarray, "n height width channels"]
) -> dict[str, bytes]:
    """PNGs by file name: confusion, reliability, selective accuracy, the worst errors."""
    return {
        "confusion.png": drawconfusion(said, classes),
        "reliability.png": draw_reliability(said),
        "selective.png": draw_selective(said),
        "errors.png": draw_errors(said, classes, images),
    }


def drawconfusion(said: Answers, classes: tuple[str, ...]) -> bytes:
    """True classes down, answers across, as shares of the true class."""
    counts = confusion(said, len(classes))
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
