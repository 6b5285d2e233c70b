from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import numpy as np
import pytest

from tests.detect.conftest import WITH_NETWORK, write_log
from trine import bundle
from trine.detect.detector import Detector
from trine.detect.recipe import DetectRecipe
from trine.errors import BundleError, DataError, UsageError
from trine.measures.shares import share_interval

THREADS = 8


@pytest.fixture(scope="module")
def saved(detector, tmp_path_factory):
    """The bundle of the small detector."""
    folder = tmp_path_factory.mktemp("saved") / "bundle"
    detector.save(folder)
    return folder


@pytest.fixture(scope="module")
def log_detector(make_detector, tmp_path_factory):
    """A detector that learned from a raw log, loaded from its bundle."""
    log = write_log(tmp_path_factory.mktemp("log") / "auth.log")
    return Detector.load(make_detector(log, epochs=2, false_alarms=0.2).run)


@pytest.fixture(scope="module")
def second_log(tmp_path_factory):
    """A log with a line whose template was never learned."""
    path = tmp_path_factory.mktemp("second") / "second.log"
    return write_log(path, 3, foreign="kernel module evil loaded by nobody at all")


def at_once(call):
    """What `call(0)` … `call(7)` return when eight threads begin them together."""
    barrier = Barrier(THREADS)

    def run(index):
        barrier.wait()
        return call(index)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


# ---- findings


def test_spliced_runs_are_flagged_and_new_normal_ones_are_not(detector):
    metrics = detector.result.metrics
    assert metrics["auc"] > 0.99
    assert metrics["recall"] == 1.0
    assert metrics["per_kind"]["splice"]["n"] == 20
    low, high = share_interval(round(metrics["fpr_realised"] * 60), 60)
    assert list(metrics["fpr_interval"]) == pytest.approx([low, high], abs=1e-3)
    assert low <= metrics["fpr_target"] == 0.05
    assert {*metrics["per_member"]} == {"network", *WITH_NETWORK}
    assert metrics["per_member"]["network"]["auc"] > 0.95


def test_every_finding_has_each_members_p_value_and_the_loudest_member(detector, programs):
    findings = detector.score(programs)
    assert len(findings) == 200
    for finding in findings:
        assert 0 < finding.p_value <= 1
        assert all(0 < p <= 1 for p in finding.members.values())
        assert finding.loudest == min(finding.members, key=finding.members.__getitem__)
        assert finding.flagged == (finding.p_value <= detector.share)


def test_an_open_table_is_scored_like_its_file(detector, programs):
    assert detector.score(detector.read(programs)) == detector.score(programs)


def test_an_event_never_seen_in_training_is_surprising_but_finite(detector, make_table):
    surprisal = detector.scores(make_table(["open", "read", "martian", "close"])).surprisal
    assert np.isfinite(surprisal).all()
    assert surprisal[2] > 3


def test_the_strangest_sequences_have_the_smallest_p_values_strangest_first(detector, programs):
    table = detector.read(programs).split("test")
    p = {finding.name: finding.p_value for finding in detector.score(table)}
    ranked = [p[name] for name in detector.strangest(table, 30).names]
    assert ranked == sorted(p.values())[:30]
    assert set(detector.strangest(table, 5).kinds) == {"splice"}


def test_equally_strange_sequences_keep_their_order(detector, make_table):
    table = make_table(["open", "close"], ["ptrace"] * 9, ["ptrace"] * 9, name=["usual", "first", "second"])
    assert detector.strangest(table, 2).names.tolist() == ["first", "second"]


def test_no_more_sequences_are_the_strangest_than_there_are(detector, make_table):
    assert len(detector.strangest(make_table("ab", "cd"), 7)) == 2


# ---- event by event


def test_steps_give_the_surprisal_of_whole_sequences(detector, programs):
    table = detector.read(programs).split("test").rows(np.array([0, 70]))
    whole = np.split(detector.scores(table).surprisal, table.offsets[1:-1])
    for i, expected in enumerate(whole):
        state, stepped = None, []
        for code in table.sequence(i):
            (state,), (value,) = detector.step([state], [table.vocabulary[code]])
            stepped.append(value)
        assert np.allclose(stepped, expected, atol=1e-5)


def test_steps_with_times_and_attributes_give_the_surprisal_of_whole_sequences(make_detector, timed_table):
    model = make_detector(timed_table, attributes=["time", "process"], epochs=3)
    assert set(model.vocabulary.values) == {"event", "time", "process"}
    table = model.read(timed_table)
    expected = model.scores(table.rows(np.array([4]))).surprisal
    times, process = table.times[table.offsets[4] : table.offsets[5]], table.attributes["process"]
    state, stepped = None, []
    for i, code in enumerate(table.sequence(4)):
        gap = "" if i == 0 else repr(float(times[i] - times[i - 1]))
        name = process.values[process.codes[table.offsets[4] + i]]
        (state,), (value,) = model.step([state], [table.vocabulary[code]], time=[gap], process=[name])
        stepped.append(value)
    assert np.allclose(stepped, expected, atol=1e-5)


