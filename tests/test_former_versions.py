"""Bundles and runs that version 0.1.0 wrote, with the answers that it gave, in tests/versions/0.1.0."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import trine
from trine.errors import BundleError
from trine.files import digest

FORMER = Path(__file__).parent / "versions" / "0.1.0"
ANSWERS = json.loads((FORMER / "answers.json").read_text())


def fit_line(out: Path) -> tuple[object, ...]:
    """The command line that started the unfinished run."""
    changed = ("embedding=4", "hidden=4", "folds=2", "epochs=1", "least_steps=300", "steps=8", "batch_size=4")
    options = [word for setting in (*changed, "checkpoint_seconds=0.2") for word in ("--set", setting)]
    return ("detect", "fit", FORMER / "runs.jsonl", "--out", out, "--members", "lstm,counts", *options)


def test_a_classifier_answers_as_it_did():
    model = trine.load(FORMER / "classify")
    answers = model.predict([np.full((12, 12, 3), level, np.uint8) for level in (60, 120, 180)])
    for answer, (label, probability, typicality) in zip(answers, ANSWERS["classify"], strict=True):
        assert answer.label == label
        assert answer.probability == pytest.approx(probability, abs=2e-3)
        assert answer.typicality == pytest.approx(typicality, abs=2e-2)


def test_a_detector_with_a_member_called_lstm_answers_as_it_did():
    model = trine.load(FORMER / "detect")
    assert model.recipe.members == model.ensemble.names == ("network", "counts")
    for finding, (name, p_value, flagged) in zip(model.score(FORMER / "runs.jsonl"), ANSWERS["detect"], strict=False):
        assert (finding.name, finding.flagged) == (name, flagged)
        assert finding.p_value == pytest.approx(p_value, abs=2e-3)
        assert set(finding.members) == {"network", "counts"}


def test_a_generator_makes_the_pictures_that_it_made():
    pictures = trine.load(FORMER / "generate").sample(4, seed=3)
    assert pictures.mean((1, 2, 3)) == pytest.approx(ANSWERS["generate"], abs=0.5)


def test_an_unfinished_run_resumes_with_the_command_that_started_it(trine, tmp_path):
    shutil.copytree(FORMER / "unfinished-detect", tmp_path / "run")
    line = fit_line(tmp_path / "run")
    resumed = trine(*line, "--resume")
    assert resumed.status == 0, resumed.err
    assert "resuming at step " in resumed.err
    assert (tmp_path / "run" / "result.json").is_file()
    assert trine(*line, "--resume", "--set", "hidden=8").status == 0, "a complete run is left as it is"


def test_an_unfinished_run_is_not_resumed_with_other_settings(trine, tmp_path):
    shutil.copytree(FORMER / "unfinished-detect", tmp_path / "run")
    refused = trine(*fit_line(tmp_path / "run"), "--resume", "--set", "hidden=8")
    assert refused.status == 1
    assert "was started with another recipe (hidden=4, now 8)" in refused.err
    assert "resume with the same settings, or start a new run with --out" in refused.err


def test_a_bundle_of_a_later_version_is_refused_with_what_to_do(tmp_path):
    shutil.copytree(FORMER / "detect", tmp_path / "later")
    document = json.loads((tmp_path / "later" / "trine.json").read_text())
    document["format"] += 1
    document.pop("checksum")
    document["checksum"] = digest(document)
    (tmp_path / "later" / "trine.json").write_text(json.dumps(document))
    with pytest.raises(BundleError, match=r"is newer than this Trine reads .*: upgrade Trine"):
        trine.load(tmp_path / "later")


def test_recipes_of_before_crop_and_those_of_now_choose():
    model = trine.load(FORMER / "classify")
    assert model.recipe.fit == model.reading.fit == "crop"
    assert trine.load(FORMER / "generate").reading.backdrop == "white"
    recipe = type(model.recipe)
    assert recipe().fit == "auto"
    assert recipe.stored({"epochs": 3}).fit == "auto", "a few settings written by hand"
    before = {name: value for name, value in recipe().model_dump().items() if name != "fit"}
    assert recipe.stored(before).fit == "crop"
    assert recipe().resumed(before).fit == "crop"
    assert recipe(fit="pad").resumed(before).fit == "pad"
    assert recipe().resumed(recipe().model_dump()).fit == "auto"


def test_a_picture_classifier_of_before_saves_how_it_reads(tmp_path):
    model = trine.load(FORMER / "classify")
    model.save(tmp_path / "again")
    assert trine.load(tmp_path / "again").reading == model.reading
    assert trine.load(tmp_path / "again").recipe.fit == "crop"
