"""What a run's report says of a classifier: what it is good at, its surest errors, what it cannot tell."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trine.classify.balance import uneven
from trine.classify.classifier import Classifier
from trine.classify.label_check import DoubtfulLabel, doubtful_in_training
from trine.classify.report import GALLERY, TITLE, draw_gallery
from trine.labels import labels
from trine.page.chapter import Chapter, Figure, Picture, Table, percent, training_time
from trine.pictures.picture_set import PictureSplit

MOST_CLASSES = 30
"""Classes in a table: the best and the worst."""
HELD_OUT = {"test": "which were used once, at the end", "validation": "which were held out from the training"}


def chapter(model: Classifier, train: PictureSplit, pictures: Mapping[str, bytes]) -> Chapter:
    """The chapter of a trained classifier; `pictures` are those of its run, by file name."""
    assert model.result
    metrics, data = model.result.metrics, model.result.data
    doubtful = doubtful_in_training(model, train, model.margins, GALLERY)
    used = HELD_OUT.get(data.split, f"the split {data.split}")
    return Chapter(
        name="classify",
        title="What it learned",
        lead=f"A convolutional network ({model.recipe.network}) learned {model.data['splits']['train']:,} pictures of "
        f"{len(model.classes):,} classes, at {model.size}×{model.size} pixels. The figures are for {data.n:,} other "
        f"pictures, {used}.",
        figures=[*figures(metrics, "pictures"), training_time(model.result.compute)],
        parts=[
            _classes(metrics["per_class"]),
            *_captioned(pictures, "errors.png", "Its surest errors: the answer with its probability, and the truth."),
            *_confused(metrics.get("confusions", [])),
            *_captioned(pictures, "confusion.png", "All answers: true classes in rows, answers in columns."),
            *_doubted(train, doubtful, model.classes),
            *_promised(model),
            *_captioned(pictures, "reliability.png", "Is it right as often as its probabilities say?"),
            *_captioned(pictures, "curves.png", "The course of the training."),
        ],
        next=[
            f"trine classify predict {model.run} NEW_PICTURES --sort-into sorted",
            f"trine data check {model.run} PICTURES --csv labels-to-check.csv",
            f"trine classify explain {model.run} PICTURE",
        ],
    )


def figures(metrics: Mapping[str, Any], what: str) -> list[Figure]:
    """The headline: accuracy, that of the mean class if classes are uneven, calibration, answers given.

    what   what the pictures are called
    """
    gap = "mean difference between predicted probability and accuracy"
    differ = uneven([each["n"] for each in metrics["per_class"].values()])
    mean_class = Figure(
        "of the mean class", percent(metrics["macro_recall"]), "is classified correctly: classes differ"
    )
    right = f"of the {what} are classified correctly{_between(metrics)}"
    return [
        Figure("accuracy", percent(metrics["accuracy_tta"]), right),
        *([mean_class] if differ else []),
        *_cross_validated(metrics.get("cross_validated"), what),
        Figure("calibration error", percent(metrics["ece"], 2), gap),
        Figure("answers given", percent(metrics["coverage"]), f"of the {what}; on the others it abstains"),
    ]


def _between(metrics: Mapping[str, Any]) -> str:
    """The interval of the accuracy in words, and that it is wide."""
    low, high = (percent(bound, 0) for bound in metrics["accuracy_interval"])
    few = ": too few for a closer statement" if "remark" in metrics else ""
    return f"; with 95 % confidence {low} to {high}{few}"


def _cross_validated(figures: Mapping[str, Any] | None, what: str) -> list[Figure]:
    if figures is None:
        return []
    meaning = f"of all {figures['n']:,} {what} of the training, each by a model that had not seen it"
    return [Figure("cross-validated", percent(figures["accuracy"]), meaning + _between(figures))]


def _promised(model: Classifier) -> list[Table]:
    """What the held-out pictures show of the answers that are given."""
    if model.promise is None:
        return []
    return [
        Table(
            "What is shown of its answers",
            ("statement",),
            [(model.promise.statement(model.recipe.selective_accuracy),)],
        )
    ]


def _classes(per_class: Mapping[str, Mapping[str, float]]) -> Table:
    there = sorted((each for each in per_class.items() if each[1]["n"]), key=lambda each: -each[1]["recall"])
    if len(there) > MOST_CLASSES:
        there = [*there[: MOST_CLASSES // 2], *there[-(MOST_CLASSES // 2) :]]
    title = "What it is good at" if len(there) == len(per_class) else "What it is good at: its best and worst classes"
    rows = [
        (name, f"{value['n']:.0f}", percent(value["recall"], 0), percent(value["precision"], 0))
        for name, value in there
    ]
    columns = ("class", "pictures", "recognised", "right when it says so")
    return Table(title, columns, rows, weights=[value["recall"] for _, value in there])


def _confused(confusions: Sequence[Mapping[str, Any]]) -> list[Table]:
    rows = [(each["truth"], each["answer"], f"{each['n']:,}", percent(each["share"], 0)) for each in confusions]
    columns = ("is", "taken for", "pictures", "of its class")
    return [Table("What it cannot tell", columns, rows, [float(each["n"]) for each in confusions])] if rows else []


def _doubted(train: PictureSplit, doubtful: Sequence[DoubtfulLabel], classes: tuple[str, ...]) -> list[Picture | Table]:
    """Training pictures whose labels may be wrong."""
    if not doubtful:
        return []
    names = dict(zip(classes, labels(classes, TITLE), strict=True))
    titles = [f"is {names[each.label]}?\n{names[each.answer]}" for each in doubtful]
    sheet = draw_gallery(np.array(train.images[[each.index for each in doubtful]]), titles, "labels to check")
    rows = [(each.name, each.label, each.answer, percent(each.probability, 0)) for each in doubtful]
    return [
        Picture(sheet, "Training pictures that it took for another class than their label: some may be mislabelled."),
        Table("Labels to check", ("picture", "label", "rather", "probability against the label"), rows),
    ]


def _captioned(pictures: Mapping[str, bytes], name: str, caption: str) -> list[Picture]:
    return [Picture(pictures[name], caption)] if name in pictures else []
