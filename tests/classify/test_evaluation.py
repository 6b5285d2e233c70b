from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from trine.classify.calibration import Promise
from trine.classify.classifier import Classifier
from trine.classify.evaluation import Answers, cross_validation, metrics

CLASSES = ("ant", "bee", "cat")


def test_figures_are_those_counted_by_hand(answers: Answers) -> None:
    figures = metrics(answers, CLASSES)
    assert (figures["accuracy"], figures["accuracy_tta"]) == pytest.approx((5 / 6, 5 / 6))
    assert figures["per_class"]["ant"] == pytest.approx({"precision": 2 / 3, "recall": 1, "f1": 0.8, "n": 2})
    assert figures["per_class"]["bee"] == pytest.approx({"precision": 1, "recall": 0.5, "f1": 2 / 3, "n": 2})
    assert figures["macro_f1"] == pytest.approx((0.8 + 2 / 3 + 1) / 3)
    assert figures["unlike_training"] == pytest.approx(1 / 6)


def test_selective_accuracy_counts_the_answers_that_are_given(answers: Answers) -> None:
    figures = metrics(answers, CLASSES)
    given = answers.confidence >= 0.5
    assert figures["coverage"] == pytest.approx(given.mean())
    assert figures["selective_accuracy"] == pytest.approx(answers.correct[given].mean())


def test_a_class_that_is_absent_has_zero_and_not_a_fault(answers: Answers) -> None:
    assert metrics(answers, CLASSES) is not None
    two = Answers(answers.plain[:4], answers.averaged[:4], answers.labels[:4], 1.0, 0.0, answers.novelty[:4])
    assert metrics(two, CLASSES)["per_class"]["cat"] == {"precision": 0, "recall": 0, "f1": 0, "n": 0}


def test_means_over_classes_leave_out_those_that_are_absent(answers: Answers) -> None:
    two = Answers(answers.plain[:4], answers.averaged[:4], answers.labels[:4], 1.0, 0.0, answers.novelty[:4])
    figures = metrics(two, CLASSES)
    assert figures["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert figures["macro_recall"] == pytest.approx((1 + 0.5) / 2)


def test_the_accuracy_has_its_interval_and_six_pictures_are_said_to_be_too_few(answers: Answers) -> None:
    figures = metrics(answers, CLASSES)
    low, high = figures["accuracy_interval"]
    assert low < 5 / 6 < high
    assert figures["remark"].startswith("6 pictures are too few")
    assert f"between {100 * low:.0f} and {100 * high:.0f} %" in figures["remark"]


def test_many_pictures_need_no_remark(answers: Answers) -> None:
    columns = ("plain", "averaged", "labels", "novelty")
    many = {name: getattr(answers, name).repeat_interleave(100, 0) for name in columns}
    figures = metrics(replace(answers, **many), CLASSES)
    assert "remark" not in figures
    assert figures["accuracy_interval"][1] - figures["accuracy_interval"][0] < 0.1


def test_the_promised_accuracy_stands_beside_the_measured_one(answers: Answers) -> None:
    assert "promised_accuracy" not in metrics(answers, CLASSES)  # a model of an earlier version
    assert metrics(replace(answers, promised=0.8), CLASSES)["promised_accuracy"] == 0.8


def test_pictures_below_the_cut_of_the_model_are_unlike(answers: Answers) -> None:
    assert metrics(replace(answers, unlike=0.0005), CLASSES)["unlike_training"] == 0
    typical = torch.tensor([0.5, 0.5, 0.5, 0.5, 0.012, 0.001])
    assert metrics(replace(answers, novelty=typical, unlike=0.015), CLASSES)["unlike_training"] == pytest.approx(1 / 3)


def test_cross_validated_accuracy_counts_every_training_picture() -> None:
    figures = cross_validation(Promise(0.5, 0.8, 300, right=270, folds=5))["cross_validated"]
    assert (figures["accuracy"], figures["n"], figures["folds"]) == (0.9, 300, 5)
    assert figures["accuracy_interval"][0] < 0.9 < figures["accuracy_interval"][1]
    assert cross_validation(Promise(0.5, 0.8, 300, right=270)) == {}


def test_the_accuracy_of_one_view_is_that_of_the_networks_own_logits(fitted: Classifier, shapes: Path) -> None:
    opened = fitted.open(shapes)
    split = opened.splits["validation"]
    logits = fitted.logits(np.array(split.images))
    expected = float((logits.argmax(1).numpy() == split.labels).mean())
    assert fitted.evaluation(opened, "validation").metrics["accuracy"] == expected
