"""trine detect recalibrate writes another model, and says what it changed."""

import json

import pytest

from tests.detect.conftest import write_log
from tests.live.ssh_log import log_lines
from trine.detect.detector import Detector


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recalibrate")
    log = folder / "auth.log"
    log.write_text("\n".join(log_lines(300, 0)) + "\n")
    Detector(members=["counting"], entity="process", folds=2).fit(log, out=folder / "model", test=False)
    return folder / "model"


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "later.log"
    path.write_text("\n".join(log_lines(250, 1, attacks={7, 20, 41})) + "\n")
    return path


def said(done):
    """The JSON document that a command printed."""
    assert done.status == 0, done.err
    return json.loads(done.out)


def test_the_model_stays_and_another_one_says_its_rates(trine, model, log, tmp_path):
    before = sorted((path.name, path.stat().st_mtime_ns) for path in (model / "bundle").iterdir())
    document = said(trine("detect", "recalibrate", model, log, "--out", tmp_path / "new", "--json"))
    assert document["target"] == 0.01
    assert (document["sequences"], document["tested"]) == (225, 25)
    assert 0 <= document["before"]["going"]["share"] <= 1
    assert document["after"]["whole"]["interval"][0] <= 0.01
    assert sorted((path.name, path.stat().st_mtime_ns) for path in (model / "bundle").iterdir()) == before
    assert Detector.load(tmp_path / "new").ensemble.calibrated_on == 225


def test_sessions_of_findings_that_are_not_benign_are_left_out(trine, model, log, tmp_path):
    store = tmp_path / "store.db"
    trine("detect", "watch", model, log, "--store", store, "--once", "--false-alarms", "0.02")
    found = said(trine("detect", "findings", store, "--json"))
    attacker = next(each for each in found if each["entity"] == "sshd[107]")
    trine("detect", "feedback", store, attacker["id"], "breach")
    for each in found:
        if each["entity"] not in ("sshd[107]", "sshd[120]", "sshd[141]"):
            trine("detect", "feedback", store, each["id"], "benign")
    words = ("--store", store, "--out", tmp_path / "new", "--json")
    document = said(trine("detect", "recalibrate", model, log, *words))
    assert document["left_out"] == 3


def test_a_model_is_replaced_only_where_that_is_asked_for(trine, model, log, tmp_path):
    out = tmp_path / "new"
    assert trine("detect", "recalibrate", model, log, "--out", out).status == 0
    refused = trine("detect", "recalibrate", model, log, "--out", out)
    assert refused.status == 2
    assert "replace it with --overwrite" in refused.err
    assert trine("detect", "recalibrate", out, log, "--overwrite").status == 0
    assert Detector.load(out).data["calibrated"]["name"] == "later.log"


def test_a_log_of_another_form_is_refused_or_read_as_the_model_says(trine, model, tmp_path):
    few = write_log(tmp_path / "few.log", sessions=1)
    refused = trine("detect", "recalibrate", model, few, "--out", tmp_path / "new")
    assert refused.status == 1
    assert refused.err.splitlines()[-1].startswith("trine: few.log: 1 normal sequence")
