"""Pictures of a classifier's answers, and its model card."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

from trine.classify.calibration import Promise, Reliability, reliability, selective_curve
from trine.classify.evaluation import Answers, confusion
from trine.drawing import attempted, figure, png

LONGEST = 24
"""Letters of a class's name in a picture."""
GALLERY, ACROSS = 24, 8
"""Errors in the gallery, and per row."""


def pictures(
    answers: Answers, classes: tuple[str, ...], images: UInt8[np.ndarray, "n height width channels"]
) -> dict[str, bytes]:
    """PNGs by file name: confusion, reliability, selective accuracy, the worst errors."""
    return attempted(
        {
            "confusion.png": lambda: draw_confusion(answers, classes),
            "reliability.png": lambda: draw_reliability(answers),
            "selective.png": lambda: draw_selective(answers),
            "errors.png": lambda: draw_errors(answers, classes, images),
        }
    )


def draw_confusion(answers: Answers, classes: tuple[str, ...]) -> bytes:
    """Confusion matrix: true classes in rows, answers in columns, as shares of the true class."""
    counts = confusion(answers, len(classes))
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    side = min(14.0, 2.5 + 0.42 * len(classes))
    drawn, axes = figure(width=side, height=side)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.grid(visible=False)
    ticks = range(len(classes))
    names = [short(name) for name in classes]
    axes.set_xticks(ticks, names, rotation=90)
    axes.set_yticks(ticks, names)
    axes.set(xlabel="answer", ylabel="truth", title="confusion, in per cent of the true class")
    if len(classes) <= 20:
        for row, column in np.argwhere(shares >= 0.005):
            share = shares[row, column]
            colour = "white" if share > 0.5 else "black"
            axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", fontsize=7, color=colour)
    return png(drawn)


def draw_reliability(answers: Answers) -> bytes:
    """Reliability diagrams: accuracy against confidence, before and after calibration."""
    drawn, axes = figure(1, 2, width=7.5, height=3.6)
    cases = (("before", answers.uncalibrated), (f"after: temperature {answers.temperature:.2f}", answers.confidence))
    for place, (title, confidence) in zip(axes, cases, strict=True):
        _draw_bins(place, reliability(confidence, answers.correct), title)
    return png(drawn)


def draw_selective(answers: Answers) -> bytes:
    """Accuracy of the answers given, against the share of pictures answered."""
    threshold, coverage, accuracy = selective_curve(answers.confidence, answers.correct)
    drawn, axes = figure(width=5, height=3.4)
    axes.plot(100 * coverage, 100 * accuracy)
    chosen = int((threshold >= answers.threshold).sum()) - 1
    if chosen >= 0:
        axes.plot(100 * coverage[chosen], 100 * accuracy[chosen], "o", label=f"abstain below {answers.threshold:.2f}")
        axes.legend(frameon=False)
    axes.set(xlabel="pictures answered, %", ylabel="correct answers, %", title="selective accuracy")
    return png(drawn)


def draw_errors(
    answers: Answers, classes: tuple[str, ...], images: UInt8[np.ndarray, "n height width channels"]
) -> bytes:
    """The wrong answers with the highest confidence."""
    wrong = np.flatnonzero(~answers.correct)
    worst = wrong[np.argsort(-answers.confidence[wrong], kind="stable")][:GALLERY]
    titles = []
    for index in worst:
        answer, truth = (short(classes[int(which[index])]) for which in (answers.labels_given, answers.labels))
        titles.append(f"{answer} {100 * answers.confidence[index]:.0f} %\nis: {truth}")
    return draw_gallery(images[worst], titles, "the most confident errors" if len(worst) else "no errors")


def draw_gallery(images: UInt8[np.ndarray, "n height width channels"], titles: Sequence[str], heading: str) -> bytes:
    """Pictures in rows, each below its title."""
    rows = max(1, math.ceil(len(images) / ACROSS))
    drawn, axes = figure(rows, ACROSS, width=11, height=0.4 + 1.6 * rows)
    for place in axes.flat:
        place.axis("off")
    for place, image, title in zip(axes.flat, images, titles, strict=False):
        place.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
        place.set_title(title, fontsize=7)
    drawn.suptitle(heading, fontsize=10)
    return png(drawn)


def short(name: str) -> str:
    """A class's name as it fits into a picture."""
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def card(
    classes: tuple[str, ...],
    figures: dict[str, Any],
    data: dict[str, Any],
    recipe: dict[str, Any],
    promised: Promise | None = None,
) -> str:
    """The model card, in Hugging Face's format."""
    measured, cost = figures.get("metrics", {}), figures.get("compute", {})
    where = figures.get("data", {})
    rows = [
        ("accuracy, one view", f"{100 * measured.get('accuracy', 0):.2f} %"),
        ("accuracy, averaged views", f"{100 * measured.get('accuracy_tta', 0):.2f} %"),
        *_interval_row(measured),
        ("expected calibration error", f"{100 * measured.get('ece', 0):.2f} %"),
        ("macro F1", f"{measured.get('macro_f1', 0):.4f}"),
        ("training compute", f"{cost.get('train_pflop', 0):.4g} PFLOP in {cost.get('train_seconds', 0):.0f} s"),
    ]
    promise = f" When calibrated, {promised.statement(recipe['selective_accuracy'])}." if promised else ""
    table = "\n".join(f"| {name} | {value} |" for name, value in rows)
    return f"""---
library_name: trine
pipeline_tag: image-classification
tags: [image-classification, {recipe.get("network", "fast")}]
---
# Classifier of {len(classes)} classes, trained on {data.get("name", "?")}

Classes: {", ".join(classes)}.

| measured on {where.get("split", "?")} ({where.get("n", 0):,} pictures) | |
| --- | --- |
{table}

An answer is marked `abstain` when its probability is below {measured.get("abstain_threshold", 0):.3f} or its picture is
unlike the training pictures.{promise} Use: `trine classify predict FOLDER PICTURE`.

![confusion](confusion.png) ![reliability](reliability.png) ![selective accuracy](selective.png) ![errors](errors.png)

## Limits

It knows only its classes, in the form of its training pictures; any other picture gets one of them as an answer.
Its fairness between groups of people was not checked.
Trained with network `{recipe.get("network")}`, effort `{recipe.get("effort")}`, seed {recipe.get("seed")}.
"""


def _interval_row(measured: dict[str, Any]) -> list[tuple[str, str]]:
    """The row of the accuracy's interval, and of the remark that it is too wide."""
    if "accuracy_interval" not in measured:
        return []
    low, high = measured["accuracy_interval"]
    rows = [("its 95 % interval", f"{100 * low:.1f} to {100 * high:.1f} %")]
    return [*rows, *([("remark", measured["remark"])] if "remark" in measured else [])]


def _draw_bins(axes: Any, bins: Reliability, title: str) -> None:
    filled = bins.share > 0
    axes.plot([0, 1], [0, 1], color="grey", linewidth=0.8, linestyle="--")
    axes.bar(bins.confidence[filled], bins.accuracy[filled], width=0.05, alpha=0.7)
    axes.set(
        xlabel="confidence",
        ylabel="accuracy",
        title=f"{title}\nECE {100 * bins.error:.2f} %",
        xlim=(0, 1),
        ylim=(0, 1),
    )
