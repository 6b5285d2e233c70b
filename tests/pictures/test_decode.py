import os
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from trine.errors import DataError, UnsafeDataError
from trine.pictures.decode import as_channels, decode, read_header, read_picture, resize
from trine.pictures.reading import FORMER


def red_left_blue_right(mode: str = "RGB") -> Image.Image:
    picture = Image.new("RGB", (40, 20), "red")
    picture.paste("blue", (20, 0, 40, 20))
    return picture.convert(mode)


def save(path: Path, picture: Image.Image, **options: object) -> Path:
    picture.save(path, **options)
    return path


def assert_a_picture_or_a_named_error(path: Path) -> None:
    try:
        pixels = read_picture(path, (8, 8), 3)
    except DataError as error:
        kind = str(error).split(": ")[0]
    else:
        kind = str(pixels.shape)
    assert kind in ("(8, 8, 3)", "truncated", "unreadable", "oversized")


@pytest.mark.parametrize(("mode", "suffix"), [("RGB", "png"), ("P", "gif"), ("RGBA", "webp"), ("CMYK", "tif")])
def test_colour_pictures_of_any_mode_become_rgb(tmp_path, mode, suffix):
    path = save(tmp_path / f"a.{suffix}", red_left_blue_right(mode))
    pixels = decode(path, "a", (20, 40), 3)
    assert np.abs(pixels[10, 5].astype(int) - [255, 0, 0]).max() <= 8
    assert np.abs(pixels[10, 35].astype(int) - [0, 0, 255]).max() <= 8
    assert not read_header(path, "a").grey


@pytest.mark.parametrize("mode", ["1", "L", "LA"])
def test_grey_pictures_of_any_mode_become_one_channel(tmp_path, mode):
    path = save(tmp_path / "a.png", Image.new("L", (20, 10), 255).convert(mode))
    assert read_header(path, "a").grey
    assert (decode(path, "a", (10, 20), 1) == 255).all()


def test_a_palette_of_greys_is_grey(tmp_path):
    grey = Image.linear_gradient("L").convert("P")
    assert read_header(save(tmp_path / "a.png", grey), "a").grey


def test_16_bit_levels_are_scaled_to_8_bits(tmp_path):
    levels = np.array([[0, 257, 32_896, 65_535]] * 4, np.uint16)
    path = save(tmp_path / "a.png", Image.fromarray(levels))
    assert decode(path, "a", (4, 4), 1)[0, :, 0].tolist() == [0, 1, 128, 255]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_pixels_become_white(tmp_path, mode):
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0)).convert(mode)
    assert (decode(save(tmp_path / "a.png", clear), "a", (8, 8), 3) == 255).all()


def test_a_transparent_palette_colour_becomes_white(tmp_path):
    picture = Image.new("P", (8, 8), 1)
    picture.putpalette([255, 0, 0, 0, 255, 0])
    path = save(tmp_path / "a.gif", picture, transparency=1)
    assert (decode(path, "a", (8, 8), 3) == 255).all()


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(tmp_path, suffix, orientation):
    upright = red_left_blue_right()
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / f"a.{suffix}", stored, exif=exif)
    header = read_header(path, "a")
    assert (header.height, header.width) == (20, 40)
    pixels = decode(path, "a", (20, 40), 3).astype(int)
    assert np.abs(pixels[10, 5] - [255, 0, 0]).max() <= 8
    assert np.abs(pixels[10, 35] - [0, 0, 255]).max() <= 8


def test_the_first_frame_of_an_animation_is_read(tmp_path):
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    path = save(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:])
    assert decode(path, "a", (8, 8), 3)[0, 0].tolist() == [255, 0, 0]


def test_the_short_side_is_scaled_and_the_centre_cropped(tmp_path):
    picture = Image.new("RGB", (300, 100), "white")
    picture.paste("black", (100, 0, 200, 100))
    assert decode(save(tmp_path / "a.png", picture), "a", (10, 10), 3, FORMER).max() <= 60


def test_scaling_down_averages_pixels(tmp_path):
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))
    pixels = decode(save(tmp_path / "a.png", Image.fromarray(stripes)), "a", (8, 8), 1)
    assert np.abs(pixels[2:6, 2:6].astype(int) - 127).max() <= 4


def test_a_large_jpeg_scaled_while_decoding_equals_one_scaled_afterwards_to_3_levels(tmp_path):
    gradient = Image.linear_gradient("L").resize((1600, 1200)).convert("RGB")
    path = save(tmp_path / "a.jpg", gradient, quality=95)
    whole = np.asarray(Image.open(path).resize((32, 32), Image.Resampling.BICUBIC, box=(200, 0, 1400, 1200)))
    assert np.abs(decode(path, "a", (32, 32), 3).astype(int) - whole).max() <= 3


def test_a_picture_over_100_megapixels_is_refused_by_name(tmp_path):
    path = save(tmp_path / "a.png", Image.new("1", (20_000, 20_000)))
    with pytest.raises(UnsafeDataError, match=r"^oversized: .*a\.png"):
        read_picture(path, (32, 32), 3)


def test_a_picture_over_100_megapixels_is_refused_even_if_pillow_accepts_it(tmp_path):
    path = save(tmp_path / "a.png", Image.new("1", (10_001, 10_000)))
    with pytest.raises(UnsafeDataError, match="10001x10000; the limit is 100 megapixels"):
        read_picture(path, (32, 32), 3)


def test_a_text_file_is_unreadable(tmp_path):
    (tmp_path / "a.jpg").write_text("hello")
    with pytest.raises(DataError, match=r"^unreadable: .*a\.jpg \(not a picture"):
        read_picture(tmp_path / "a.jpg", (32, 32), 3)


def test_a_format_that_would_start_a_program_is_not_opened(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EOF\n")
    with pytest.raises(DataError, match=r"^unreadable"):
        read_picture(tmp_path / "a.jpg", (32, 32), 3)


def test_a_pipe_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(DataError, match="not a file"):
        read_picture(tmp_path / "a.png", (32, 32), 3)


def test_a_missing_file_is_named():
    with pytest.raises(DataError, match=r"^missing: nowhere\.png"):
        read_picture("nowhere.png", (32, 32), 3)


@given(st.integers(1, 400), st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"]))
def test_a_file_cut_anywhere_is_a_data_error_or_a_picture(tmp_path_factory, keep, form):
    buffer = BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(buffer, form)
    path = tmp_path_factory.mktemp("cut") / "a.png"
    path.write_bytes(buffer.getvalue()[:keep])
    assert_a_picture_or_a_named_error(path)


@given(st.binary(max_size=64), st.integers(0, 300))
def test_a_damaged_file_is_a_data_error_or_a_picture(tmp_path_factory, noise, at):
    buffer = BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(buffer, "PNG")
    data = bytearray(buffer.getvalue())
    data[at : at + len(noise)] = noise
    path = tmp_path_factory.mktemp("noise") / "a.png"
    path.write_bytes(data)
    assert_a_picture_or_a_named_error(path)


def test_decoded_pictures_are_resized_like_files(tmp_path, make_picture):
    path = make_picture(tmp_path / "a.png", (40, 30))
    whole = decode(path, "a", (30, 40), 3)
    assert np.array_equal(resize(whole[None], (16, 16))[0], decode(path, "a", (16, 16), 3))


def test_grey_becomes_rgb_and_rgb_grey() -> None:
    grey = np.full((2, 4, 4, 1), 77, dtype=np.uint8)
    assert np.array_equal(as_channels(as_channels(grey, 3), 1), grey)
    assert as_channels(grey, 1) is grey
