import numpy as np
import pytest

from tests.detect.conftest import write_table
from trine.detect.detector import Detector
from trine.detect.drift import Drift, drifts, measured
from trine.detect.scoring import Panel
from trine.measures.conformal import Reference


def mask(before, recent):
    return np.repeat([False, True], [before, recent])


@pytest.fixture
def make_panel(monkeypatch):
    def make(before, recent):
        raw = np.concatenate([before, recent])[:, None]
        monkeypatch.setattr("trine.detect.scoring.weights", lambda members: (1.0,))
        return Panel.calibrated((), Reference(raw, np.ones(len(raw), np.int64)))

    return make


def test_recent_sequences_like_the_others_do_not_drift(make_panel):
    draw = np.random.default_rng(0)
    drift = measured(make_panel(draw.normal(size=2_000), draw.normal(size=500)), mask(2_000, 500), 0.01)
    assert not drifts(drift, 0.01)
    assert not drift.stricter
    assert drift.fpr_interval[0] <= 0.01 <= drift.fpr_interval[1]


def test_stranger_recent_sequences_drift_and_set_the_threshold_if_they_are_enough(make_panel):
    draw = np.random.default_rng(0)
    drift = measured(make_panel(draw.normal(size=2_000), draw.normal(1.5, size=500)), mask(2_000, 500), 0.01)
    assert drift.fpr > 0.1
    assert drift.stricter
    assert "no more than the target" in drift.line(0.01)
    few = measured(make_panel(draw.normal(size=2_000), draw.normal(2.5, size=50)), mask(2_000, 50), 0.01)
    assert drifts(few, 0.01)
    assert not few.stricter
    assert "train again often" in few.line(0.01)


def test_too_few_sequences_from_before_show_nothing(make_panel):
    assert measured(make_panel(np.zeros(50), np.ones(50)), mask(50, 50), 0.01) is None


def test_json_gives_the_same_figures():
    drift = Drift(0.05, (0.02, 0.1), 300, stricter=True)
    assert Drift.from_json(drift.as_json()) == drift


@pytest.fixture(scope="module")
def drifting(tmp_path_factory):
    """Days of two programs; in the last tenth, a third program runs half of the time."""
    draw, rows = np.random.default_rng(0), []
    for i in range(1_200):
        events = list(("open", "read", "close") if i % 2 else ("fork", "wait")) * int(draw.integers(3, 7))
        if i >= 1_080 and i % 2:
            events = ["mount", "sync", "umount"] * int(draw.integers(3, 7))
        rows.append({"events": events, "times": (1e9 + 3_600 * i + np.arange(len(events))).tolist(), "label": 0})
    order = draw.permutation(len(rows))
    return write_table(tmp_path_factory.mktemp("drift") / "drift.jsonl", [rows[i] for i in order])


def test_drift_is_said_measured_and_answered_with_a_stricter_threshold(drifting, tmp_path, heard):
    model = Detector(members=["counting"]).fit(drifting, out=tmp_path / "run", report=heard)
    assert any("normal behaviour drifts; the threshold is set" in line for line in heard.notes)
    recent = model.result.metrics["recent"]
    assert recent["fpr"] == pytest.approx(0.5, abs=0.12)
    assert recent["normal"] == 108
    assert recent["stricter"]
    table = model.open(drifting).folds[-1].held_out
    flagged = model.scores(table).flagged
    assert flagged[model.open(drifting).recent].mean() <= 0.02
    again = Detector.load(model.run)
    assert again.drift.fpr_interval == pytest.approx(model.drift.fpr_interval)
    assert (again.drift.normal, again.drift.stricter) == (108, True)
    assert np.array_equal(again.scores(table).ensemble.p_value, model.scores(table).ensemble.p_value)
