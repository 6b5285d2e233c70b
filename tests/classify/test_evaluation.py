import pytest

from trine.classify.evaluation import Answers, metrics

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
