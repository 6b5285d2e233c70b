import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trine.classify.balance import as_answered, balanced_order, log_shares, uneven

COUNTS = st.lists(st.integers(1, 40), min_size=2, max_size=6)


def labels(counts: list[int]) -> torch.Tensor:
    return torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))


@given(COUNTS, st.integers(0, 5))
def test_an_epoch_shows_each_class_as_often_and_each_of_its_pictures(counts, epoch):
    known = labels(counts)
    order = balanced_order(known, seed=0, epoch=epoch)
    shown = known[order].bincount(minlength=len(counts))
    assert len(order) == len(known)
    assert shown.max() - shown.min() <= 1
    for label in range(len(counts)):
        often = order[known[order] == label].bincount(minlength=len(known))[known == label]
        assert often.max() - often.min() <= 1


def test_epochs_have_different_orders_and_a_seed_gives_the_same_ones():
    known = labels([20, 4])
    assert balanced_order(known, 0, 1).tolist() == balanced_order(known, 0, 1).tolist()
    assert balanced_order(known, 0, 1).tolist() != balanced_order(known, 0, 2).tolist()


def test_shares_are_those_of_the_labels():
    assert log_shares(labels([3, 1]), 2).exp().tolist() == pytest.approx([0.75, 0.25])
    assert math.isfinite(log_shares(labels([3, 1]), 3)[2])


def test_calibration_sees_all_pictures_or_as_many_of_each_class():
    known = labels([9, 3])
    assert as_answered(known, "none").tolist() == list(range(12))
    assert known[as_answered(known, "logits")].bincount().tolist() == [6, 6]


@pytest.mark.parametrize(("counts", "ratio"), [([30, 10], 3.0), ([29, 10], None), ([5], None)])
def test_classes_are_uneven_from_three_times_as_many_pictures(counts, ratio):
    assert uneven(counts) == ratio
