import json

import numpy as np
import pytest

from trine.detect.detector import Detector
from trine.detect.evaluation import share_interval
from trine.errors import BundleError, DataError, RecipeError, UsageError


def test_spliced_runs_are_flagged_and_new_normal_ones_are_not(detector):
    found = detector.result.metrics
    assert found["auc"] > 0.99
    assert found["recall"] == 1.0
    assert found["per_kind"]["splice"]["n"] == 20
    low, high = share_interval(round(found["fpr_realised"] * 60), 60)
    assert list(found["fpr_interval"]) == pytest.approx([low, high], abs=1e-3)
    assert low <= found["fpr_target"] == 0.05
    assert {*found["per_member"]} == {"lstm", "counts", "either", "unseen"}
    assert found["per_member"]["lstm"]["auc"] > 0.95


def test_steps_give_what_scoring_gives(detector, programs):
    table = detector.read(programs).split("test").rows(np.array([0, 70]))
    scored = np.split(detector.scored(table).surprisal, table.offsets[1:-1])
    for i, expected in enumerate(scored):
        state, found = None, []
        for code in table.sequence(i):
            (state,), (value,) = detector.step([state], [table.vocabulary[code]])
            found.append(value)
        assert np.allclose(found, expected, atol=1e-5)


def test_save_and_load_give_the_same_verdicts(detector, programs, tmp_path):
    detector.save(tmp_path / "kept")
    again = Detector.load(tmp_path / "kept")
    assert again.score(programs) == detector.score(programs)
    assert again.share == detector.share
    state, _ = detector.step([None], ["open"])
    assert again.step(state, ["read"]) == detector.step(state, ["read"])


def test_a_bundle_of_another_task_is_refused(detector, tmp_path):
    from trine import Classifier

    detector.save(tmp_path / "kept")
    with pytest.raises(BundleError, match="a model for detect, not for classify"):
        Classifier.load(tmp_path / "kept")


def test_never_seen_events_are_surprising_but_finite(detector, make_table):
    odd = detector.scored(make_table(["open", "read", "martian", "close"])).surprisal
    assert np.isfinite(odd).all()
    assert odd[2] > 3


def test_every_verdict_says_each_members_p_value_and_the_loudest(detector, programs):
    for verdict in detector.score(programs):
        assert 0 < verdict.p_value <= 1
        assert all(0 < p <= 1 for p in verdict.members.values())
        assert verdict.loudest == min(verdict.members, key=verdict.members.__getitem__)
        assert verdict.flagged == (verdict.p_value <= detector.share)


def test_abnormal_training_rows_are_left_out_and_counted(tmp_path, heard):
    rows = [{"events": ["open", "read"] * 3, "label": label} for label in (0, 1, 0, 1, 1, 0)]
    path = tmp_path / "mixed.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    model = Detector(hidden=4, embedding=4, epochs=1, least_steps=1, steps=8, folds=1).fit(
        path, out=tmp_path / "run", report=heard
    )
    assert "3 abnormal sequences among the training rows are left out" in heard.notes
    assert model.data["splits"]["left_out"] == 3
    assert any("nothing will be flagged" in line for line in heard.notes), "two sequences cannot show 1 %"


def test_attributes_and_times_are_learned_and_scored(make_detector, timed_table):
    model = make_detector(timed_table, attributes=["time", "process"], epochs=3)
    assert set(model.vocabulary.values) == {"event", "time", "process"}
    table = model.read(timed_table)
    expected = model.scored(table.rows(np.array([4]))).surprisal
    times, process = table.times[table.offsets[4] : table.offsets[5]], table.attributes["process"]
    state, found = None, []
    for i, code in enumerate(table.sequence(4)):
        gap = "" if i == 0 else repr(float(times[i] - times[i - 1]))
        who = process.values[process.codes[table.offsets[4] + i]]
        (state,), (value,) = model.step([state], [table.vocabulary[code]], time=[gap], process=[who])
        found.append(value)
    assert np.allclose(found, expected, atol=1e-5)


