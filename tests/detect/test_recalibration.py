"""Other normal data set the p-values; the networks stay as they are."""

from dataclasses import replace

import numpy as np
import pytest

from tests.detect.conftest import SMALL, WITH_NETWORK, normal_runs, spliced, write_table
from trine.detect.detector import Detector
from trine.detect.recalibration import Judged, Rates, normal_of, recalibrated
from trine.errors import DataError
from trine.sequences.table import SequenceTable


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("recalibration")


@pytest.fixture(scope="module")
def trained(folder):
    return write_table(folder / "train.jsonl", [{"events": events} for events in normal_runs(300, 0)])


@pytest.fixture(scope="module")
def detector(folder, trained):
    settings = {**SMALL, "false_alarms": 0.05}
    return Detector(seed=0, members=WITH_NETWORK, **settings).fit(trained, out=folder / "run", test=False)


@pytest.fixture(scope="module")
def changed(folder):
    return write_table(folder / "changed.jsonl", [{"events": events} for events in changed_runs(400, 1)])


def changed_runs(count, seed):
    """Runs of a system that has changed: a tenth of them now do what was strange at first."""
    return [spliced(events) if i % 10 == 0 else events for i, events in enumerate(normal_runs(count, seed))]


def test_false_alarms_come_back_to_the_target_where_the_system_has_changed(detector, changed, folder):
    new = recalibrated(detector, changed)
    assert (new.sequences, new.tested, new.left_out) == (360, 40, 0)
    assert new.before.whole.share > 0.05
    later = write_table(folder / "later.jsonl", [{"events": events} for events in changed_runs(400, 2)])
    before, after = (Rates.of(each, detector.read(later)) for each in (detector, new.detector))
    assert before.whole.interval[0] > 0.05
    assert before.going.interval[0] > 0.05
    assert after.whole.interval[0] <= 0.05
    assert after.going.interval[0] <= 0.05


def test_the_networks_stay_and_the_calibration_is_that_of_new_sequences(detector, changed):
    new = recalibrated(detector, changed).detector
    for name, values in detector.arrays().items():
        if name.startswith("network."):
            assert np.array_equal(values, new.arrays()[name])
    assert new.ensemble.calibrated_on == 360
    assert new.data["name"] == detector.data["name"]
    assert new.data["calibrated"]["name"] == "changed.jsonl"


def test_the_data_of_the_training_gives_the_calibration_of_the_training(detector, trained):
    again, arrays = recalibrated(detector, trained).detector.arrays(), detector.arrays()
    assert again.keys() == arrays.keys()
    for name, values in arrays.items():
        assert again[name] == pytest.approx(values, abs=1e-4)


def test_a_detector_of_an_earlier_version_can_judge_sessions_that_go_on_then(detector, changed):
    former = detector.replaced(running=None)
    new = recalibrated(former, changed)
    assert new.before.going is None
    assert new.detector.running is not None


def test_what_is_saved_is_loaded_again(detector, changed, tmp_path):
    new = recalibrated(detector, changed).detector
    new.save(tmp_path / "model")
    table = detector.read(changed)
    loaded = Detector.load(tmp_path / "model")
    assert loaded.scores(table).ensemble.p_value == pytest.approx(new.scores(table).ensemble.p_value)


def test_too_few_sequences_are_refused(detector, folder):
    few = write_table(folder / "few.jsonl", [{"events": events} for events in normal_runs(1, 1)])
    with pytest.raises(DataError, match=r"few\.jsonl|few: 1 normal sequence"):
        recalibrated(detector, few)


def sessions(*owners_and_times: tuple[str, float, float]) -> SequenceTable:
    """Sessions of two events."""
    table = SequenceTable(
        name="log",
        fingerprint="",
        events=np.zeros(2 * len(owners_and_times), np.int32),
        offsets=np.arange(0, 2 * len(owners_and_times) + 1, 2),
        vocabulary=("open",),
        names=np.array([owner for owner, _, _ in owners_and_times], object),
        kinds=np.array([""] * len(owners_and_times), object),
        labels=np.full(len(owners_and_times), -1, np.int8),
        splits=np.array([""] * len(owners_and_times), object),
        times=np.array([time for _, *times in owners_and_times for time in times], float),
    )
    return replace(table, owners=table.names)


def test_sessions_with_a_finding_count_as_normal_if_it_or_its_entity_was_judged_benign():
    table = sessions(
        ("ann", 0, 9),
        ("ann", 100, 109),
        ("bob", 0, 9),
        ("bob", 100, 109),
        ("bob", 200, 209),
        ("eve", 0, 9),
        ("joe", 0, 9),
    )
    judged = [
        Judged("ann", 0, 9, "benign"),
        Judged("ann", 100, 109, None),  # ann's other finding was benign
        Judged("bob", 0, 9, "breach"),
        Judged("bob", 100, 109, "benign"),
        Judged("bob", 200, 209, None),  # one of bob's findings was a breach
        Judged("eve", 0, 9, None),  # nobody has looked at it
        Judged("joe", 500, 509, "breach"),  # another session of joe
    ]
    assert normal_of(table, judged).tolist() == [True, True, False, True, False, False, True]


def test_a_finding_without_times_is_about_every_session_of_its_entity():
    table = sessions(("ann", 0, 9), ("bob", 0, 9))
    assert normal_of(table, [Judged("ann", None, None, "breach")]).tolist() == [False, True]
