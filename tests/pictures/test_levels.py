import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from trine.errors import DataError
from trine.pictures.decode import read_picture
from trine.pictures.levels import float_range, integer_range
from trine.pictures.picture_set import open_pictures


def write(root, levels: dict[str, np.ndarray], suffix: str) -> None:
    for name, pixels in levels.items():
        path = root / f"{name}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)


def means(root) -> dict[str, float]:
    train = open_pictures(root, cut=False).splits["train"]
    return {name: float(image.mean()) for name, image in zip(train.names, train.images, strict=True)}


@pytest.mark.parametrize(("bits", "suffix"), [(10, "png"), (12, "png"), (12, "tif"), (16, "png")])
def test_levels_of_few_bits_in_16_keep_their_range_over_the_whole_set(tmp_path, bits, suffix):
    top = 2**bits - 1
    levels = {f"{label}/{i}": np.full((12, 12), top >> i, np.uint16) for label in ("a", "b") for i in range(3)}
    write(tmp_path / "set", levels, suffix)
    found = means(tmp_path / "set")
    assert [round(found[f"a/{i}.{suffix}"]) for i in range(3)] == [255, 127, 64] if bits > 10 else [255, 127, 64]


@pytest.mark.parametrize(("top", "kind"), [(1.0, np.float32), (3.5, np.float32), (70_000, np.int32)])
def test_floats_and_large_integers_are_scaled_by_the_set(tmp_path, top, kind):
    levels = {f"a/{i}": np.full((12, 12), top * share, kind) for i, share in enumerate((1, 0.5, 0.25))}
    write(tmp_path / "set", levels, "tif")
    found = list(means(tmp_path / "set").values())
    bright = 255 if kind is np.float32 else 255 * 70_000 / 131_071
    assert found == pytest.approx([bright, bright / 2, bright / 4], abs=1)


def test_negative_levels_have_the_range_of_the_set(tmp_path):
    levels = {f"a/{i}": np.full((12, 12), level, np.int32) for i, level in enumerate((-1000, 0, 3000))}
    write(tmp_path / "set", levels, "tif")
    assert list(means(tmp_path / "set").values()) == pytest.approx([0, 64, 255], abs=1)


def test_the_range_is_said_and_kept_for_new_pictures(tmp_path):
    write(tmp_path / "set", {f"a/{i}": np.full((12, 12), 100 * i, np.uint16) for i in range(11)}, "png")
    opened = open_pictures(tmp_path / "set", cut=False)
    assert "integer levels of 11 pictures: 0 to 1023 become 256 levels, the same for the whole set" in opened.remarks
    one = read_picture(tmp_path / "set" / "a" / "5.png", (12, 12), 1, reading=opened.reading)
    assert int(one[0, 0, 0]) == round(500 * 255 / 1023)


def test_pictures_with_nan_are_left_out_by_name(tmp_path):
    levels = {f"a/{i}": np.full((12, 12), 0.5, np.float32) for i in range(3)}
    levels["a/1"][3, :4] = np.nan
    levels["a/2"][0, 0] = np.inf
    write(tmp_path / "set", levels, "tif")
    opened = open_pictures(tmp_path / "set", cut=False)
    assert len(opened.splits["train"]) == 1
    assert [line.split(" (")[1].split(":")[0] for line in opened.skipped] == [
        "4 of its levels are NaN or infinite",
        "1 of its levels are NaN or infinite",
    ]
    with pytest.raises(DataError, match="NaN"):
        read_picture(tmp_path / "set" / "a" / "1.tif", (12, 12), 1)


@given(st.lists(st.tuples(st.integers(0, 2**31), st.integers(0, 2**31)), min_size=1))
def test_integer_ranges_are_powers_of_two_that_hold_every_level(pairs):
    low, high = integer_range([(float(min(pair)), float(max(pair))) for pair in pairs])
    largest = max(max(pair) for pair in pairs)
    assert low == 0
    assert high >= max(255, largest)
    assert (int(high) + 1).bit_count() == 1
    assert high <= max(255, 2 * largest)


@given(st.floats(-1e30, 1e30), st.floats(-1e30, 1e30))
def test_float_ranges_are_never_empty(one, other):
    low, high = float_range([(min(one, other), max(one, other))])
    assert high > low


def icon(colour: tuple[int, int, int], mode: str = "RGBA") -> Image.Image:
    picture = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    picture.paste((*colour, 255), (5, 5, 15, 15))
    return picture.convert(mode)


@pytest.mark.parametrize(
    ("colour", "mode"), [((255, 255, 255), "RGBA"), ((250, 250, 250), "LA"), ((240, 255, 230), "P")]
)
def test_a_bright_icon_on_transparency_does_not_vanish(tmp_path, colour, mode):
    icon(colour, mode).save(tmp_path / "a.png")
    pixels = read_picture(tmp_path / "a.png", (20, 20), 1)[..., 0].astype(int)
    assert pixels[10, 10] - pixels[1, 1] > 150


@pytest.mark.parametrize("colour", [(0, 0, 0), (200, 0, 0), (90, 90, 250)])
def test_a_dark_icon_on_transparency_is_on_white(colour):
    pixels = read_picture(icon(colour), (20, 20), 3)
    assert pixels[1, 1].tolist() == [255, 255, 255]
    assert pixels[10, 10].tolist() == list(colour)


@pytest.mark.parametrize(
    ("mode", "suffix", "level"), [("1", "png", 255), ("L", "png", 200), ("LA", "png", 200), ("CMYK", "jpg", 200)]
)
def test_modes_of_8_bits_keep_their_levels(tmp_path, mode, suffix, level):
    Image.new("L", (16, 16), 200).convert("RGB" if mode == "CMYK" else mode).convert(mode).save(
        tmp_path / f"a.{suffix}"
    )
    assert abs(int(read_picture(tmp_path / f"a.{suffix}", (16, 16), 1)[8, 8, 0]) - level) <= 3


def png_of_16_bits(levels: np.ndarray) -> bytes:
    """A PNG file of RGB with 16 bits per channel, which Pillow cannot write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", levels.shape[1], levels.shape[0], 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in levels)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def test_colours_of_12_bits_in_16_keep_their_levels(tmp_path):
    (tmp_path / "set").mkdir()
    for i, share in enumerate((1, 2, 4)):
        levels = np.full((12, 12, 3), (4095 // share, 2000 // share, 0), np.uint16)
        (tmp_path / "set" / f"{i}.png").write_bytes(png_of_16_bits(levels))
    opened = open_pictures(tmp_path / "set", cut=False)
    found = [image[6, 6].tolist() for image in opened.splits["train"].images]
    assert found == [[255, 125, 0], [127, 62, 0], [64, 31, 0]]
    assert "integer levels of 3 pictures: 0 to 4095 become 256 levels, the same for the whole set" in opened.remarks


def test_colours_of_16_bits_are_scaled_by_257():
    levels = np.array([[[0, 257, 65_535], [32_896, 100, 600]]] * 2, np.uint16)
    assert read_picture(png_of_16_bits(levels), (2, 2), 3)[0].tolist() == [[0, 1, 255], [128, 0, 2]]
