import numpy as np
import pytest

from tests.detect.conftest import WITH_NETWORK, write_log
from tests.runtime.conftest import EVENTS
from trine import Detector, runtime
from trine.errors import UsageError


@pytest.fixture(scope="module")
def exported(detector):
    return runtime.load(detector)


def assert_same_scores(exported, full, data):
    table = full.read(data)
    assert full.ensemble.reads_network
    found, expected = exported.scores(exported.read(data)), full.scores(table)
    assert len(found.flagged) == len(table) > 0
    assert np.array_equal(found.flagged, expected.flagged)
    assert found.surprisal == pytest.approx(expected.surprisal, abs=1e-4)
    assert found.ensemble.p_value == pytest.approx(expected.ensemble.p_value, abs=1e-6)
    assert found.ensemble.member_p == pytest.approx(expected.ensemble.member_p, abs=1e-3)
    assert found.ensemble.raw == pytest.approx(expected.ensemble.raw, abs=1e-4)
    assert found.ensemble.surprisal.keys() == expected.ensemble.surprisal.keys()


def test_a_table_has_the_scores_and_alerts_of_the_full_package(exported, full, detector, table):
    assert_same_scores(exported, full(detector), table)
    findings, expected = exported.score(table), full(detector).score(table)
    assert [(each.name, each.flagged, each.length, each.never_seen) for each in findings] == [
        (each.name, each.flagged, each.length, each.never_seen) for each in expected
    ]
    assert any(each.flagged for each in findings)
    assert not all(each.flagged for each in findings)


@pytest.mark.long
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_every_cell_with_times_and_attributes_has_the_same_scores(make_exported, full, make_timed, cell):
    settings = {**EVENTS, "epochs": 1, "attributes": ["time", "process"], "members": WITH_NETWORK}
    folder = make_exported(Detector(**settings, cell=cell), make_timed(0))
    assert_same_scores(runtime.load(folder), full(folder), make_timed(1))


def test_a_raw_log_is_read_and_scored_as_by_the_full_package(log_detector, full, tmp_path):
    exported, whole = runtime.load(log_detector), full(log_detector)
    other = write_log(tmp_path / "other.log", 6, foreign="kernel module evil loaded by nobody at all")
    assert_same_scores(exported, whole, other)
    assert exported.read(other).fingerprint == whole.read(other).fingerprint
    assert [each.entity for each in exported.score(other)] == [each.entity for each in whole.score(other)]
    assert exported.remarks(exported.open_log(other)) == whole.remarks(whole.open_log(other))


def test_a_detector_that_only_counts_needs_no_graph(make_exported, full, table):
    folder = make_exported(Detector(**EVENTS, members=["counting"]), table)
    exported = runtime.load(folder)
    assert not list(folder.glob("*.onnx"))
    assert exported.score(table) == full(folder).score(table)
    with pytest.raises(UsageError, match="the detector has no network"):
        exported.step([None], ["open"])


def test_long_sequences_in_pieces_have_the_same_surprisal(exported, table, monkeypatch):
    import trine.runtime.detector as module

    whole = exported.scores(exported.read(table)).surprisal
    monkeypatch.setattr(module, "LOGITS", 7 * 13)
    assert exported.scores(exported.read(table)).surprisal == pytest.approx(whole, abs=1e-5)


def test_steps_give_the_surprisal_of_whole_sequences_for_several_entities(exported, table):
    rows = exported.read(table).rows(np.array([0, 1, 70]))
    expected = np.split(exported.scores(rows).surprisal, rows.offsets[1:-1])
    words = [[rows.vocabulary[code] for code in rows.sequence(i)] for i in range(3)]
    states, stepped = [None] * 3, [[], [], []]
    for position in range(max(map(len, words))):
        going = [i for i in range(3) if position < len(words[i])]
        after, nats = exported.step([states[i] for i in going], [words[i][position] for i in going])
        for i, state, value in zip(going, after, nats, strict=True):
            states[i] = state
            stepped[i].append(value)
    for found, surprisal in zip(stepped, expected, strict=True):
        assert found == pytest.approx(surprisal, abs=1e-4)


def test_several_events_at_once_are_the_same_events_one_by_one(exported, full, detector):
    codes = np.array([[3, 4, 5, 3], [4, 4, 3, 1]])
    begun = np.repeat(exported.begun(), 2, 0)
    nats, after = exported.advance(begun, {"event": codes})
    rows = begun
    for i in range(4):
        one, rows = exported.advance(rows, {"event": codes[:, i : i + 1]})
        for of_fold, whole in zip(one, nats, strict=True):
            assert of_fold["event"][:, 0] == pytest.approx(whole["event"][:, i], abs=1e-4)
    assert rows == pytest.approx(after, abs=1e-4)
    expected, expected_after = full(detector).advance(begun, {"event": codes})
    assert after == pytest.approx(expected_after, abs=1e-4)
    for of_fold, whole in zip(nats, expected, strict=True):
        assert of_fold["event"] == pytest.approx(whole["event"], abs=1e-4)


def test_what_was_expected_is_that_of_the_full_package(exported, full, detector):
    begun, codes = np.repeat(exported.begun(), 2, 0), {"event": np.array([[3, 4, 5, 3], [4, 4, 3, 1]])}
    *_, found = exported.advance_with_expected(begun, codes, 1.0)
    *_, expected = full(detector).advance_with_expected(begun, codes, 1.0)
    assert np.array_equal(found.entities, expected.entities)
    assert np.array_equal(found.events, expected.events)
    assert len(found.events) >= 1
    assert found.probabilities == pytest.approx(expected.probabilities, abs=1e-4)
    assert np.array_equal(found.codes[:, 0], expected.codes[:, 0])


def test_a_state_goes_on_in_the_full_package_and_back(exported, full, detector):
    events, (state,) = ["open", "read", "martian", "close", "socket", "open"], [None]
    whole = full(detector)
    expected, found, own = [], [], None
    for i, event in enumerate(events):
        (state,), (value,) = (exported, whole)[i % 2].step([state], [event])
        (own,), (alone,) = whole.step([own], [event])
        found.append(value)
        expected.append(alone)
    assert found == pytest.approx(expected, abs=1e-4)


def test_a_state_of_another_model_and_a_damaged_one_are_refused(exported, log_detector):
    (other,), _ = runtime.load(log_detector).step([None], ["Connection opened"])
    (own,), _ = exported.step([None], ["open"])
    for wrong in (other, own[:-1], own[:-1] + bytes([own[-1] ^ 1]), b"", b"x" * len(own)):
        with pytest.raises(UsageError, match="the state is damaged, or of another model"):
            exported.step([wrong], ["open"])


def test_no_entity_has_no_state_after_and_words_that_do_not_fit_are_wrong_use(exported):
    assert exported.step([], []) == ([], [])
    with pytest.raises(UsageError, match="1 states but 2 values of event"):
        exported.step([None], ["open", "read"])
    with pytest.raises(UsageError, match="the model reads event, not user"):
        exported.step([None], ["open"], user=["root"])
