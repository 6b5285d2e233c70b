import numpy as np
import pytest

from tests.detect.conftest import normal_runs, spliced, write_table
from trine.detect.detector import Detector
from trine.detect.explain import explain
from trine.detect.gates import draw_gates
from trine.detect.recipe import COUNTING_MEMBERS
from trine.detect.training import DetectorTrainer
from trine.errors import UsageError

TINY = {"hidden": 4, "embedding": 4, "epochs": 1, "least_steps": 1, "steps": 8, "folds": 1}


def test_abnormal_training_rows_are_left_out_and_counted(tmp_path, heard):
    rows = [{"events": ["open", "read"] * 3, "label": label} for label in (0, 1, 0, 1, 1, 0)]
    path = write_table(tmp_path / "mixed.jsonl", rows)
    model = Detector(**TINY).fit(path, out=tmp_path / "run", report=heard)
    assert "3 abnormal sequences among the training rows are left out" in heard.notes
    assert model.data["splits"]["left_out"] == 3
    assert any("nothing will be flagged" in line for line in heard.notes), "two sequences cannot show 1 %"


def test_alerts_per_day_become_a_share_by_the_days_of_the_data(make_detector, timed_table):
    model = make_detector(timed_table, alerts_per_day=5, epochs=1, folds=1)
    assert model.share == pytest.approx(5 * 2 / 40, rel=0.05), "two days, 40 sequences"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"alerts_per_day": 5}, "needs event times"),
        ({"attributes": ["time"]}, "attributes time"),
        ({"attributes": ["process"]}, "attributes process"),
        ({"attributes": ["event"]}, "attributes event"),
    ],
)
def test_settings_that_need_columns_which_the_table_lacks_are_refused_before_the_training(
    programs, tmp_path, settings, message
):
    with pytest.raises(UsageError, match=message):
        Detector(**settings).fit(programs, out=tmp_path / "run")
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_the_network_alone_can_be_the_ensemble(make_detector, programs):
    model = make_detector(programs, members=["network"], cell="gru", epochs=8, false_alarms=0.05)
    assert {*model.result.metrics["per_member"]} == {"network"}
    assert model.result.metrics["auc"] > 0.95


def test_without_a_test_split_false_alarms_are_measured_on_sequences_set_apart(make_detector, tmp_path):
    rows = [{"events": run, "label": 0} for run in normal_runs(220, 0)]
    odd = [{"events": spliced(run), "label": 1} for run in normal_runs(12, 2)]
    path = write_table(tmp_path / "mixed.jsonl", [*rows, *odd])
    model = make_detector(path, epochs=6)
    result = model.result
    assert (result.data.split, result.metrics["normal"], result.metrics["abnormal"]) == ("test", 22, 12)
    assert result.metrics["fpr_interval"][0] <= 0.01
    assert result.metrics["auc"] > 0.95
    assert Detector.load(model.run).evaluate(path).metrics["auc"] == result.metrics["auc"]


def test_a_second_fit_forgets_the_templates_of_the_first_log(tmp_path):
    logs = []
    for name, words in (("first", ("started", "stopped")), ("second", ("mounted disk", "ejected disk"))):
        path = tmp_path / f"{name}.log"
        path.write_text("".join(f"Jan  1 00:{i:02}:00 host app[{i // 4}]: {words[i % 2]}\n" for i in range(40)))
        logs.append(path)
    model = Detector(**TINY)
    for i, path in enumerate(logs):
        model.fit(path, out=tmp_path / f"run{i}")
    assert any("mounted" in word for word in model.vocabulary.values["event"])
    assert not any("started" in word for word in model.vocabulary.values["event"])
    assert "mounted" in model.templates
    assert "started" not in model.templates


def test_the_trainer_returns_what_fit_becomes(programs, tmp_path):
    untrained = Detector(**TINY)
    trained = DetectorTrainer(untrained.recipe, "cpu").fit(programs, out=tmp_path / "trainer")
    assert not hasattr(untrained, "networks"), "a trainer changes no model"
    assert untrained.fit(programs, out=tmp_path / "fit", device="cpu") is untrained
    assert untrained.score(programs) == trained.score(programs)
    assert trained.run == tmp_path / "trainer"


def test_networks_are_calibrated_and_saved_in_evaluation_mode(detector):
    assert not any(module.training for module in detector.networks.modules())
    assert not any(module.training for module in Detector.load(detector.run).networks.modules())


