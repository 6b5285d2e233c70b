"""A picture may be a path, bytes, an open file, a PIL image or an array: each gives the same pixels."""

import tempfile
import zipfile
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from PIL import Image

from trine.errors import DataError, UnsafeDataError
from trine.pictures import decode
from trine.pictures.decode import read_picture
from trine.pictures.given import picture_name

MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")
LOSSLESS = {
    "PNG": MODES,
    "TIFF": MODES,
    "GIF": MODES[:-1],
    "BMP": ("1", "L", "P", "RGB", "RGBA"),
    "PPM": ("1", "L", "RGB", "RGBA", "I;16"),
}
"""Formats that lose no level, and the modes that Pillow writes in each."""
LEVELS = npst.arrays(
    np.uint8,
    st.tuples(st.integers(1, 20), st.integers(1, 20)).flatmap(
        lambda size: st.sampled_from([size, (*size, 1), (*size, 3), (*size, 4)])
    ),
)


def encoded(image: Image.Image, form: str = "PNG", **options: Any) -> bytes:
    buffer = BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def picture(mode: str = "RGB", width: int = 14, height: int = 9) -> Image.Image:
    levels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    if mode == "I;16":
        return Image.fromarray(levels[..., 0].astype(np.uint16) * 251)
    image = Image.fromarray(levels)
    if mode in ("LA", "RGBA"):
        image.putalpha(Image.fromarray(levels[..., 1]))
    return image.convert(mode)


@given(LEVELS, st.integers(1, 16), st.sampled_from([1, 3]))
def test_an_array_and_its_image_give_the_pixels_of_its_file(tmp_path_factory, levels, side, channels):
    image = Image.fromarray(levels[..., 0] if levels.shape[2:] == (1,) else levels)
    path = tmp_path_factory.mktemp("array") / "a.png"
    path.write_bytes(encoded(image))
    pixels = read_picture(path, (side, side), channels)
    for same in (levels, np.asfortranarray(levels), image, path.read_bytes()):
        assert np.array_equal(read_picture(same, (side, side), channels), pixels)


@pytest.mark.parametrize(("form", "mode"), [(form, mode) for form, modes in LOSSLESS.items() for mode in modes])
@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("size", [(9, 14), (5, 5)])
def test_bytes_open_files_and_images_give_the_pixels_of_the_path(tmp_path, form, mode, orientation, size):
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(picture(mode), form, **({"exif": exif} if form in ("PNG", "TIFF") else {}))
    path = tmp_path / "a"
    path.write_bytes(data)
    with path.open("rb") as file, Image.open(BytesIO(data)) as image, Image.open(BytesIO(data)) as second:
        pictures = [str(path), data, bytearray(data), memoryview(data), BytesIO(data), file, image, second.copy()]
        pixels = [read_picture(same, size, 3) for same in pictures]
    assert all(np.array_equal(same, read_picture(path, size, 3)) for same in pixels)


@pytest.mark.parametrize("mode", MODES)
def test_a_rotated_tiff_file_of_any_mode_is_turned_upright(tmp_path, mode):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "a.tif").write_bytes(encoded(picture(mode), "TIFF", exif=exif))
    upright = np.rot90(read_picture(encoded(picture(mode), "TIFF"), (9, 14), 3), -1)
    assert np.array_equal(read_picture(tmp_path / "a.tif", (14, 9), 3), upright)


def test_bytes_of_a_jpeg_are_scaled_as_the_file_is(tmp_path):
    data = encoded(picture(width=600, height=400), "JPEG")
    (tmp_path / "a.jpg").write_bytes(data)
    assert np.array_equal(read_picture(data, (32, 32), 3), read_picture(tmp_path / "a.jpg", (32, 32), 3))


def test_an_open_file_is_read_from_its_position_to_its_end():
    data, file = encoded(picture()), BytesIO(b"title" + encoded(picture()))
    file.seek(5)
    assert np.array_equal(read_picture(file, (8, 8), 3), read_picture(data, (8, 8), 3))
    with pytest.raises(DataError, match=r"^unreadable: picture 2 \(not a picture"):
        read_picture(file, (8, 8), 3, "picture 2")


def test_a_file_that_cannot_seek_and_gives_a_few_bytes_at_a_time_is_read():
    class Pipe:
        def __init__(self) -> None:
            self.file = BytesIO(encoded(picture()))

        def read(self, size: int = -1) -> bytes:
            return self.file.read(min(size, 7))

    assert np.array_equal(read_picture(Pipe(), (8, 8), 3), read_picture(picture(), (8, 8), 3))


def test_files_inside_archives_and_temporary_files_are_open_files(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.png", encoded(picture()))
    with tempfile.SpooledTemporaryFile() as spooled, zipfile.ZipFile(tmp_path / "a.zip") as archive:
        spooled.write(encoded(picture()))
        spooled.seek(0)
        with archive.open("a.png") as inside:
            for file in (spooled, inside):
                assert np.array_equal(read_picture(file, (8, 8), 3), read_picture(picture(), (8, 8), 3))


@given(LEVELS, st.integers(1, 16), st.sampled_from([1, 3]))
def test_the_callers_image_and_array_are_not_changed(levels, side, channels):
    before, image = levels.copy(), Image.fromarray(levels[..., 0] if levels.shape[2:] == (1,) else levels)
    kept = image.copy()
    for same in (levels, image):
        pixels = read_picture(same, (side, side), channels).copy()
        pixels[:] = 0
    assert np.array_equal(levels, before)
    assert image == kept


def test_an_image_that_the_caller_opened_keeps_its_size_and_stays_open():
    with Image.open(BytesIO(encoded(picture(width=640, height=480), "JPEG"))) as image:
        read_picture(image, (8, 8), 3)
        assert image.size == (640, 480)
        assert image.getpixel((639, 479))


def test_the_current_frame_of_an_animation_that_the_caller_opened_is_read():
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    with Image.open(BytesIO(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]))) as image:
        image.seek(1)
        assert read_picture(image, (8, 8), 3)[0, 0].tolist() == [0, 0, 255]
        assert image.tell() == 1


