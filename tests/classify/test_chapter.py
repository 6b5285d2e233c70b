import pytest
import torch

from trine.classify.chapter import chapter, figures
from trine.page.chapter import Table

from .conftest import SHAPES


def test_the_chapter_says_what_it_is_good_at_and_what_it_confuses(fitted, shapes):
    opened = fitted.open(shapes)
    images = opened.splits["train"].images
    margins = torch.ones(len(images)).index_fill(0, torch.tensor([3, 7]), -2.0)
    confused = [{"truth": "bar", "answer": "cross", "n": 3, "share": 0.5}]
    metrics = {**fitted.result.metrics, "confusions": confused}
    shown = fitted.replaced(result=fitted.result.model_copy(update={"metrics": metrics}), margins=margins)
    written = chapter(shown, opened.splits["train"], {"errors.png": b"png"})
    tables = {part.title: part for part in written.parts if isinstance(part, Table)}
    assert {row[0] for row in tables["What it is good at"].rows} == set(SHAPES)
    assert tables["What it cannot tell"].rows == [("bar", "cross", "3", "50 %")]
    names = opened.splits["train"].names
    assert {row[0] for row in tables["Labels to check"].rows} == {names[3], names[7]}
    assert "54 pictures of 3 classes, at 16×16 pixels" in written.lead
    assert "6 other pictures, which were held out from the training" in written.lead
    assert images.shape[1:] == (16, 16, 3)


@pytest.mark.parametrize(("counts", "shown"), [((30, 10), True), ((20, 10), False)])
def test_the_headline_has_the_mean_over_classes_where_these_are_uneven(fitted, counts, shown):
    per_class = {name: {"n": n} for name, n in zip("ab", counts, strict=True)}
    drawn = figures({**fitted.result.metrics, "per_class": per_class}, "pictures")
    assert ("of the mean class" in {each.name for each in drawn}) == shown


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
