import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trine.errors import DataError
from trine.pictures.batches import PIXELS, at_once, batches, epoch_order, evenly, labels_of, mirrors
from trine.pictures.picture_set import PictureSplit, open_pictures
from trine.pictures.store import map_rows

sides = st.integers(1, 20_000)


@given(sides, sides)
def test_a_batch_has_a_bounded_number_of_pixels_and_at_least_one_picture(height, width):
    count = at_once(height, width)
    assert count >= 1
    assert count == 1 or count * height * width <= PIXELS


@given(st.integers(0, 50), st.integers(1, 20))
def test_batches_hold_every_picture_once_and_in_order(count, size):
    images = np.random.default_rng(0).integers(0, 256, (count, 3, 2, 1), dtype=np.uint8)
    parts = list(batches(images, size))
    assert all(len(part) == size for part in parts[:-1])
    assert np.array_equal(torch.cat([torch.zeros(0, 3, 2, 1, dtype=torch.uint8), *parts]).numpy(), images)


def test_writing_to_a_batch_leaves_the_memory_map_alone(tmp_path):
    (tmp_path / "rows").write_bytes(bytes(range(12)))
    images = map_rows(tmp_path / "rows", (3, 2, 2, 1))
    for batch in batches(images, 2):
        batch.zero_()
    assert images.ravel().tolist() == list(range(12))


@given(st.integers(0, 200), st.integers(1, 50))
def test_an_even_sample_has_each_index_once_in_rising_order_at_even_distances(count, most):
    indices = evenly(count, most)
    assert len(indices) == min(count, most)
    assert set(indices.tolist()) <= set(range(count))
    distances = np.diff(indices)
    assert (distances > 0).all()
    assert np.ptp(distances) <= 1 if len(distances) else True


def test_an_even_sample_holds_the_first_and_the_last():
    assert evenly(10, 4).tolist() == [0, 3, 6, 9]
    assert evenly(3, 10).tolist() == [0, 1, 2]
    assert evenly(10, 4).dtype == np.int64


def test_an_epoch_has_every_sample_once_and_another_order_than_other_epochs_and_seeds():
    first, second = epoch_order(0, 0, 50), epoch_order(0, 1, 50)
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(50))
    assert not torch.equal(first, second)
    assert not torch.equal(first, epoch_order(1, 0, 50))


def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone():
    before = epoch_order(3, 2, 50).clone()
    epoch_order.cache_clear()
    assert torch.equal(before, epoch_order(3, 2, 50))


@pytest.mark.parametrize(
    ("flip", "grey", "colour"),
    [("auto", False, True), ("alternating", True, True), ("random", True, True), ("none", False, False)],
)
def test_pictures_are_mirrored_as_the_recipe_says_and_by_default_if_they_have_colour(flip, grey, colour):
    assert (mirrors(flip, 1), mirrors(flip, 3)) == (grey, colour)


def test_labels_are_class_indices_as_a_tensor_of_the_callers_own(make_folder):
    split = open_pictures(make_folder({"cat": 2, "dog": 3}), cut=False).splits["train"]
    labels = labels_of(split)
    assert labels.tolist() == [0, 0, 1, 1, 1]
    labels.zero_()
    assert split.labels.tolist() == [0, 0, 1, 1, 1]


def test_pictures_without_classes_have_no_labels():
    with pytest.raises(DataError, match="the pictures have no classes: put the pictures of each class into a folder"):
        labels_of(PictureSplit(np.zeros((2, 1, 1, 1), np.uint8), None, ("a", "b"), np.arange(2)))
