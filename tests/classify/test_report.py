import io

import numpy as np
import pytest
import torch
from PIL import Image

from tests.texts import written
from trine.classify import report
from trine.classify.calibration import Promise
from trine.classify.evaluation import Answers

CLASSES = ("ant", "bee", "cat")


@pytest.mark.parametrize("channels", [1, 3])
def test_the_pictures_can_be_opened(answers: Answers, channels: int) -> None:
    images = np.zeros((6, 8, 8, channels), dtype=np.uint8)
    drawn = report.pictures(answers, CLASSES, images)
    assert set(drawn) == {"confusion.png", "reliability.png", "selective.png", "errors.png"}
    for content in drawn.values():
        with Image.open(io.BytesIO(content)) as image:
            assert image.format == "PNG"
            assert min(image.size) > 200


MANY = tuple(f"species of insect, number {index}" for index in range(45))
ODD = ("猫", "قطة جميلة", "🧬 gene", "cat", "cat\u200b", "$x_{", *MANY[:2])


@pytest.mark.parametrize("classes", [CLASSES, ODD, MANY[:13], MANY, tuple(map(str, range(10)))])
@pytest.mark.parametrize("name", ["confusion.png", "errors.png", "reliability.png", "selective.png"])
def test_texts_are_large_and_apart_whatever_the_classes_are_called(classes: tuple[str, ...], name: str) -> None:
    labels = torch.arange(len(classes)).repeat(2)
    logits = torch.nn.functional.one_hot(labels.roll(1), len(classes)).float() * 9
    answers = Answers(logits, logits, labels, 1.0, 0.5, torch.ones(len(labels)))
    images = np.zeros((len(labels), 8, 8, 3), dtype=np.uint8)
    with written() as texts:
        {
            "confusion.png": lambda: report.draw_confusion(answers, classes),
            "errors.png": lambda: report.draw_errors(answers, classes, images),
            "reliability.png": lambda: report.draw_reliability(answers),
            "selective.png": lambda: report.draw_selective(answers),
        }[name]()
    texts.check()


def test_a_confusion_matrix_of_many_classes_says_how_many_it_names(answers: Answers) -> None:
    labels = torch.arange(100)
    answers = Answers(torch.eye(100), torch.eye(100), labels, 1.0, 0.0, torch.ones(100))
    with written() as texts:
        report.draw_confusion(answers, tuple(f"class {index}" for index in range(100)))
    named = [text for text in texts.texts if text.startswith("class ")]
    assert len(named) == 2 * len(range(0, 100, 3))
    assert "truth, one in 3 named" in texts.texts


def test_classes_that_pictures_call_by_number_have_their_number_in_the_card(monkeypatch) -> None:
    monkeypatch.setattr(report, "labels", lambda names, longest=18: [f"#{i}" for i, _ in enumerate(names, 1)])
    assert "Classes: #1 猫, #2 狗." in report.card(("猫", "狗"), {}, {}, {})
    monkeypatch.undo()
    assert "Classes: ant, bee." in report.card(("ant", "bee"), {}, {}, {})


def test_a_hundred_classes_are_drawn_too() -> None:
    labels = torch.arange(100)
    answers = Answers(torch.eye(100), torch.eye(100), labels, 1.0, 0.0, torch.ones(100))
    assert report.draw_confusion(answers, tuple(f"class {index}" for index in range(100)))


def test_the_card_says_how_good_the_model_is_and_on_what() -> None:
    figures = {"metrics": {"accuracy": 0.9123}, "data": {"split": "test", "n": 1234}, "compute": {}}
    card = report.card(CLASSES, figures, {"name": "insects"}, {"network": "fast", "effort": "quick", "seed": 3})
    assert "91.23 %" in card
    assert "test (1,234 pictures)" in card
    assert "ant, bee, cat" in card
    assert card.startswith("---\nlibrary_name: trine\n")


def test_the_card_says_what_is_promised_and_what_the_accuracy_is_worth() -> None:
    measured = {"accuracy_tta": 0.9, "accuracy_interval": [0.6, 0.98], "remark": "10 pictures are too few"}
    recipe = {"network": "fast", "effort": "quick", "seed": 3, "selective_accuracy": 0.99}
    promised = Promise(0.72, 0.87, 50, right=48)
    card = report.card(CLASSES, {"metrics": measured}, {"name": "insects"}, recipe, promised)
    assert "60.0 to 98.0 %" in card
    assert "10 pictures are too few" in card
    assert "right in at least 87 % of cases; 99 % cannot be shown with 50 held-out pictures" in card


@pytest.mark.parametrize("name", ["$^$", "a_$b", "\\xe4 \\frac{", "\u65e5\u672c", "A" * 300, "\u202e", "50 % & more"])
def test_any_name_of_a_class_is_drawn(answers, name):
    images = np.zeros((6, 8, 8, 3), np.uint8)
    drawn = report.pictures(answers, (name, "bee", "$x$"), images)
    assert set(drawn) == {"confusion.png", "reliability.png", "selective.png", "errors.png"}


def test_a_picture_that_cannot_be_drawn_is_left_out_with_a_word(answers, monkeypatch, caplog):
    def fail(*arguments):
        raise ValueError("no ink\nat all")

    monkeypatch.setattr(report, "draw_confusion", fail)
    assert "confusion.png" not in report.pictures(answers, ("ant", "bee", "cat"), np.zeros((6, 8, 8, 3), np.uint8))
    assert "confusion.png could not be drawn, and is left out: no ink at all" in caplog.text