def test_alerts_a_day_become_a_share_by_the_days_of_the_data(make_detector, timed_table):
    model = make_detector(timed_table, alerts_per_day=5, epochs=1, folds=1)
    assert model.share == pytest.approx(5 * 2 / 40, rel=0.05), "two days, 40 sequences"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"alerts_per_day": 5}, "needs event times"),
        ({"attributes": ["time"]}, "attributes time"),
        ({"attributes": ["process"]}, "attributes process"),
        ({"attributes": ["event"]}, "attributes event"),
    ],
)
def test_what_needs_columns_that_the_table_lacks_is_refused_before_the_training(programs, tmp_path, settings, said):
    with pytest.raises(UsageError, match=said):
        Detector(**settings).fit(programs, out=tmp_path / "run")
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_members_that_there_are_not_are_refused_at_once():
    with pytest.raises(RecipeError, match="members"):
        Detector(members=["lstm", "psychic"])
    with pytest.raises(RecipeError, match="members"):
        Detector(members=[])


def test_the_network_alone_can_be_asked_for(make_detector, programs):
    model = make_detector(programs, members=["lstm"], cell="gru", epochs=8, false_alarms=0.05)
    assert {*model.result.metrics["per_member"]} == {"lstm"}
    assert model.result.metrics["auc"] > 0.95


def test_another_set_is_evaluated_as_a_whole_whatever_it_holds(detector, make_table, tmp_path):
    loop = ["open", "read", "read", "close"] * 5
    make_table(loop, ["ptrace"] * 9, ["exec", "recv", "ptrace"] * 4, label=[0, 1, 1])
    found = detector.evaluate(tmp_path / "table.jsonl")
    assert (found.data.split, found.data.n) == ("all", 3)
    assert found.metrics["normal"] == 1
    assert found.metrics["recall"] == 1.0


def test_the_set_that_was_learned_from_is_evaluated_as_after_the_training(detector, programs):
    again = detector.evaluate(programs)
    speed = "events_per_second"
    assert {**again.metrics, speed: 0} == {**detector.result.metrics, speed: 0}
    with pytest.raises(DataError, match="no split 'moon'"):
        detector.evaluate(programs, split="moon")


def test_the_sequences_that_set_the_threshold_measure_no_false_alarms(detector, programs):
    found = detector.evaluate(programs, split="validation")
    assert found.data.n == 120, "all that some network was calibrated on"
    assert 0 < found.metrics["mean_surprisal"] < 3
    assert not {"fpr_realised", "auc"} & {*found.metrics}


def test_without_a_test_split_the_false_alarms_are_measured_on_sequences_kept_apart(make_detector, tmp_path):
    from tests.detect.conftest import normal_runs, spliced, write_table

    rows = [{"events": run, "label": 0} for run in normal_runs(220, 0)]
    odd = [{"events": spliced(run), "label": 1} for run in normal_runs(12, 2)]
    path = write_table(tmp_path / "mixed.jsonl", [*rows, *odd])
    model = make_detector(path, epochs=6)
    found = model.result
    assert (found.data.split, found.metrics["normal"], found.metrics["abnormal"]) == ("test", 22, 12)
    assert found.metrics["fpr_interval"][0] <= 0.01
    assert found.metrics["auc"] > 0.95
    assert Detector.load(model.run.folder).evaluate(path).metrics["auc"] == found.metrics["auc"]


def test_fitting_again_forgets_the_templates_of_the_log_before(tmp_path):
    logs = []
    for name, words in (("first", ("started", "stopped")), ("second", ("mounted disk", "ejected disk"))):
        path = tmp_path / f"{name}.log"
        path.write_text("".join(f"Jan  1 00:{i:02}:00 host app[{i // 4}]: {words[i % 2]}\n" for i in range(40)))
        logs.append(path)
    model = Detector(hidden=4, embedding=4, epochs=1, least_steps=1, steps=8, folds=1)
    for i, path in enumerate(logs):
        model.fit(path, out=tmp_path / f"run{i}")
    assert any("mounted" in word for word in model.vocabulary.values["event"])
    assert not any("started" in word for word in model.vocabulary.values["event"])


@pytest.fixture(scope="session")
def timed_table(tmp_path_factory):
    """40 sequences over two days, with a time and a process an event."""
    draw, rows = np.random.default_rng(0), []
    for i in range(40):
        length = int(draw.integers(5, 12))
        times = np.sort(i * 2 * 86_400 / 40 + draw.exponential(size=length).cumsum())
        process = ["web" if i % 2 else "job"] * length
        rows.append({"events": (["a", "b", "c"] * 5)[:length], "times": times.tolist(), "process": process})
    path = tmp_path_factory.mktemp("timed") / "timed.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path