@pytest.mark.parametrize(
    ("array", "given"),
    [
        (np.zeros((4, 4), np.float32), r"float32, shape \(4, 4\)"),
        (np.zeros((4, 4, 3), bool), r"bool, shape \(4, 4, 3\)"),
        (np.zeros((4, 4, 2), np.uint8), r"uint8, shape \(4, 4, 2\)"),
        (np.zeros((3, 32, 32), np.uint8), r"uint8, shape \(3, 32, 32\)"),
        (np.zeros((1, 4, 4, 3), np.uint8), r"uint8, shape \(1, 4, 4, 3\)"),
        (np.zeros(4, np.uint8), r"uint8, shape \(4,\)"),
        (np.zeros((0, 4), np.uint8), r"uint8, shape \(0, 4\)"),
    ],
)
def test_the_error_for_an_array_of_another_type_or_shape_says_what_to_give(array, given):
    with pytest.raises(DataError, match=rf"^unreadable: picture 3 \(an array of {given}: give uint8 levels of shape"):
        read_picture(array, (8, 8), 3, "picture 3")


def test_the_limit_of_100_megapixels_holds_for_arrays_images_and_bytes():
    small = np.zeros((1, 1), np.uint8)
    huge = Image.new("1", (10_001, 10_000))
    for large in (np.broadcast_to(small, (10_000, 10_001)), huge, encoded(huge)):
        with pytest.raises(UnsafeDataError, match=r"^oversized: picture 3 \(10001x10000; the limit is 100"):
            read_picture(large, (8, 8), 3, "picture 3")


def test_a_file_without_end_is_read_up_to_a_limit(monkeypatch):
    class Endless:
        def read(self, size: int = -1) -> bytes:
            return bytes(size)

    monkeypatch.setattr(decode, "MAX_BYTES", 2**22)
    with pytest.raises(UnsafeDataError, match=r"^oversized: picture \(the limit is 4 MiB\)"):
        read_picture(Endless(), (8, 8), 3)


def test_the_error_for_closed_and_text_files_says_how_to_open_them(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(picture()))
    with (tmp_path / "a.png").open("rb") as closed:
        pass
    with (tmp_path / "b.png").open("wb") as written, (tmp_path / "a.png").open(encoding="utf-8") as text:
        for file, why in ((closed, "closed or only written to"), (written, "closed or"), (text, "open as text")):
            with pytest.raises(DataError, match=rf"^unreadable: a \(the file is {why}.*: open it with 'rb'\)"):
                read_picture(file, (8, 8), 3, "a")
    with pytest.raises(DataError, match="open as text"):
        read_picture(StringIO("text"), (8, 8), 3)


def test_images_that_are_closed_empty_or_of_a_refused_format_are_data_errors():
    closed = Image.open(BytesIO(encoded(picture())))
    closed.close()
    icon = Image.open(BytesIO(encoded(picture(), "SGI")))
    for image, why in ((closed, "."), (Image.new("L", (0, 3)), "0x3 pixels"), (icon, "the format SGI is not read")):
        with pytest.raises(DataError, match=rf"^unreadable: picture \({why}"):
            read_picture(image, (8, 8), 3)
    assert read_picture(icon.convert("RGB"), (8, 8), 3).shape == (8, 8, 3)


@pytest.mark.parametrize("data", [b"", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n%%EOF\n", encoded(picture(), "SGI")])
def test_bytes_that_are_no_picture_of_an_allowed_format_are_refused(data):
    with pytest.raises(DataError, match=r"^unreadable: picture 3 \(not a picture, or of an unknown format\)"):
        read_picture(data, (8, 8), 3, "picture 3")


@given(st.binary(max_size=64), st.integers(0, 300))
def test_damaged_bytes_are_a_data_error_or_a_picture(noise, at):
    data = bytearray(encoded(picture()))
    data[at : at + len(noise)] = noise
    try:
        kind = str(read_picture(data, (8, 8), 3).shape)
    except DataError as error:
        kind = str(error).split(": ")[0]
    assert kind in ("(8, 8, 3)", "truncated", "unreadable", "oversized")


def test_the_error_for_an_object_that_is_no_picture_lists_the_kinds():
    with pytest.raises(DataError, match=r"^unreadable: picture 3 \(list is no picture: give a path, bytes, an open"):
        decode._image([[0, 255]], "picture 3")  # called directly: tests enforce the types of all other functions


def test_a_name_replaces_the_path_in_messages():
    with pytest.raises(DataError, match=r"^missing: the cat \(no such file\)"):
        read_picture("nowhere.png", (8, 8), 3, "the cat")
    assert picture_name(Path("a.png"), 3) == picture_name("a.png", 3) == "a.png"
    assert picture_name(b"", 3) == "picture 3"
