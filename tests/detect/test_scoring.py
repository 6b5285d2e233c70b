import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from trine.detect.metrics import share_interval
from trine.detect.scoring import (
    TAIL,
    Ensemble,
    MeanSurprisal,
    MixtureSurprisal,
    NearestCounts,
    UnseenGrams,
    fuse,
    likeliest_share,
    mixed,
    own_tail_p_values,
    tail_p_values,
)
from trine.detect.surprisal import Encoded

scores = st.integers(2, 60).flatmap(lambda n: arrays(float, n, elements=st.integers(-20, 20).map(float)))


def encoded(*sequences):
    lengths = [len(sequence) for sequence in sequences]
    return Encoded({"event": np.concatenate(sequences).astype(np.int64)}, np.concatenate([[0], np.cumsum(lengths)]))


def column(values):
    return np.asarray(values, float)[:, None]


@given(scores, scores)
def test_p_values_fall_as_scores_rise_and_are_never_nought(reference, new):
    p = tail_p_values(column(np.sort(new)), column(np.sort(reference)))[:, 0]
    assert (np.diff(p) <= 1e-12).all()
    assert ((p > 0) & (p <= 1)).all()


@given(scores)
def test_beyond_all_references_the_tail_keeps_the_order(reference):
    ordered = np.sort(reference)
    spread = max(1e-3, float(ordered[-1] - ordered[0]))
    p = tail_p_values(column(ordered[-1] + spread * np.array([0.1, 1.0, 5.0])), column(ordered))[:, 0]
    if (ordered > np.quantile(ordered, 1 - TAIL)).any():
        assert p[0] > p[1] > p[2]


def test_ranks_below_the_edge_are_conformal_p_values():
    reference = np.arange(100.0)
    p = tail_p_values(column([-1.0, 0.0, 49.5, 50.0, 80.0]), column(reference))[:, 0]
    assert p.tolist() == [1.0, 1.0, 51 / 101, 51 / 101, 21 / 101]


@given(scores, st.integers(0, 10_000))
def test_the_own_p_value_is_the_one_among_the_others(reference, pick):
    """Up to the edge of the tail, which leaving out one sequence moves a little."""
    i = pick % len(reference)
    own = own_tail_p_values(column(reference))[i, 0]
    others = np.sort(np.delete(reference, i))
    if reference[i] <= np.quantile(reference, 1 - 1.5 * TAIL) and len(reference) > 20:
        share = float((reference > np.quantile(reference, 1 - TAIL)).mean())
        assert own == pytest.approx(
            max(tail_p_values(column(reference[i : i + 1]), column(others))[0, 0], share), abs=0.08
        )
    assert 0 < own <= 1


def test_the_own_p_value_is_that_of_leaving_out_by_hand():
    reference = np.random.default_rng(0).exponential(size=400)
    own = own_tail_p_values(column(reference))[:, 0]
    by_hand = [
        tail_p_values(column(reference[i : i + 1]), column(np.sort(np.delete(reference, i))))[0, 0] for i in range(400)
    ]
    assert np.allclose(np.log(own), np.log(by_hand), atol=0.15)
    assert np.abs(own - by_hand).max() < 0.005


@given(arrays(float, (7, 3), elements=st.floats(1e-300, 1)))
def test_the_fused_score_rises_with_each_members_surprise(p):
    assert (fuse(p / 2) > fuse(p)).all()


def calibrated(raw_of_folds, members=("lstm", "counts")):
    """An ensemble whose panels were calibrated on these scores of held-out sequences."""
    ensemble = Ensemble(members, len(raw_of_folds))
    for panel, raw in zip(ensemble.panels, raw_of_folds, strict=True):
        panel.reference = np.sort(raw, 0)
        panel.fused_reference = np.sort(fuse(own_tail_p_values(raw)))
    return ensemble


def judged_p(ensemble, raw_of_folds, monkeypatch):
    for panel, raw in zip(ensemble.panels, raw_of_folds, strict=True):
        monkeypatch.setattr(panel, "raw", lambda *_, raw=raw: raw)
    return ensemble.judge(encoded([2]), [np.zeros(1)] * len(raw_of_folds)).p_value


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


