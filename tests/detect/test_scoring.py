from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.detect.conftest import encoded
from trine.detect.member import Member
from trine.detect.members import MEMBERS
from trine.detect.recipe import COUNTING_MEMBERS, DetectRecipe
from trine.detect.scoring import FUSIONS, Ensemble, Panel, harmonic, stouffer
from trine.measures.conformal import Reference, smallest_bucket
from trine.measures.shares import share_interval


@dataclass(frozen=True, eq=False)
class Given(Member):
    """A member with given scores."""

    scores: np.ndarray

    @classmethod
    def fitted(cls, train, held_out):
        raise NotImplementedError

    def score(self, evidence):
        return self.scores

    def arrays(self):
        return {}

    @classmethod
    def of_arrays(cls, arrays):
        raise NotImplementedError


def ensemble_p_values(held_out, new):
    """p-values of new sequences; per fold, the members' scores of held-out sequences and of the new ones."""
    panels = [
        Panel.calibrated(tuple(map(Given, new_raw.T)), Reference(raw, np.ones(len(raw), np.int64)))
        for raw, new_raw in zip(held_out, new, strict=True)
    ]
    names = ("network",) * new[0].shape[1]
    table = encoded(*[[2]] * len(new[0]))
    return Ensemble(names, tuple(panels)).scores(table, [{"event": np.zeros(len(table))}] * len(panels)).p_value


def test_lengths_are_ranked_apart_where_ten_sequences_per_length_may_be_flagged():
    draw = np.random.default_rng(0)
    table = encoded(*draw.integers(2, 9, (1_000, 3)), *draw.integers(2, 9, (1_000, 9)))
    for share, buckets in ((0.05, 2), (0.01, 2), (0.009, 1), (0.001, 1)):
        panel = Panel.fitted(
            ("network",), smallest_bucket(share), table, table, {"event": draw.exponential(size=12_000)}
        )
        ensemble = Ensemble(("network",), (panel,))
        (again,) = Ensemble.of_arrays(("network",), 1, share, ensemble.arrays()).panels
        assert len(panel.reference.edges) == len(again.reference.edges) == buckets - 1


@pytest.mark.parametrize("fusion", FUSIONS)
@given(arrays(float, (7, 3), elements=st.floats(1e-300, 1)))
def test_the_fused_score_rises_with_the_members_surprise(fusion, p):
    weights = (1.0, 1.0, 0.3)
    assert (FUSIONS[fusion](p / 2, weights) > FUSIONS[fusion](p, weights)).all()


@given(arrays(float, (7, 3), elements=st.floats(1e-300, 1)), st.integers(0, 2))
def test_no_other_member_cancels_what_is_extreme_to_one(p, member):
    p[:, member] = 1e-9
    assert (harmonic(p, (1.0, 1.0, 0.3)) >= np.log(1e9 * 0.3 / 2.3) - 1e-9).all()


def test_ordinary_p_values_of_a_member_with_a_small_weight_say_little():
    p = np.array([[0.1, 0.9], [0.1, 0.1], [0.9, 0.1], [0.9, 1e-6]])
    alone, both, light, extreme = harmonic(p, (1.0, 0.1))
    assert light < alone < both < extreme


def test_exchangeable_sequences_are_flagged_at_the_target_rate():
    """The rate is below the target, or the target is within its interval: over 20 draws of one population."""
    draw, misses = np.random.default_rng(0), 0
    for _ in range(20):
        held_out = [draw.normal(size=(500, 2)) for _ in range(4)]
        new = draw.normal(size=(4_000, 2))
        p = ensemble_p_values(held_out, [new] * 4)
        assert p.min() > 0
        for target in (0.01, 0.05, 0.2):
            misses += share_interval(int((p <= target).sum()), len(p))[0] > target
    assert misses <= 9, "the calibration on 2,000 sequences varies too"


def test_the_mean_of_the_realised_rates_is_the_target():
    draw = np.random.default_rng(1)
    rates = []
    for _ in range(100):
        held_out, new = [draw.exponential(size=(200, 2)) for _ in range(2)], draw.exponential(size=(1_000, 2))
        rates.append((ensemble_p_values(held_out, [new] * 2) <= 0.05).mean())
    assert 0.04 < np.mean(rates) < 0.06