@pytest.fixture(scope="module")
def counting(programs, tmp_path_factory):
    return Detector(members=["counting"], false_alarms=0.05).fit(programs, out=tmp_path_factory.mktemp("c") / "run")


def test_without_a_member_that_reads_a_network_none_is_trained(counting, programs):
    assert len(counting.networks) == 0
    assert counting.result.compute.steps == 0
    assert not (counting.run / "metrics.jsonl").exists()
    assert counting.ensemble.names == COUNTING_MEMBERS
    assert counting.result.metrics["auc"] > 0.99
    assert counting.result.metrics["recall"] == 1.0
    again = Detector.load(counting.run)
    assert not any("network" in name for name in again.arrays())
    assert again.score(programs) == counting.score(programs)
    assert again.evaluate(programs, split="validation").metrics["mean_surprisal"] < 1


def test_a_detector_without_a_network_explains_with_n_grams(counting, programs):
    test = counting.read(programs).split("test")
    odd = test.rows(np.flatnonzero(test.labels == 1)[:1])
    (explanation,) = explain(counting, odd)
    strange = max(explanation.events, key=lambda event: event.surprisal)
    assert strange.event in {"ptrace", "recv", "fork", "open"}
    assert explanation.events[2].expected[0][1] > 0.3
    with pytest.raises(UsageError, match="has no network"):
        draw_gates(counting, odd)
    with pytest.raises(UsageError, match="has no network"):
        counting.step([None], ["open"])


def test_a_fit_without_a_network_resumes_and_has_a_budget(programs, tmp_path):
    out = tmp_path / "run"
    first = Detector(members=["counting"]).fit(programs, out=out, minutes=1)
    assert Detector(members=["counting"]).fit(programs, out=out, minutes=1, resume=True).share == first.share


def test_a_network_that_predicts_worse_than_counting_is_left_out_of_the_score_and_that_is_said(
    programs, tmp_path, heard
):
    model = Detector(**TINY).fit(programs, out=tmp_path / "run", report=heard)
    assert any("the network does not pay" in line for line in heard.notes)
    assert model.ensemble.names == COUNTING_MEMBERS
    assert Detector.load(model.run).ensemble.names == COUNTING_MEMBERS
    assert len(model.step([None], ["open"])[0]) == 1, "the network is kept"


def test_attributes_are_part_of_the_score(make_detector, timed_table):
    model = make_detector(timed_table, attributes=["time", "process", "hour"], epochs=2, folds=1)
    assert model.ensemble.names[-2:] == ("attributes", "attribute_excess")
    surprisal = model.surprisal(model.read(timed_table))
    assert list(surprisal) == ["event", "time", "process", "hour"]
    again = Detector.load(model.run)
    assert again.score(timed_table) == model.score(timed_table)


def test_members_of_attributes_need_attributes(programs, tmp_path):
    with pytest.raises(UsageError, match="--set attributes"):
        Detector(members=["attributes"]).fit(programs, out=tmp_path / "run")


def test_a_session_of_thousands_of_new_events_is_flagged_at_one_in_a_thousand(tmp_path):
    """Normal sessions are short, but for a few long ones of known requests; some have a request of their own."""
    draw = np.random.default_rng(0)

    def visit(index):
        pages = [f"GET /{page} 200" for page in draw.integers(0, 40, int(draw.integers(3, 30)))]
        if index % 100 == 0:
            pages = ["GET /file 206"] * int(draw.integers(500, 5_000))
        return [*pages, f"GET /own/{index} 404"] if index % 10 == 0 else pages

    rows = [{"events": visit(i), "split": "train", "label": 0} for i in range(3_000)]
    scans = [[f"GET /admin{i}.php 404" for i in range(count)] for count in (500, 7_178)]
    scans.append([*visit(1), *(f"GET /x{i} 404" for i in range(6_152))])
    rows += [{"events": events, "split": "test", "label": 1} for events in scans]
    rows += [{"events": visit(i), "split": "test", "label": 0} for i in range(3_000, 3_200)]
    model = Detector(members=["counting"], false_alarms=0.001).fit(
        write_table(tmp_path / "web.jsonl", rows), out=tmp_path / "run"
    )
    assert model.result.metrics["recall"] == 1.0
    assert model.result.metrics["fpr_realised"] <= 0.01