# ---- a model does not change


def test_settings_beside_a_recipe_are_wrong_use():
    with pytest.raises(UsageError, match="cell: the recipe has its own"):
        Detector(recipe=DetectRecipe(), cell="gru")
    with pytest.raises(UsageError, match="effort, hidden: the recipe has its own"):
        Detector("good", recipe=DetectRecipe(), hidden=8)


def test_an_attribute_cannot_be_set_and_replaced_gives_a_copy(detector):
    with pytest.raises(AttributeError, match="share cannot be set"):
        detector.share = 0.5
    assert (detector.replaced(share=0.5).share, detector.share) == (0.5, 0.05)


def test_eight_threads_find_in_tables_what_one_finds(saved, programs):
    model = Detector.load(saved)
    tables = [model.read(programs).split(split) for split in ("train", "test")]
    alone = [model.score(table) for table in tables]
    fresh = Detector.load(saved)
    for index, findings in enumerate(at_once(lambda i: fresh.score(tables[i % 2]))):
        assert findings == alone[index % 2]


def test_eight_threads_find_in_raw_logs_what_one_finds(log_detector, second_log, tmp_path):
    logs = [second_log, write_log(tmp_path / "third.log", 9)]
    alone = [log_detector.score(log) for log in logs]
    assert [finding.flagged for finding in alone[0]] == [True, False, False]
    for index, findings in enumerate(at_once(lambda i: log_detector.score(logs[i % 2]))):
        assert findings == alone[index % 2]


def test_eight_threads_read_a_log_alike_and_the_detector_learns_no_template(log_detector, second_log):
    templates, alone = log_detector.templates, log_detector.read(second_log)
    for table in at_once(lambda _: log_detector.read(second_log)):
        assert table.fingerprint == alone.fingerprint
        assert table.vocabulary == alone.vocabulary
        assert np.array_equal(table.events, alone.events)
    assert log_detector.templates == templates
    assert "evil" not in templates


# ---- saved and loaded


def test_a_loaded_detector_gives_the_same_findings(detector, saved, programs):
    again = Detector.load(saved)
    assert again.score(programs) == detector.score(programs)
    assert again.share == detector.share
    state, _ = detector.step([None], ["open"])
    assert again.step(state, ["read"]) == detector.step(state, ["read"])


def test_a_loaded_detector_reads_a_log_as_the_trained_one(make_detector, tmp_path):
    log = write_log(tmp_path / "auth.log")
    trained = make_detector(log, epochs=1)
    assert Detector.load(trained.run).read(log).fingerprint == trained.read(log).fingerprint


def test_a_bundle_with_the_former_name_of_the_network_is_read(make_detector, programs, tmp_path):
    model = make_detector(programs, members=["network", "counts"], epochs=1)
    manifest, arrays = bundle.read(model.run)
    former = replace(manifest, recipe={**manifest.recipe, "members": ["lstm", "counts"]})
    bundle.save(tmp_path / "former", former, arrays, "card")
    assert Detector.load(tmp_path / "former").score(programs) == model.score(programs)


def test_a_bundle_of_another_task_is_refused(saved):
    from trine import Classifier

    with pytest.raises(BundleError, match="a model for detect, not for classify"):
        Classifier.load(saved)


# ---- evaluation


def test_another_table_is_evaluated_as_a_whole(detector, make_table, tmp_path):
    loop = ["open", "read", "read", "close"] * 5
    make_table(loop, ["ptrace"] * 9, ["exec", "recv", "ptrace"] * 4, label=[0, 1, 1])
    result = detector.evaluate(tmp_path / "table.jsonl")
    assert (result.data.split, result.data.n) == ("all", 3)
    assert result.metrics["normal"] == 1
    assert result.metrics["recall"] == 1.0


def test_the_training_data_is_evaluated_as_after_the_training(detector, programs):
    again = detector.evaluate(programs)
    speed = "events_per_second"
    assert {**again.metrics, speed: 0} == {**detector.result.metrics, speed: 0}
    with pytest.raises(DataError, match="no split 'moon'"):
        detector.evaluate(programs, split="moon")


def test_the_sequences_that_set_the_threshold_measure_no_false_alarms(detector, programs):
    result = detector.evaluate(programs, split="validation")
    assert result.data.n == 120, "all sequences on which a network was calibrated"
    assert 0 < result.metrics["mean_surprisal"] < 3
    assert not {"fpr_realised", "auc"} & {*result.metrics}