@pytest.mark.parametrize("count", [20, 333, 516])
def test_the_score_of_all_normal_sequences_but_one_is_never_flagged(count):
    """Such as no unseen pair of events."""
    held_out = np.zeros((count, 1))
    held_out[0] = 0.25
    assert (ensemble_p_values([held_out, held_out], [np.zeros((3, 1))] * 2) == 1).all()


def test_a_sequence_stranger_than_all_has_the_smallest_p_value_that_the_calibration_can_show():
    held_out = [np.random.default_rng(i).normal(size=(50, 2)) for i in range(2)]
    assert ensemble_p_values(held_out, [np.full((1, 2), 1e6)] * 2).tolist() == [1 / 101]


def test_two_surprised_members_outweigh_one_and_an_extreme_member_outweighs_both():
    p = np.array([[0.01, 0.01], [1e-3, 0.9], [1e-12, 0.9], [0.5, 0.5]])
    both, single, extreme, typical = stouffer(p, (1.0, 1.0))
    assert extreme > both > single > typical


@pytest.mark.parametrize(
    "members", [("network",), ("counts", "network"), tuple(MEMBERS), DetectRecipe().members, COUNTING_MEMBERS]
)
def test_an_ensemble_of_its_arrays_gives_the_same_scores(members):
    draw = np.random.default_rng(0)
    train, held_out, table = (encoded(*draw.integers(2, 9, (30, 8))) for _ in range(3))
    surprisal = [
        {name: draw.exponential(size=240) for name in (("event", "hour") if members != COUNTING_MEMBERS else ())}
        for _ in range(2)
    ]
    panels = [Panel.fitted(members, 1_000, train, held_out, of_fold) for of_fold in surprisal]
    ensemble = Ensemble(members, tuple(panels), np.sort(panels[-1].fused_reference[:20]))
    again = Ensemble.of_arrays(members, 2, 0.01, ensemble.arrays())
    before, after = (each.scores(table, surprisal) for each in (ensemble, again))
    assert np.array_equal(before.p_value, after.p_value)
    assert np.array_equal(before.raw, after.raw)
    assert np.array_equal(before.member_p, after.member_p)
    assert np.array_equal(before.fused, after.fused)


def test_a_sum_far_beyond_all_normal_ones_has_the_smallest_p_value_whatever_the_other_members_say():
    """Nine normal sequences in ten have no unseen event, few have dozens; a scan has seven thousand."""
    draw = np.random.default_rng(0)
    held_out = draw.normal(size=(2_000, 3))
    held_out[:, 2] = np.log1p(np.where(draw.random(2_000) < 0.9, 0, draw.pareto(2, 2_000).astype(int)))
    panel = Panel.calibrated(
        tuple(map(Given, np.zeros((3, 1)))), Reference(held_out, np.ones(2_000, np.int64), units=(np.inf, np.inf, 1.0))
    )
    scan = np.array([[-9.0, -9.0, np.log1p(7_178)]])
    p = panel.reference.p_values(scan, np.ones(1, np.int64))
    assert p[0, 2] < 1e-5
    assert panel.at_least_as_strange(panel.fuse(p)).tolist() == [0]


def test_where_no_normal_sequence_has_a_tail_more_is_still_stranger():
    reference = Reference(np.zeros((100, 1)), np.ones(100, np.int64), units=(1.0,))
    few, many = reference.p_values(np.log1p([[1.0], [7_000.0]]), np.ones(2, np.int64))[:, 0]
    assert 0 < many < few / 1_000 < few < 0.01


def test_a_session_like_all_normal_ones_is_never_flagged_for_a_digit_that_was_rounded_otherwise():
    held_out = np.full((200, 2), 0.25)
    for rounding in (-1e-6, 0.0, 1e-6):
        (p,) = ensemble_p_values([held_out], [held_out[:1] + rounding])
        assert p == 1.0
