import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from trine.detect.evaluation import share_interval
from trine.detect.scoring import Ensemble, fuse
from trine.detect.surprisal import EncodedTable


def encoded(*sequences):
    lengths = [len(sequence) for sequence in sequences]
    return EncodedTable(
        {"event": np.concatenate(sequences).astype(np.int64)}, np.concatenate([[0], np.cumsum(lengths)])
    )


def test_lengths_are_told_apart_where_ten_of_each_may_be_flagged():
    draw = np.random.default_rng(0)
    table = encoded(*draw.integers(2, 9, (1_000, 3)), *draw.integers(2, 9, (1_000, 9)))
    for share, buckets in ((0.05, 2), (0.01, 2), (0.009, 1), (0.001, 1)):
        panel = Ensemble(("lstm",), 1, share).panels[0]
        panel.fit(table, table, draw.exponential(size=12_000))
        again = Ensemble(("lstm",), 1, share).panels[0]
        again.load_tensors(panel.tensors())
        assert len(panel.reference.edges) == len(again.reference.edges) == buckets - 1


@given(arrays(float, (7, 3), elements=st.floats(1e-300, 1)))
def test_the_fused_score_rises_with_each_members_surprise(p):
    assert (fuse(p / 2) > fuse(p)).all()


def calibrated(raw_of_folds, members=("lstm", "counts")):
    """An ensemble whose panels were calibrated on these scores of held-out sequences."""
    ensemble = Ensemble(members, len(raw_of_folds), 0.01)
    for panel, raw in zip(ensemble.panels, raw_of_folds, strict=True):
        panel.calibrate(raw, np.ones(len(raw), np.int64))
    return ensemble


def judged_p(ensemble, raw_of_folds, monkeypatch):
    for panel, raw in zip(ensemble.panels, raw_of_folds, strict=True):
        monkeypatch.setattr(panel, "raw", lambda *_, raw=raw: raw)
    return ensemble.judge(encoded(*[[2]] * len(raw_of_folds[0])), [np.zeros(1)] * len(raw_of_folds)).p_value


def test_exchangeable_sequences_are_flagged_as_often_as_asked(monkeypatch):
    """Each target is within the realised rate's interval, or the rate is below it: over cuts of one population."""
    draw, misses = np.random.default_rng(0), 0
    for _ in range(20):
        held_out = [draw.normal(size=(500, 2)) for _ in range(4)]
        new = draw.normal(size=(4_000, 2))
        p = judged_p(calibrated(held_out), [new] * 4, monkeypatch)
        assert p.min() > 0
        for target in (0.01, 0.05, 0.2):
            misses += share_interval(int((p <= target).sum()), len(p))[0] > target
    assert misses <= 9, "calibration of 2,000 sequences has a spread of its own"


def test_the_mean_of_the_realised_rates_is_the_target(monkeypatch):
    draw = np.random.default_rng(1)
    rates = []
    for _ in range(100):
        held_out, new = [draw.exponential(size=(200, 2)) for _ in range(2)], draw.exponential(size=(1_000, 2))
        rates.append((judged_p(calibrated(held_out), [new] * 2, monkeypatch) <= 0.05).mean())
    assert 0.04 < np.mean(rates) < 0.06


def test_what_all_but_one_normal_sequence_score_is_never_flagged(monkeypatch):
    """Such as no unseen pair of events, whatever the number of held-out sequences."""
    for count in (20, 333, 516):
        held_out = np.zeros((count, 1))
        held_out[0] = 0.25
        p = judged_p(calibrated([held_out, held_out]), [np.zeros((3, 1))] * 2, monkeypatch)
        assert (p == 1).all()


def test_a_sequence_stranger_than_all_has_the_least_p_value_that_so_many_can_show(monkeypatch):
    held_out = [np.random.default_rng(i).normal(size=(50, 2)) for i in range(2)]
    p = judged_p(calibrated(held_out), [np.full((1, 2), 1e6)] * 2, monkeypatch)
    assert p.tolist() == [1 / 101]


def test_two_surprised_members_outweigh_one_and_one_overwhelmed_comes_through():
    both, one, overwhelmed, typical = fuse(np.array([[0.01, 0.01], [1e-3, 0.9], [1e-12, 0.9], [0.5, 0.5]]))
    assert overwhelmed > both > one > typical


@pytest.mark.parametrize(
    "members", [("lstm",), ("counts", "lstm"), ("lstm", "counts", "length", "ngrams", "either", "unseen")]
)
def test_tensors_give_the_same_judgement(members):
    draw = np.random.default_rng(0)
    tables = [encoded(*draw.integers(2, 9, (30, 8))) for _ in range(3)]
    ensemble = Ensemble(members, 2, 0.01)
    for panel in ensemble.panels:
        panel.fit(tables[0], tables[1], draw.exponential(size=240))
    again = Ensemble(members, 2, 0.01)
    again.load_tensors(ensemble.tensors())
    surprisal = [draw.exponential(size=240)] * 2
    before, after = (one.judge(tables[2], surprisal) for one in (ensemble, again))
    assert np.array_equal(before.p_value, after.p_value)
    assert np.array_equal(before.raw, after.raw)
    assert np.array_equal(before.member_p, after.member_p)
