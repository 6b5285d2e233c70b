from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trine.datasets.lines import Skips
from trine.detect.folds import split_normal
from trine.detect.recipe import DetectRecipe
from trine.detect.sampling import even_sample
from trine.errors import DataError
from trine.sequences.table import SequenceBuilder


def table_of(count, **columns):
    builder = SequenceBuilder("table", Skips("table"))
    for i in range(count):
        fields = {name: values[i] for name, values in columns.items()}
        builder.add(f"line {i}", {"events": ["a", "b", f"c{i}"], "name": f"n{i}", **fields})
    return builder.build()


def names(table):
    return table.names.tolist()


@given(st.integers(2, 60), st.integers(2, 20), st.integers(0, 5))
def test_every_normal_sequence_is_held_out_exactly_once(count, folds, seed):
    table = table_of(count)
    opened = split_normal(table, DetectRecipe(folds=folds, seed=seed))
    assert len(opened.folds) == min(folds, count)
    assert Counter(name for fold in opened.folds for name in names(fold.held_out)) == Counter(names(table))
    for fold in opened.folds:
        train, held_out = fold.train, fold.held_out
        assert len(held_out) > 0
        assert sorted(names(train) + names(held_out)) == sorted(names(table))


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(2, 60), st.floats(0.01, 0.89))
def test_one_fold_holds_out_a_share_and_leaves_at_least_one_sequence_to_train_on(count, share):
    opened = split_normal(table_of(count), DetectRecipe(folds=1, calibration_share=share))
    (fold,) = opened.folds
    train, held_out = fold.train, fold.held_out
    assert len(train) > 0
    assert abs(len(held_out) - share * count) <= 1
    assert sorted(names(train) + names(held_out)) == sorted(names(opened.normal))


def test_a_validation_split_is_held_out_without_its_abnormal_rows():
    splits = ["train"] * 4 + ["valid"] * 3 + ["test"] * 2
    table = table_of(9, split=splits, label=[0, 0, 1, 0, 0, 1, 0, 0, 1])
    opened = split_normal(table, DetectRecipe(folds=4))
    (fold,) = opened.folds
    train, held_out = fold.train, fold.held_out
    assert names(train) == ["n0", "n1", "n3"]
    assert names(held_out) == ["n4", "n6"]


@pytest.mark.parametrize("folds", [1, 3])
def test_no_abnormal_row_and_no_test_row_is_in_a_fold(folds):
    table = table_of(8, split=["train"] * 6 + ["test"] * 2, label=[0, 1, 0, -1, 1, 0, 0, 1])
    opened = split_normal(table, DetectRecipe(folds=folds))
    for part in opened.folds:
        assert {*names(part.train), *names(part.held_out)} == {"n0", "n2", "n3", "n5"}
    assert opened.left_out == 2


@pytest.mark.parametrize("folds", [1, 3])
def test_without_a_test_split_a_tenth_becomes_one_with_the_abnormal_rows(folds):
    table = table_of(260, label=[0] * 250 + [1] * 10)
    opened = split_normal(table, DetectRecipe(folds=folds))
    test = opened.table.split("test")
    assert (opened.kept_apart, opened.left_out, len(test)) == (25, 10, 35)
    assert set(names(table.rows(table.labels == 1))) < set(names(test))
    for part in opened.folds:
        assert not {*names(test)} & {*names(part.train), *names(part.held_out)}
        assert len(part.train) + len(part.held_out) == len(opened.normal) == 225


def test_the_same_seed_sets_the_same_sequences_apart():
    first, again, other = (split_normal(table_of(300), DetectRecipe(seed=s)).table.split("test") for s in (0, 0, 1))
    assert names(first) == names(again) != names(other)


def test_of_few_sequences_none_is_set_apart():
    opened = split_normal(table_of(190), DetectRecipe())
    assert (opened.kept_apart, len(opened.normal), len(opened.table.split("test"))) == (0, 190, 0)


def test_two_sequences_are_two_folds():
    opened = split_normal(table_of(2), DetectRecipe(folds=4))
    assert [(len(fold.train), len(fold.held_out)) for fold in opened.folds] == [(1, 1), (1, 1)]


def test_one_sequence_is_too_few():
    with pytest.raises(DataError, match="1 normal sequence to learn from"):
        split_normal(table_of(1), DetectRecipe())
    with pytest.raises(DataError, match="1 normal sequence to learn from"):
        split_normal(table_of(3, label=[0, 1, 1]), DetectRecipe())


def test_one_distinct_event_has_no_order_to_learn(make_table):
    with pytest.raises(DataError, match="one distinct event"):
        split_normal(make_table("aaa", "aa"), DetectRecipe())


@given(st.integers(1, 200), st.integers(1, 200))
def test_an_even_sample_has_at_most_the_given_size_and_both_ends(count, most):
    chosen = even_sample(count, most)
    assert len(chosen) == min(count, most)
    assert chosen[0] == 0
    assert most == 1 or chosen[-1] == count - 1


@pytest.mark.parametrize("folds", [1, 4])
def test_the_most_recent_sequences_are_held_out_in_the_last_fold(folds):
    table = table_of(300, times=[[1e9 + 60.0 * i] * 3 for i in reversed(range(300))])
    opened = split_normal(table, DetectRecipe(folds=folds))
    recent = opened.folds[-1].held_out.rows(opened.recent)
    newest = opened.normal.names[np.argsort(-opened.normal.times[opened.normal.offsets[:-1]])[: len(recent)]]
    assert len(recent) == round(0.1 * len(opened.normal))
    assert {*names(recent)} == {*newest.tolist()}
    assert not {*names(recent)} & {*names(opened.folds[-1].train)}
    if folds > 1:
        held_out = Counter(name for fold in opened.folds for name in names(fold.held_out))
        assert held_out == Counter(names(opened.normal))


def test_without_times_or_with_few_sequences_none_is_the_most_recent():
    assert split_normal(table_of(300), DetectRecipe()).recent is None
    assert split_normal(table_of(100, times=[[60.0 * i] * 3 for i in range(100)]), DetectRecipe()).recent is None
