import torch
from hypothesis import given
from hypothesis import strategies as st

from trine.pictures.batches import PIXELS, at_once, epoch_order

sides = st.integers(1, 20_000)


@given(sides, sides)
def test_pictures_judged_together_have_a_bounded_number_of_pixels_and_are_at_least_one(height, width):
    count = at_once(height, width)
    assert count >= 1
    assert count == 1 or count * height * width <= PIXELS


def test_an_epoch_has_every_sample_once_in_an_order_of_its_own():
    first, second = epoch_order(0, 0, 50), epoch_order(0, 1, 50)
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(50))
    assert not torch.equal(first, second)
    assert not torch.equal(first, epoch_order(1, 0, 50))


def test_the_order_of_an_epoch_is_the_same_whenever_it_is_asked_for():
    before = epoch_order(3, 2, 50).clone()
    epoch_order.cache_clear()
    assert torch.equal(before, epoch_order(3, 2, 50))
