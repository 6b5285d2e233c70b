import time

import numpy as np
import pytest

from trine.detect.members import (
    EitherSurprisal,
    LengthGivenKind,
    MeanSurprisal,
    NearestCounts,
    UnseenPairs,
)
from trine.detect.surprisal import EncodedTable


def encoded(*sequences):
    lengths = [len(sequence) for sequence in sequences]
    return EncodedTable(
        {"event": np.concatenate(sequences).astype(np.int64)}, np.concatenate([[0], np.cumsum(lengths)])
    )


def test_the_mean_surprisal_is_over_the_sequences_events():
    assert MeanSurprisal().score(encoded([2, 3], [4]), np.array([1.0, 2.0, 9.0])).tolist() == [1.5, 9.0]


def test_counts_find_the_nearest_normal_sequence_whatever_its_order():
    member = NearestCounts()
    member.fit(encoded([2, 2, 3], [4, 4, 4]))
    places, distances = member.nearest(encoded([3, 2, 2], [4], [5, 5], [9], [1]))
    assert places[:2].tolist() == [0, 1]
    assert distances == pytest.approx([0, 0, 1, 1, 1], abs=1e-3)


def test_unseen_is_the_share_of_neighbouring_events_that_were_never_neighbours():
    member = UnseenPairs()
    member.fit(encoded([2, 3, 4, 5], [2, 3]))
    found = member.score(encoded([2, 3, 4], [2, 3, 9], [9], [5, 4, 3], [2, 3, 2, 3]), np.zeros(0))
    assert found.tolist() == [0.0, 0.5, 0.0, 1.0, pytest.approx(1 / 3)]


def test_an_event_is_expected_where_both_network_and_n_grams_expect_it():
    member, table = EitherSurprisal(), encoded([2, 3, 2], [3, 9])
    member.fit(encoded([2, 3, 2, 3], [2, 3]))
    grams = member.grams.surprisal(table)
    network = grams + np.array([-1, 1, -1, 1, -1])
    by_hand = grams + np.array([0, 1, 0, 1, 0])
    assert member.score(table, network) == pytest.approx([by_hand[:3].mean(), by_hand[3:].mean()])


def test_a_length_is_strange_or_not_for_its_kind_of_sequence():
    member = LengthGivenKind()
    member.fit(encoded(*[[2, 3] * n for n in range(10, 20)], *[[7, 8, 8] * n for n in range(100, 110)]))
    usual, long, usual_of_others = member.score(encoded([2, 3] * 15, [2, 3] * 105, [7, 8, 8] * 105), np.zeros(0))
    assert usual < 1
    assert usual_of_others < 1
    assert long > 5


def test_a_hundred_thousand_different_pairs_are_looked_up_at_once():
    draw, member = np.random.default_rng(0), UnseenPairs()
    tables = [encoded(*draw.integers(2, 999, (3_000, 40))) for _ in range(2)]
    member.fit(tables[0])
    start = time.perf_counter()
    found = member.score(tables[1], np.zeros(0))
    assert time.perf_counter() - start < 5, "one sequence after another took minutes"
    assert len(member.seen) > 100_000
    assert 0 < found.mean() < 1
