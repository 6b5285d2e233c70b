import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.pictures.ingest import Wanted, chosen_shape, common_ratio
from trine.pictures.picture_set import open_pictures

SHAPES = st.lists(st.tuples(st.integers(1, 3000), st.integers(1, 3000)), min_size=1, max_size=20)


@given(SHAPES)
def test_the_chosen_shape_is_the_pictures_own_or_a_square_of_32_to_96(shapes):
    shape = chosen_shape(shapes, Wanted())
    assert shape == shapes[0] or shape in [(32, 32), (48, 48), (64, 64), (96, 96)]


@pytest.mark.parametrize(
    ("shapes", "shape"),
    [
        ([(28, 28)] * 3, (28, 28)),
        ([(256, 200)] * 3, (256, 200)),
        ([(257, 257)] * 3, (96, 96)),
        ([(1, 1)] * 3, (32, 32)),
        ([(7, 9)] * 3, (32, 32)),
        ([(60, 80), (50, 60), (61, 80)], (48, 48)),
        ([(60, 80), (70, 50), (90, 61)], (64, 64)),
        ([(3000, 4000), (2000, 3000)], (96, 96)),
    ],
)
def test_the_chosen_shape_follows_the_pictures_sizes(shapes, shape):
    assert chosen_shape(shapes, Wanted()) == shape


def test_a_size_set_by_the_user_is_used():
    assert chosen_shape([(28, 28)], Wanted(64)) == (64, 64)


def test_more_pictures_than_a_batch_keep_their_order(make_folder):
    folder = make_folder({"train/cat": 300, "test/cat": 270}, size=(8, 8))
    pictures = open_pictures(folder, cut=False)
    assert [name.rpartition("cat")[2] for name in pictures.splits["train"].names] == [f"{i}.png" for i in range(300)]
    assert len(pictures.splits["test"]) == 270


@pytest.mark.parametrize(
    ("shapes", "shape"),
    [
        ([(20, 33)] * 3, (20, 33)),
        ([(3000, 4000)] * 3, (83, 111)),
        ([(3000, 4000), (600, 800), (90, 120)], (83, 111)),
        ([(400, 600)] * 6 + [(600, 400)] * 2, (78, 117)),
        ([(400, 600)] * 5 + [(600, 400)] * 4, (96, 96)),
        ([(300, 310)] * 3, (96, 96)),
        ([(40, 3000)] * 3, (96, 96)),
    ],
)
def test_the_common_aspect_is_the_ratio_that_two_in_three_pictures_share(shapes, shape):
    assert chosen_shape(shapes, Wanted(aspect="common")) == shape


@given(SHAPES)
def test_a_shape_of_common_aspect_has_the_pixels_of_a_square_and_is_not_padded(shapes):
    height, width = chosen_shape(shapes, Wanted(aspect="common"))
    ratio = common_ratio(shapes)
    if ratio is not None and (height, width) != shapes[0]:
        assert 28**2 <= height * width <= 104**2
        assert height / width == pytest.approx(ratio, rel=0.02)
