import numpy as np
import pytest
import torch

from trine.classify.chapter import chapter, doubtful_labels
from trine.page.chapter import Table
from trine.pictures.picture_set import PictureSplit

from .conftest import SHAPES


def test_labels_that_are_contradicted_are_listed_surest_first():
    images = np.zeros((5, 8, 8, 3), np.uint8)
    train = PictureSplit(images, np.array([0, 1, 0, 1, 1]), [f"{n}.png" for n in range(5)], np.arange(5))
    logits = torch.tensor([[4.0, 0.0], [3.0, 0.0], [0.0, 0.1], [0.0, 6.0], [9.0, 0.0]])
    found = doubtful_labels(logits, train, [0, 1, 2, 3, 4], ("ant", "bee"), temperature=1.0)
    assert [(each.name, each.label, each.answer) for each in found] == [
        ("4.png", "bee", "ant"),
        ("1.png", "bee", "ant"),
        ("2.png", "ant", "bee"),
    ]
    few = doubtful_labels(logits[[1, 4]], train, [1, 4], ("ant", "bee"), temperature=1.0)
    assert [each.index for each in few] == [4, 1]


def test_the_chapter_says_what_it_is_good_at_and_what_it_confuses(fitted, shapes):
    opened = fitted.open(shapes)
    images = opened.splits["train"].images
    logits = torch.zeros(2, 3)
    logits[:, 2] = 5.0
    doubtful = doubtful_labels(logits, opened.splits["train"], [0, 1], SHAPES, 1.0)
    confused = [{"truth": "bar", "answer": "cross", "n": 3, "share": 0.5}]
    metrics = {**fitted.result.metrics, "confusions": confused}
    shown = fitted.replaced(result=fitted.result.model_copy(update={"metrics": metrics}))
    written = chapter(shown, opened.splits["train"], doubtful, {"errors.png": b"png"})
    tables = {part.title: part for part in written.parts if isinstance(part, Table)}
    assert {row[0] for row in tables["What it is good at"].rows} == set(SHAPES)
    assert tables["What it cannot tell"].rows == [("bar", "cross", "3", "50 %")]
    assert len(tables["Labels to check"].rows) == len(doubtful)
    assert "54 pictures of 3 classes, at 16×16 pixels" in written.lead
    assert "6 other pictures, which were held out from the training" in written.lead
    assert images.shape[1:] == (16, 16, 3)


def test_the_report_of_a_run_shows_errors_and_classes(model):
    report = (model / "report.html").read_text()
    assert "What it is good at" in report
    assert "Its surest errors" in report


@pytest.mark.parametrize("failing", ["trine.classify.training.chapter", "trine.classify.report.draw_errors"])
def test_no_report_and_no_picture_costs_a_training(shapes, tmp_path, monkeypatch, caplog, failing):
    from trine.classify.classifier import Classifier

    from .conftest import SHORT

    def fail(*arguments):
        raise RuntimeError("no ink")

    monkeypatch.setattr(failing, fail)
    Classifier(**{**SHORT, "least_steps": 2}).fit(shapes, out=tmp_path / "run")
    assert Classifier.load(tmp_path / "run").classes == SHAPES
    assert (tmp_path / "run" / "result.json").is_file()
    assert "could not be drawn, and is left out: no ink" in caplog.text
