import time

import numpy as np
import pytest

from tests.detect.conftest import encoded
from trine.detect.members import (
    MEMBERS,
    EitherSurprisal,
    LengthGivenCounts,
    NearestCounts,
    NetworkSurprisal,
    UnseenPairs,
)

NO_EVENTS = np.zeros(0)


def test_the_networks_score_is_the_mean_surprisal_of_a_sequences_events():
    member = NetworkSurprisal.fitted(encoded([2]))
    assert member.score(encoded([2, 3], [4]), np.array([1.0, 2.0, 9.0])).tolist() == [1.5, 9.0]


def test_counts_name_the_nearest_normal_sequence_whatever_its_order():
    member = NearestCounts.fitted(encoded([2, 2, 3], [4, 4, 4]))
    indices, distances = member.nearest(encoded([3, 2, 2], [4], [5, 5], [9], [1]))
    assert indices[:2].tolist() == [0, 1]
    assert distances == pytest.approx([0, 0, 1, 1, 1], abs=1e-3)


def test_unseen_is_the_share_of_neighbouring_events_that_were_never_neighbours():
    member = UnseenPairs.fitted(encoded([2, 3, 4, 5], [2, 3]))
    shares = member.score(encoded([2, 3, 4], [2, 3, 9], [9], [5, 4, 3], [2, 3, 2, 3]), NO_EVENTS)
    assert shares.tolist() == [0.0, 0.5, 0.0, 1.0, pytest.approx(1 / 3)]


def test_an_event_is_expected_where_both_network_and_n_grams_expect_it():
    member, table = EitherSurprisal.fitted(encoded([2, 3, 2, 3], [2, 3])), encoded([2, 3, 2], [3, 9])
    grams = member.grams.surprisal(table)
    network = grams + np.array([-1, 1, -1, 1, -1])
    larger = grams + np.array([0, 1, 0, 1, 0])
    assert member.score(table, network) == pytest.approx([larger[:3].mean(), larger[3:].mean()])


def test_a_length_is_strange_or_usual_given_the_mix_of_events():
    member = LengthGivenCounts.fitted(
        encoded(*[[2, 3] * n for n in range(10, 20)], *[[7, 8, 8] * n for n in range(100, 110)])
    )
    usual, long, usual_of_others = member.score(encoded([2, 3] * 15, [2, 3] * 105, [7, 8, 8] * 105), NO_EVENTS)
    assert usual < 1
    assert usual_of_others < 1
    assert long > 5


def test_a_hundred_thousand_different_pairs_are_looked_up_in_seconds():
    draw = np.random.default_rng(0)
    tables = [encoded(*draw.integers(2, 999, (3_000, 40))) for _ in range(2)]
    member = UnseenPairs.fitted(tables[0])
    start = time.perf_counter()
    shares = member.score(tables[1], NO_EVENTS)
    assert time.perf_counter() - start < 5, "a loop over the sequences took minutes"
    assert len(member.pairs) > 100_000
    assert 0 < shares.mean() < 1


@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_of_its_tensors_gives_the_same_scores(name):
    draw = np.random.default_rng(0)
    train, table = encoded(*draw.integers(2, 9, (30, 8))), encoded(*draw.integers(2, 12, (9, 5)))
    member, surprisal = MEMBERS[name].fitted(train), draw.exponential(size=45)
    again = MEMBERS[name].of_tensors(member.tensors())
    assert np.array_equal(again.score(table, surprisal), member.score(table, surprisal))


@pytest.mark.parametrize("name", MEMBERS)
def test_a_fitted_member_cannot_be_changed(name):
    member = MEMBERS[name].fitted(encoded([2, 3, 4]))
    with pytest.raises(AttributeError):
        member.profiles = None
