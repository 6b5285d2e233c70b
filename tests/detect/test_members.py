import time

import numpy as np
import pytest

from tests.detect.conftest import encoded
from trine.detect.counting_members import (
    LengthGivenCounts,
    NearestCounts,
    RareEvents,
    Size,
    UnseenPairCount,
    UnseenPairs,
)
from trine.detect.evidence import Evidence
from trine.detect.members import MEMBERS, sources, without_network
from trine.detect.recipe import DetectRecipe
from trine.detect.surprisal_members import (
    AttributeExcess,
    AttributeSurprisal,
    EitherSurprisal,
    ExcessSurprisal,
    NetworkSurprisal,
)

NOTHING = Evidence(encoded([2]))


def fitted(member, *train):
    return member.fitted(encoded(*train), NOTHING)


def scores(member, *sequences):
    return member.score(Evidence(encoded(*sequences)))


def test_the_networks_score_is_the_mean_surprisal_of_a_sequences_events():
    evidence = Evidence(encoded([2, 3], [4]), {"event": np.array([1.0, 2.0, 9.0])})
    assert NetworkSurprisal().score(evidence).tolist() == [1.5, 9.0]


def test_counts_name_the_nearest_normal_sequence_whatever_its_order():
    member = fitted(NearestCounts, [2, 2, 3], [4, 4, 4])
    indices, distances = member.nearest(encoded([3, 2, 2], [4], [5, 5], [9], [1]))
    assert indices[:2].tolist() == [0, 1]
    assert distances == pytest.approx([0, 0, 1, 1, 1], abs=1e-3)


def test_unseen_is_the_share_of_neighbouring_events_that_were_never_neighbours():
    new = ([2, 3, 4], [2, 3, 9], [9], [5, 4, 3], [2, 3, 2, 3])
    shares = scores(fitted(UnseenPairs, [2, 3, 4, 5], [2, 3]), *new)
    assert shares.tolist() == [0.0, 0.5, 0.0, 1.0, pytest.approx(1 / 3)]
    counts = scores(fitted(UnseenPairCount, [2, 3, 4, 5], [2, 3]), *new)
    assert counts == pytest.approx(np.log1p([0, 1, 0, 2, 1]))


def test_an_event_is_expected_where_both_network_and_n_grams_expect_it():
    network, grams = np.array([1.0, 5.0, 1.0, 5.0, 1.0]), np.array([2.0, 4.0, 2.0, 4.0, 2.0])
    evidence = Evidence(encoded([2, 3, 2], [3, 9]), {"event": network}, grams)
    assert EitherSurprisal().score(evidence) == pytest.approx([9 / 3, 7 / 2])


def test_a_length_is_strange_or_usual_given_the_mix_of_events():
    member = fitted(LengthGivenCounts, *[[2, 3] * n for n in range(10, 20)], *[[7, 8, 8] * n for n in range(100, 110)])
    usual, long, usual_of_others = scores(member, [2, 3] * 15, [2, 3] * 105, [7, 8, 8] * 105)
    assert usual < 1
    assert usual_of_others < 1
    assert long > 5


def test_rare_events_add_up_and_those_that_no_normal_sequence_has_count_most():
    member = fitted(RareEvents, *[[2, 3] * 60] * 99, [2, 3, 4])
    usual, rare, unseen, many = scores(member, [2, 3] * 50, [2, 4], [2, 9], [9] * 1_000)
    assert usual == 0
    assert 0 < rare < unseen
    assert np.expm1(many) == pytest.approx(1_000 * np.expm1(unseen))


def test_what_exceeds_the_ordinary_surprisal_adds_up():
    held_out = Evidence(encoded([2] * 1_000), {"event": np.arange(1_000) / 100}, np.zeros(1_000))
    member = ExcessSurprisal.fitted(encoded([2]), held_out)
    surprisal = np.repeat([9.0, 12.0, 12.0], [5, 1, 3])
    evidence = Evidence(encoded([2] * 5, [2], [2] * 3), {"event": surprisal}, np.zeros(9))
    usual, single, several = np.expm1(member.score(evidence))
    assert usual == 0
    assert single == pytest.approx(12 - 9.9, abs=0.01)
    assert several == pytest.approx(3 * single)


def test_attributes_are_summed_over_the_columns_and_each_exceeds_its_own_ordinary_surprisal():
    table = encoded([2, 2], [2])
    columns = {"event": np.full(3, 99.0), "hour": np.array([1.0, 1.0, 8.0]), "user": np.array([2.0, 4.0, 2.0])}
    assert AttributeSurprisal().score(Evidence(table, columns)).tolist() == [4.0, 10.0]
    usual = Evidence(encoded([2] * 9), {"event": np.zeros(9), "hour": np.ones(9), "user": np.full(9, 3.0)})
    member = AttributeExcess.fitted(table, usual)
    assert np.expm1(member.score(Evidence(table, columns))) == pytest.approx([1.0, 7.0])


def test_size_is_the_logarithm_of_the_length():
    assert scores(Size(), [2], [2] * 100).tolist() == [0.0, np.log(100)]


def test_without_the_network_its_members_are_replaced_by_those_of_the_n_grams():
    assert without_network(("either", "network", "counts", "excess")) == ("ngrams", "counts", "ngram_excess")
    assert sources(without_network(tuple(MEMBERS))) == {"ngrams", "attributes"}
    assert sources(("counts", "unseen", "pairs", "rare", "size", "length")) == set()


def test_a_hundred_thousand_different_pairs_are_looked_up_in_seconds():
    draw = np.random.default_rng(0)
    tables = [encoded(*draw.integers(2, 999, (3_000, 40))) for _ in range(2)]
    member = UnseenPairs.fitted(tables[0], NOTHING)
    start = time.perf_counter()
    shares = member.score(Evidence(tables[1]))
    assert time.perf_counter() - start < 5, "a loop over the sequences took minutes"
    assert len(member.pairs) > 100_000
    assert 0 < shares.mean() < 1


def evidence_of(table, seed):
    draw = np.random.default_rng(seed)
    columns = {name: draw.exponential(size=table.events) for name in ("event", "hour", "user")}
    return Evidence(table, columns, draw.exponential(size=table.events))


@pytest.mark.parametrize("name", MEMBERS)
def test_a_member_of_its_arrays_gives_the_same_scores(name):
    draw = np.random.default_rng(0)
    train, held_out, table = (encoded(*draw.integers(2, most, (30, 8))) for most in (9, 9, 12))
    member, evidence = MEMBERS[name].fitted(train, evidence_of(held_out, 0)), evidence_of(table, 1)
    again = MEMBERS[name].of_arrays(member.arrays())
    assert np.array_equal(again.score(evidence), member.score(evidence))
    assert np.isfinite(member.score(evidence)).all()


@pytest.mark.parametrize("name", MEMBERS)
def test_a_fitted_member_cannot_be_changed(name):
    member = MEMBERS[name].fitted(encoded([2, 3, 4]), evidence_of(encoded([2, 3]), 0))
    with pytest.raises(AttributeError):
        member.profiles = None


@pytest.mark.parametrize("name", MEMBERS)
def test_the_recipe_knows_the_member(name):
    assert DetectRecipe(members=[name]).members == (name,)