def test_a_sequence_stranger_than_all_has_the_least_p_value_that_so_many_can_show(monkeypatch):
    held_out = [np.random.default_rng(i).normal(size=(50, 2)) for i in range(2)]
    p = judged_p(calibrated(held_out), [np.full((1, 2), 1e6)] * 2, monkeypatch)
    assert p.tolist() == [1 / 101]


def test_the_mean_surprisal_is_over_the_sequences_events():
    assert MeanSurprisal().score(encoded([2, 3], [4]), np.array([1.0, 2.0, 9.0])).tolist() == [1.5, 9.0]


def test_counts_find_the_nearest_normal_sequence_whatever_its_order():
    member = NearestCounts()
    member.fit(encoded([2, 2, 3], [4, 4, 4]))
    places, distances = member.nearest(encoded([3, 2, 2], [4], [5, 5], [9], [1]))
    assert places[:2].tolist() == [0, 1]
    assert distances == pytest.approx([0, 0, 1, 1, 1], abs=1e-3)


def test_unseen_is_the_share_of_runs_of_three_that_were_never_seen():
    member = UnseenGrams()
    member.fit(encoded([2, 3, 4, 5], [2, 3]))
    found = member.score(encoded([2, 3, 4], [2, 3, 4, 9], [9, 9], [5, 4, 3]), np.zeros(0))
    assert found.tolist() == [0.0, 0.5, 0.0, 1.0]


def test_two_surprised_members_outweigh_one_and_one_overwhelmed_comes_through():
    both, one, overwhelmed, typical = fuse(np.array([[0.01, 0.01], [1e-3, 0.9], [1e-12, 0.9], [0.5, 0.5]]))
    assert overwhelmed > both > one > typical


def test_the_mixture_is_likelier_than_either_model():
    draw = np.random.default_rng(0)
    network, grams = draw.exponential(size=(2, 2_000))
    share = likeliest_share(network, grams)
    best = mixed(network, grams, share).mean()
    assert best < min(network.mean(), grams.mean())
    for other in (share - 0.1, share + 0.1):
        assert best <= mixed(network, grams, other).mean()


def test_a_model_that_is_always_better_has_the_mixture_to_itself():
    worse = np.full(100, 5.0)
    assert likeliest_share(worse - 4, worse) == pytest.approx(1, abs=1e-3)
    assert likeliest_share(worse, worse - 4) == pytest.approx(0, abs=1e-3)


def test_the_mixtures_score_is_the_mean_of_the_mixed_surprisals():
    member, table = MixtureSurprisal(), encoded([2, 3, 2], [3, 9])
    member.fit(encoded([2, 3, 2, 3], [2, 3]))
    surprisal = np.arange(5.0)
    member.share = 0.25
    by_hand = -np.log(0.25 * np.exp(-surprisal) + 0.75 * np.exp(-member.grams.surprisal(table)))
    assert member.score(table, surprisal) == pytest.approx([by_hand[:3].mean(), by_hand[3:].mean()])


@pytest.mark.parametrize("members", [("lstm",), ("counts", "lstm"), ("lstm", "counts", "ngrams", "mixture", "unseen")])
def test_tensors_give_the_same_judgement(members):
    draw = np.random.default_rng(0)
    tables = [encoded(*draw.integers(2, 9, (30, 8))) for _ in range(3)]
    ensemble = Ensemble(members, 2)
    for panel in ensemble.panels:
        panel.fit(tables[0], tables[1], draw.exponential(size=240))
    again = Ensemble(members, 2)
    again.load_tensors(ensemble.tensors())
    surprisal = [draw.exponential(size=240)] * 2
    before, after = (one.judge(tables[2], surprisal) for one in (ensemble, again))
    assert np.array_equal(before.p_value, after.p_value)
    assert np.array_equal(before.raw, after.raw)
    assert np.array_equal(before.member_p, after.member_p)
