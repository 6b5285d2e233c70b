import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from trine.errors import DataError, UsageError
from trine.pictures.decode import read_picture
from trine.pictures.framing import frame_of, framed
from trine.pictures.picture_set import open_pictures
from trine.pictures.reading import FORMER, Reading


def stripes(width: int, height: int) -> Image.Image:
    """Three vertical stripes: black, grey and white."""
    levels = np.repeat(np.array([0, 128, 255], np.uint8), -(-width // 3))[:width]
    return Image.fromarray(np.tile(levels, (height, 1)))


@pytest.mark.parametrize(
    ("size", "fit", "frame"),
    [
        ((100, 100), "auto", "whole"),
        ((100, 101), "crop", "whole"),
        ((300, 400), "auto", "crop"),
        ((400, 300), "auto", "crop"),
        ((400, 600), "auto", "pad"),
        ((28, 84), "auto", "pad"),
        ((28, 84), "crop", "crop"),
        ((28, 84), "squash", "squash"),
        ((300, 400), "pad", "pad"),
    ],
)
def test_auto_crops_up_to_4_to_3_and_pads_beyond(size, fit, frame):
    assert frame_of(size, (32, 32), fit) == frame


def test_the_outer_thirds_of_a_wide_picture_are_kept_by_pad_and_squash_only():
    wide = stripes(90, 30)
    assert set(np.unique(np.asarray(framed(wide, (30, 30), "crop")))) == {128}
    assert np.asarray(framed(wide, (30, 30), "squash"))[15, [4, 15, 26]].tolist() == [0, 128, 255]
    padded = np.asarray(framed(wide, (30, 30), "pad"))
    assert padded[15, [4, 15, 26]].tolist() == [0, 128, 255]
    assert abs(int(padded[0, 0]) - 128) <= 8


def test_padding_has_the_mean_colour_of_the_border():
    red = Image.new("RGB", (60, 20), (200, 10, 10))
    red.paste((0, 0, 255), (20, 5, 40, 15))
    padded = np.asarray(framed(red, (30, 30), "pad"))
    assert np.abs(padded[0].astype(int) - [200, 10, 10]).max() <= 6


def test_an_icon_without_background_is_padded_without_one():
    icon = Image.new("RGBA", (60, 20), (0, 0, 0, 0))
    icon.paste((10, 10, 10, 255), (20, 5, 40, 15))
    assert read_picture(icon, (30, 30), 3)[0, 0].tolist() == [255, 255, 255]
    assert read_picture(icon, (30, 30), 3)[15, 15].max() < 60


@given(
    st.integers(1, 70),
    st.integers(1, 70),
    st.integers(1, 40),
    st.sampled_from(["auto", "crop", "pad", "squash"]),
    st.sampled_from(["L", "RGB", "RGBA", "LA", "CMYK"]),
)
def test_any_picture_fits_any_frame(width, height, side, fit, mode):
    image = framed(Image.new(mode, (width, height)), (side, side), fit)
    assert image.size == (side, side)
    assert image.mode == mode


@given(st.integers(1, 90), st.integers(1, 90))
def test_a_crop_is_of_whole_pixels_and_the_same_as_resizing_the_part(width, height):
    levels = np.random.default_rng(width).integers(0, 256, (height, width), dtype=np.uint8)
    short = min(width, height)
    left, top = (width - short) // 2, (height - short) // 2
    part = Image.fromarray(levels[top : top + short, left : left + short])
    expected = np.asarray(part.resize((16, 16), Image.Resampling.BICUBIC))
    assert np.array_equal(np.asarray(framed(Image.fromarray(levels), (16, 16), "crop")), expected)


def test_how_many_pictures_are_cropped_and_padded_is_said(make_folder, make_picture):
    root = make_folder({"cat": 2})
    make_picture(root / "dog" / "a.png", (40, 30))
    make_picture(root / "dog" / "b.png", (90, 30))
    remark = next(line for line in open_pictures(root, cut=False).remarks if "fit=" in line)
    assert remark.startswith("of 4 pictures, 1 are cropped to the middle, 1 are padded with the colour of their border")


def test_digits_side_by_side_keep_their_size_as_squares(make_folder):
    root = make_folder({"123": 2, "456": 2}, size=(84, 28))
    assert open_pictures(root, cut=False).size == (28, 84)
    assert open_pictures(root, cut=False, aspect="square").size == (84, 84)
    assert open_pictures(root, cut=False, aspect="square", fit="crop").size == (28, 28)
    assert open_pictures(root, cut=False, aspect="square", fit="squash").size == (48, 48)


def test_a_set_is_read_as_a_model_was_trained(make_folder, tmp_path):
    root = make_folder({"cat": 2, "dog": 2}, size=(90, 30))
    trained = open_pictures(root, size=16, fit="squash", cut=False)
    kept = Reading.from_json(trained.reading.as_json())
    again = open_pictures(root, size=16, reading=kept, cut=False)
    assert again.fingerprint == trained.fingerprint
    one = read_picture(root / "cat" / "cat0.png", (16, 16), 3, reading=kept)
    assert np.array_equal(one, trained.splits["train"].images[0])
    assert open_pictures(root, size=16, cut=False).fingerprint != trained.fingerprint


def test_a_bundle_without_settings_of_reading_reads_as_the_first_version_did():
    assert Reading.from_json(None) == FORMER
    assert (FORMER.fit, FORMER.backdrop) == ("crop", "white")


def test_settings_of_a_later_version_are_refused():
    with pytest.raises(DataError, match="settings of reading are not known: gamma"):
        Reading.from_json({**Reading().as_json(), "gamma": 2})


def test_an_unknown_frame_is_wrong_use(make_folder):
    with pytest.raises(UsageError, match="fit=stretch is not known: use one of auto, crop, pad, squash"):
        Reading.from_json({**Reading().as_json(), "fit": "stretch"})
