import numpy as np
import pytest

from tests.detect.conftest import SMALL, WITH_NETWORK, normal_runs, spliced, write_table
from trine.detect.detector import Detector
from trine.errors import UsageError
from trine.live.judge import Judge
from trine.sequences.vocabulary import EncodedTable


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    folder = tmp_path_factory.mktemp("judge")
    rows = [{"events": events} for events in normal_runs(300, 0)]
    table = write_table(folder / "train.jsonl", rows)
    return Detector(seed=0, members=WITH_NETWORK, **SMALL).fit(table, out=folder / "run", test=False)


@pytest.fixture(scope="module")
def table(detector, tmp_path_factory):
    rows = [{"events": events} for events in normal_runs(40, 1)]
    rows += [{"events": spliced(events)} for events in normal_runs(20, 2)]
    return detector.read(write_table(tmp_path_factory.mktemp("new") / "new.jsonl", rows))


def judged(detector, encoded, seed, capacity=4, moved=False):
    """p-values of a table's sequences before and after their ends, given to a judge in random pieces."""
    draw, judge = np.random.default_rng(seed), Judge(detector, capacity)
    places, left = judge.begin(len(encoded)), [codes.tolist() for codes in encoded.codes]
    while any(left):
        chosen = [i for i in range(len(left)) if left[i] and draw.random() < 0.6]
        pieces = [left[i][: int(draw.integers(1, 9))] for i in chosen]
        for i, piece in zip(chosen, pieces, strict=True):
            del left[i][: len(piece)]
        if chosen:
            offsets = np.cumsum([0, *map(len, pieces)])
            judge.add(places[chosen], offsets, {"event": np.concatenate(pieces).astype(np.int64)})
        if moved:
            packed = judge.packed(places)
            judge = Judge(detector, capacity)
            places = judge.begin(len(encoded))[::-1].copy()
            for place, numbers in zip(places.tolist(), packed, strict=True):
                judge.unpacked(place, numbers)
    return judge.p_values(places), judge.p_values_of_ended(places)


@pytest.mark.parametrize(("seed", "moved"), [(0, False), (1, False), (2, True)])
def test_pieces_of_sessions_have_the_p_values_of_whole_ones(detector, table, seed, moved):
    encoded = EncodedTable.of(table, detector.vocabulary)
    read = zip(detector.ensemble.panels, detector.network_surprisal(encoded), strict=True)
    evidence = [panel.evidence(encoded, columns) for panel, columns in read]
    going_on, ended = judged(detector, encoded, seed, moved=moved)
    assert going_on == pytest.approx(detector.running.judged(evidence, ended=False))
    assert ended == pytest.approx(detector.running.judged(evidence))
    assert ended[40:].mean() < 0.2 < ended[:40].mean()


def test_the_surprisal_of_events_is_that_of_whole_sequences(detector, table):
    encoded = EncodedTable.of(table, detector.vocabulary)
    judge = Judge(detector)
    _, nats, _ = judge.add(
        judge.begin(len(encoded)), encoded.offsets, {"event": encoded.columns["event"].astype(np.int64)}
    )
    assert nats == pytest.approx(detector.surprisal(table)["event"], abs=1e-4)


@pytest.mark.parametrize("logits", [1, 100, 1_000])
def test_blocks_of_any_size_give_the_same_surprisal(detector, table, logits, monkeypatch):
    encoded = EncodedTable.of(table, detector.vocabulary)
    columns = {"event": encoded.columns["event"].astype(np.int64)}
    judges = [Judge(detector) for _ in range(2)]
    whole = judges[0].add(judges[0].begin(len(encoded)), encoded.offsets, columns)[1]
    monkeypatch.setattr("trine.live.judge.LOGITS", logits)
    monkeypatch.setattr("trine.live.judge.TOGETHER", 3)
    in_blocks = judges[1].add(judges[1].begin(len(encoded)), encoded.offsets, columns)[1]
    assert in_blocks == pytest.approx(whole, abs=1e-4)
    assert judges[1].states == pytest.approx(judges[0].states, abs=1e-4)


def test_a_place_that_was_given_back_is_as_new(detector, table):
    encoded = EncodedTable.of(table, detector.vocabulary)
    judge = Judge(detector, 1)
    alone = []
    for codes in encoded.codes[:5]:
        place = judge.begin(1)
        alone.append(judge.add(place, np.array([0, len(codes)]), {"event": codes.astype(np.int64)})[0][0])
        judge.free(place)
    assert alone == pytest.approx(judged(detector, encoded, 0)[0][:5])


def test_a_detector_of_an_earlier_version_is_refused(detector):
    with pytest.raises(UsageError, match=r"train it again, or .* `trine detect recalibrate`"):
        Judge(detector.replaced(running=None))


def test_a_detector_without_a_network_judges_too(detector, table, tmp_path):
    rows = write_table(tmp_path / "train.jsonl", [{"events": events} for events in normal_runs(300, 0)])
    counting = Detector(seed=0, members=("ngrams", "unseen", "size"), **SMALL).fit(
        rows, out=tmp_path / "run", test=False
    )
    encoded = EncodedTable.of(table, counting.vocabulary)
    evidence = [panel.evidence(encoded, {}) for panel in counting.ensemble.panels]
    assert judged(counting, encoded, 0)[1] == pytest.approx(counting.running.judged(evidence))
