import io

import numpy as np
import pytest
import torch
from PIL import Image

from trine.classify import report

CLASSES = ("ant", "bee", "cat")


@pytest.fixture
def said() -> report.Answers:
    """Six pictures; one bee is taken for an ant, surely."""
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    answers = torch.tensor([0, 0, 1, 0, 2, 2])
    logits = torch.nn.functional.one_hot(answers, 3).float() * torch.tensor([2, 3, 2, 4, 3, 1])[:, None]
    typical = torch.tensor([0.5, 0.5, 0.5, 0.5, 0.5, 0.001])
    return report.Answers(logits, logits, labels, temperature=2.0, threshold=0.5, novelty=typical)


def test_figures_are_those_counted_by_hand(said: report.Answers) -> None:
    figures = report.metrics(said, CLASSES)
    assert (figures["accuracy"], figures["accuracy_tta"]) == pytest.approx((5 / 6, 5 / 6))
    assert figures["per_class"]["ant"] == pytest.approx({"precision": 2 / 3, "recall": 1, "f1": 0.8, "n": 2})
    assert figures["per_class"]["bee"] == pytest.approx({"precision": 1, "recall": 0.5, "f1": 2 / 3, "n": 2})
    assert figures["macro_f1"] == pytest.approx((0.8 + 2 / 3 + 1) / 3)
    assert figures["unlike_training"] == pytest.approx(1 / 6)


def test_selective_accuracy_counts_the_answers_that_are_given(said: report.Answers) -> None:
    figures = report.metrics(said, CLASSES)
    given = said.confidence >= 0.5
    assert figures["coverage"] == pytest.approx(given.mean())
    assert figures["selective_accuracy"] == pytest.approx(said.correct[given].mean())


def test_a_class_that_is_absent_has_zero_and_not_a_fault(said: report.Answers) -> None:
    assert report.metrics(said, CLASSES) is not None
    two = report.Answers(said.plain[:4], said.averaged[:4], said.labels[:4], 1.0, 0.0, said.novelty[:4])
    assert report.metrics(two, CLASSES)["per_class"]["cat"] == {"precision": 0, "recall": 0, "f1": 0, "n": 0}


@pytest.mark.parametrize("channels", [1, 3])
def test_the_pictures_can_be_opened(said: report.Answers, channels: int) -> None:
    images = np.zeros((6, 8, 8, channels), dtype=np.uint8)
    drawn = report.pictures(said, CLASSES, images)
    assert set(drawn) == {"confusion.png", "reliability.png", "selective.png", "errors.png"}
    for content in drawn.values():
        with Image.open(io.BytesIO(content)) as image:
            assert image.format == "PNG"
            assert min(image.size) > 200


def test_a_hundred_classes_are_drawn_too() -> None:
    labels = torch.arange(100)
    said = report.Answers(torch.eye(100), torch.eye(100), labels, 1.0, 0.0, torch.ones(100))
    assert report.draw_confusion(said, tuple(f"class {index}" for index in range(100)))


def test_the_card_says_how_good_the_model_is_and_on_what() -> None:
    figures = {"metrics": {"accuracy": 0.9123}, "data": {"split": "test", "n": 1234}, "compute": {}}
    card = report.card(CLASSES, figures, {"name": "insects"}, {"network": "fast", "effort": "quick", "seed": 3})
    assert "91.23 %" in card
    assert "test (1,234 pictures)" in card
    assert "ant, bee, cat" in card
    assert card.startswith("---\nlibrary_name: trine\n")
