"""Pictures of a classifier's answers, and its model card."""

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8

from trine.classify.calibration import Promise, Reliability, reliability, selective_curve
from trine.classify.evaluation import Answers, confusion
from trine.drawing import SMALL, attempted, figure, png, styled
from trine.labels import labels, width
from trine.plurals import quantity

GALLERY, ACROSS = 15, 5
"""Errors in the gallery, and per row."""
TITLE = 15
"""Width of a class's name above a picture, in letters."""
NAMED = 40
"""Largest number of classes that a confusion matrix names on its axes; of more, every second or third one."""
SHARES = 12
"""Largest number of classes at which a confusion matrix has its shares as numbers."""


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


@styled
def draw_confusion(answers: Answers, classes: tuple[str, ...]) -> bytes:
    """Confusion matrix: true classes in rows, answers in columns, as shares of the true class."""
    counts = confusion(answers, len(classes))
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    names = labels(classes)
    step = math.ceil(len(classes) / NAMED)
    side = max(3.0, min(0.5 * len(classes), 0.2 * NAMED)) + 0.1 * max(map(width, names))
    drawn, axes = figure(width=side + (2.2 if len(classes) > SHARES else 1.0), height=side + 1.5)
    shown = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.grid(visible=False)
    ticks = range(0, len(classes), step)
    upright = max(map(width, names)) <= 2
    axes.set_xticks(ticks, names[::step], rotation=0 if upright and len(classes) <= SHARES else 90)
    axes.set_yticks(ticks, names[::step])
    legend = "\n#: number of the class in README.md" if any(map(_is_numbered, names)) else ""
    left_out = "" if step == 1 else f", one in {step} named"
    axes.set(xlabel=f"answer{left_out}", ylabel=f"truth{left_out}", title=f"confusion, % of the true class{legend}")
    if len(classes) > SHARES:
        drawn.colorbar(shown, ax=axes, shrink=0.6, ticks=[0, 0.5, 1]).ax.set_yticklabels(["0 %", "50 %", "100 %"])
        return png(drawn)
    for row, column in np.argwhere(shares >= 0.005):
        share = shares[row, column]
        colour = "white" if share > 0.5 else "black"
        axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", color=colour)
    return png(drawn)


@styled
def draw_reliability(answers: Answers) -> bytes:
    """Reliability diagrams: accuracy against confidence, before and after calibration."""
    drawn, axes = figure(1, 2, width=9, height=4.8)
    cases = (("before", answers.uncalibrated), (f"after: temperature {answers.temperature:.2f}", answers.confidence))
    for place, (title, confidence) in zip(axes, cases, strict=True):
        _draw_bins(place, reliability(confidence, answers.correct), title)
    drawn.suptitle("dashed: right as often as sure")
    return png(drawn)


@styled
def draw_selective(answers: Answers) -> bytes:
    """Accuracy of the answers given, against the share of pictures answered."""
    threshold, coverage, accuracy = selective_curve(answers.confidence, answers.correct)
    drawn, axes = figure(width=7, height=4.6)
    axes.plot(100 * coverage, 100 * accuracy)
    chosen = int((threshold >= answers.threshold).sum()) - 1
    if chosen >= 0:
        axes.plot(100 * coverage[chosen], 100 * accuracy[chosen], "o", label=f"abstain below {answers.threshold:.2f}")
        axes.legend()
    axes.set(xlabel="pictures answered, %", ylabel="correct answers, %", title="selective accuracy")
    return png(drawn)


def draw_errors(
    answers: Answers, classes: tuple[str, ...], images: UInt8[np.ndarray, "n height width channels"]
) -> bytes:
    """The wrong answers with the highest confidence."""
    wrong = np.flatnonzero(~answers.correct)
    worst = wrong[np.argsort(-answers.confidence[wrong], kind="stable")][:GALLERY]
    titles, names = [], labels(classes, TITLE)
    for index in worst:
        answer, truth = (names[int(which[index])] for which in (answers.labels_given, answers.labels))
        titles.append(f"{100 * answers.confidence[index]:.0f} % sure: {answer}\nis: {truth}")
    return draw_gallery(images[worst], titles, "the most confident errors" if len(worst) else "no errors")


@styled
def draw_gallery(images: UInt8[np.ndarray, "n height width channels"], titles: Sequence[str], heading: str) -> bytes:
    """Pictures in rows, each below its title."""
    rows = max(1, math.ceil(len(images) / ACROSS))
    drawn, axes = figure(rows, ACROSS, width=11, height=0.5 + 2.6 * rows)
    for place in axes.flat:
        place.axis("off")
    for place, image, title in zip(axes.flat, images, titles, strict=False):
        place.imshow(image.squeeze(), cmap="gray", vmin=0, vmax=255)
        place.set_title(title, fontsize=SMALL)
    drawn.suptitle(heading)
    return png(drawn)


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

Classes: {_listed(classes)}.

| measured on {where.get("split", "?")} ({quantity(where.get("n", 0), "picture")}) | |
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


def _listed(classes: tuple[str, ...]) -> str:
    """The names of the classes, with their numbers where pictures name a class by its number."""
    numbered = any(map(_is_numbered, labels(classes)))
    return ", ".join(f"#{number} {name}" if numbered else name for number, name in enumerate(classes, 1))


def _is_numbered(text: str) -> bool:
    return re.match(r"#\d", text) is not None


def _interval_row(measured: dict[str, Any]) -> list[tuple[str, str]]:
    """The row of the accuracy's interval, and of the remark that it is too wide."""
    if "accuracy_interval" not in measured:
        return []
    low, high = measured["accuracy_interval"]
    rows = [("its 95 % interval", f"{100 * low:.1f} to {100 * high:.1f} %")]
    return [*rows, *([("remark", measured["remark"])] if "remark" in measured else [])]


def _draw_bins(axes: Any, bins: Reliability, title: str) -> None:
    filled = bins.share > 0
    axes.plot([0, 1], [0, 1], color="grey", linewidth=1.2, linestyle="--")
    axes.bar(bins.confidence[filled], bins.accuracy[filled], width=0.05, alpha=0.7, edgecolor="white")
    axes.set(
        xlabel="confidence",
        ylabel="accuracy",
        title=f"{title}\nECE {100 * bins.error:.2f} %",
        xlim=(0, 1),
        ylim=(0, 1),
    )
