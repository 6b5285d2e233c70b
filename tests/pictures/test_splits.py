import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.errors import UsageError
from trine.pictures.splits import stratified_cut

LABELS = st.lists(st.integers(0, 5), min_size=1, max_size=200)


@given(LABELS, st.floats(0.01, 0.99), st.integers(0, 2**32))
def test_the_two_parts_are_disjoint_and_complete(labels, share, seed):
    stay, cut = stratified_cut(np.array(labels), len(labels), share, seed)
    assert sorted([*stay, *cut]) == list(range(len(labels)))


@given(LABELS, st.floats(0.01, 0.99), st.integers(0, 2**32))
def test_every_class_keeps_a_picture_and_loses_its_share_to_within_one(labels, share, seed):
    stay, cut = stratified_cut(np.array(labels), len(labels), share, seed)
    whole, kept, taken = (np.bincount(np.array(labels)[at], minlength=6) for at in (slice(None), stay, cut))
    assert (kept[whole > 0] > 0).all()
    assert (np.abs(taken - np.minimum(whole * share, np.maximum(whole - 1, 0))) <= 1).all()


@given(LABELS, st.integers(0, 100))
def test_the_same_seed_gives_the_same_cut(labels, seed):
    first, again = (stratified_cut(np.array(labels), len(labels), 0.3, seed) for _ in range(2))
    assert np.array_equal(first[1], again[1])


def test_a_class_with_a_single_picture_stays():
    labels = np.array([0] * 10 + [1])
    for seed in range(20):
        assert 10 in stratified_cut(labels, 11, 0.5, seed)[0]


def test_classes_of_equal_size_lose_equally():
    _, cut = stratified_cut(np.repeat(np.arange(10), 500), 5000, 0.1, seed=3)
    assert np.bincount(cut // 500).tolist() == [50] * 10


def test_without_labels_the_share_is_cut_at_random():
    stay, cut = stratified_cut(None, 100, 0.2, seed=0)
    assert (len(stay), len(cut)) == (80, 20)


@pytest.mark.parametrize("share", [0.0, 1.0, 2.0, float("nan")])
def test_a_share_out_of_range_is_a_usage_error(share):
    with pytest.raises(UsageError, match="between 0 and 1"):
        stratified_cut(None, 10, share, seed=0)
