import pytest

from tests.detect.conftest import normal_runs, spliced, write_table
from trine.detect.detector import Detector
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
