import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from trine.measures.conformal import SMALLEST, Reference, own_tail_p_values, tail_p_values, tail_share

scores = st.integers(2, 60).flatmap(lambda n: arrays(float, n, elements=st.integers(-20, 20).map(float)))


def column(values):
    return np.asarray(values, float)[:, None]


@given(scores, scores)
def test_p_values_fall_as_scores_rise_and_are_never_zero(reference, new):
    p = tail_p_values(column(np.sort(new)), column(np.sort(reference)))[:, 0]
    assert (np.diff(p) <= 1e-12).all()
    assert ((p > 0) & (p <= 1)).all()


@given(scores)
def test_beyond_all_references_the_tail_keeps_the_order(reference):
    ordered = np.sort(reference)
    spread = max(1e-3, float(ordered[-1] - ordered[0]))
    p = tail_p_values(column(ordered[-1] + spread * np.array([0.1, 1.0, 5.0])), column(ordered))[:, 0]
    if (ordered > np.quantile(ordered, 1 - tail_share(len(ordered)))).any():
        assert p[0] > p[1] > p[2]


def test_below_the_edge_a_p_value_is_the_share_of_stranger_references_and_half_of_the_equal_ones():
    reference = np.arange(100.0)
    p = tail_p_values(column([-1.0, 0.0, 49.5, 50.0, 80.0]), column(reference))[:, 0]
    assert p.tolist() == [100.5 / 101, 100 / 101, 50.5 / 101, 50 / 101, 20 / 101]


def test_a_score_that_most_references_have_is_neutral():
    reference = np.repeat([0.0, 1.0, 2.0], [80, 15, 5])
    assert tail_p_values(column([0.0]), column(reference))[0, 0] == pytest.approx(0.6, abs=0.01)
    assert own_tail_p_values(column(reference))[0, 0] == pytest.approx(0.6, abs=0.01)


@given(scores, st.integers(0, 10_000))
def test_the_own_p_value_is_close_to_that_among_the_other_references(reference, pick):
    """Below the edge of the tail; leaving out one sequence moves the edge a little."""
    i = pick % len(reference)
    own = own_tail_p_values(column(reference))[i, 0]
    others = np.sort(np.delete(reference, i))
    if reference[i] <= np.quantile(reference, 1 - 1.5 * tail_share(len(reference))) and len(reference) > 20:
        share = float((reference > np.quantile(reference, 1 - tail_share(len(reference)))).mean())
        assert own == pytest.approx(
            max(tail_p_values(column(reference[i : i + 1]), column(others))[0, 0], share), abs=0.08
        )
    assert 0 < own <= 1


def test_the_own_p_value_is_close_to_that_when_the_sequence_is_left_out():
    reference = np.random.default_rng(0).exponential(size=400)
    own = own_tail_p_values(column(reference))[:, 0]
    left_out = [
        tail_p_values(column(reference[i : i + 1]), column(np.sort(np.delete(reference, i))))[0, 0] for i in range(400)
    ]
    assert np.allclose(np.log(own), np.log(left_out), atol=0.15)
    assert np.abs(own - left_out).max() < 0.005


@given(scores)
def test_below_the_tail_a_new_score_has_the_p_value_of_the_reference_that_equals_it(reference):
    new = tail_p_values(column(reference), column(np.sort(reference)))[:, 0]
    own = own_tail_p_values(column(reference))[:, 0]
    below = reference <= np.quantile(reference, 1 - tail_share(len(reference)))
    assert np.array_equal(own[below], new[below])


lengths = st.builds(
    lambda of, count: np.resize(np.array(of), count),
    st.lists(st.integers(1, 40), min_size=1),
    st.integers(1, 9 * SMALLEST),
)


@given(lengths)
def test_a_bucket_has_neighbouring_lengths_and_enough_normal_sequences(of):
    reference = Reference(np.zeros((len(of), 1)), of)
    bucket = np.searchsorted(reference.edges, of)
    assert (np.diff(bucket[np.argsort(of)]) >= 0).all()
    counts = np.bincount(bucket)
    assert len(counts) == len(reference.edges) + 1
    assert len(counts) == 1 or counts.min() >= SMALLEST


def test_too_few_sequences_for_buckets_are_ranked_together():
    draw = np.random.default_rng(0)
    raw, of = draw.normal(size=(2 * SMALLEST - 1, 2)), draw.integers(1, 90, 2 * SMALLEST - 1)
    new = draw.normal(size=(20, 2))
    p = Reference(raw, of).p_values(new, draw.integers(1, 90, 20))
    assert p == pytest.approx(tail_p_values(new, np.sort(raw, 0)), abs=1e-3)


@given(scores, scores, st.integers(0, 99))
def test_rounding_does_not_tell_equal_scores_apart(reference, new, seed):
    """The same scores from another batch, processor or runtime; at the edge of the tail, p falls by up to a rank."""
    noise = np.random.default_rng(seed).uniform(-1e-6, 1e-6, len(reference) + len(new))
    exact, rounded = Reference(column(reference), np.ones(len(reference), int)), column(reference + noise[len(new) :])
    again = Reference(rounded, np.ones(len(reference), int))
    of = np.ones(len(new), int)
    expected, rank = exact.p_values(column(new), of), 1 / (1 + len(reference))
    assert again.p_values(column(new + noise[: len(new)]), of) == pytest.approx(expected, abs=rank)
    assert again.own_p_values() == pytest.approx(exact.own_p_values(), abs=rank)


def test_a_score_can_be_usual_for_short_sequences_and_strange_for_long_ones():
    draw = np.random.default_rng(0)
    of = np.repeat([5, 500], SMALLEST)
    raw = column(draw.normal(size=2 * SMALLEST) * np.where(of == 5, 10, 1))
    short, long = Reference(raw, of).p_values(column([6.0, 6.0]), np.array([5, 500]))[:, 0]
    assert short > 0.1
    assert long < 1e-3


def test_each_length_is_flagged_at_the_target_rate():
    draw = np.random.default_rng(1)
    rates = []
    for _ in range(50):
        of = np.repeat([5, 500], SMALLEST)
        raw, new = (column(draw.normal(size=2 * SMALLEST) * np.where(of == 5, 10, 1)) for _ in range(2))
        flagged = Reference(raw, of).p_values(new, of)[:, 0] <= 0.05
        rates.append([flagged[of == 5].mean(), flagged[of == 500].mean()])
    assert np.mean(rates, 0) == pytest.approx([0.05, 0.05], abs=0.01)


@pytest.mark.parametrize("sigma", [0.5, 1.0, 1.5])
def test_small_p_values_are_as_rare_as_they_say_however_heavy_the_tail(sigma):
    rng = np.random.default_rng(0)
    found = [(own_tail_p_values(rng.lognormal(sigma=sigma, size=(4_000, 1))) < 1e-3).sum() for _ in range(10)]
    assert 20 < sum(found) < 60, "of ten times 4,000 scores, 40 are expected"
