import csv
import json
import shutil
from pathlib import Path

import pytest
import torch

from trine.classify.classifier import Classifier
from trine.classify.label_check import check_labels

from .conftest import SHAPES, SHORT, write_shapes


@pytest.fixture(scope="module")
def mislabelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on 120 shapes; three crosses of them are labelled bar. The set is beside it."""
    root = tmp_path_factory.mktemp("mislabelled")
    shapes = write_shapes(root / "shapes", each=40)
    for number in range(3):
        shutil.move(shapes / "cross" / f"cross{number}.png", shapes / "bar")
    Classifier(**{**SHORT, "least_steps": 150}).fit(shapes, out=root / "run")
    return root


def test_planted_wrong_labels_of_the_training_are_listed_first(mislabelled):
    model = Classifier.load(mislabelled / "run")
    found = check_labels(model, model.open(mislabelled / "shapes"))
    wrong = [each for each in found if Path(each.name).name.startswith("cross") and each.label == "bar"]
    assert len(wrong) >= 2
    assert found[: len(wrong)] == wrong
    assert all(each.answer == "cross" and each.probability > 0.5 for each in wrong)
    assert [each.probability for each in found] == sorted((each.probability for each in found), reverse=True)


def test_wrong_labels_of_new_pictures_are_listed_too(mislabelled, tmp_path):
    other = write_shapes(tmp_path / "other", each=6, seed=1)
    shutil.move(other / "disc" / "disc0.png", other / "cross")
    model = Classifier.load(mislabelled / "run")
    found = check_labels(model, model.open(other))
    assert (Path(found[0].name).name, found[0].label, found[0].answer) == ("disc0.png", "cross", "disc")


def test_a_model_without_margins_judges_training_pictures_by_its_answers(mislabelled):
    model = Classifier.load(mislabelled / "run").replaced(margins=torch.zeros(0))
    assert {each.split for each in check_labels(model, model.open(mislabelled / "shapes"))} <= {"train", "validation"}


def test_the_command_lists_labels_as_lines_json_and_csv(trine, mislabelled, tmp_path):
    words = ("data", "check", mislabelled / "run", mislabelled / "shapes", "--csv", tmp_path / "labels.csv")
    said = trine(*words, "--most", "2")
    assert said.status == 0
    header, *lines = said.out.splitlines()
    assert header.split("\t") == ["# path", "label", "answer", "probability", "split"]
    assert all(Path(line.split("\t")[0]).is_file() for line in lines)
    with (tmp_path / "labels.csv").open() as file:
        rows = list(csv.reader(file))
    assert [row[0] for row in rows] == ["path", *(line.split("\t")[0] for line in lines)]
    listed = json.loads(trine(*words[:4], "--json").out)
    assert listed["contradicted"] == len(listed["labels"]) >= 2
    assert listed["checked"] == {"train": 108, "validation": 12}
    assert {each["label"] for each in listed["labels"]} <= set(SHAPES)


@pytest.mark.parametrize("words", [("--csv", "x.csv"), ("--most", "3")])
def test_options_of_the_list_need_a_classifier(trine, shapes, words):
    said = trine("data", "check", shapes, *words)
    assert said.status == 2
    assert "give a trained classifier before the set" in said.err


def test_a_set_that_is_no_classifier_is_refused(trine, shapes):
    said = trine("data", "check", shapes, shapes)
    assert said.status != 0
    assert str(shapes) in said.err
