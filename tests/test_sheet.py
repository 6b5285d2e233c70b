import io
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.texts import written
from trine.errors import RunError, UsageError
from trine.sheet import gif, grid, grid_png, labelled_png, pairs_png, write_pictures


def numbered(count: int, size: int = 4, channels: int = 1) -> np.ndarray:
    """Pictures with one level each: 10, 20, …"""
    return (
        np.arange(10, 10 * count + 1, 10, dtype=np.uint8)[:, None, None, None]
        .repeat(size, 1)
        .repeat(size, 2)
        .repeat(channels, 3)
    )


def decoded(content: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)


def test_a_grid_has_each_picture_once_in_reading_order() -> None:
    sheet = grid(numbered(5), columns=3)
    assert sheet.shape == (11, 16, 1)
    assert [int(sheet[row, column, 0]) for row in (2, 7) for column in (2, 7, 12)] == [10, 20, 30, 40, 50, 255]


def test_small_pictures_are_enlarged_and_large_ones_are_not() -> None:
    assert decoded(grid_png(numbered(1, size=4))).shape == (64 + 2 * 16, 64 + 2 * 16)
    assert decoded(grid_png(numbered(1, size=100, channels=3))).shape == (102, 102, 3)


@pytest.mark.parametrize("count", [2, 4, 5])
def test_each_original_stands_above_its_reconstruction(count: int) -> None:
    originals = numbered(count, size=64)
    sheet = decoded(pairs_png(originals, originals + 1, columns=4))
    centres = sheet[33::65, 33::65]
    for index in range(count):
        row, column = 2 * (index // 4), index % 4
        assert centres[row, column] == 10 * (index + 1)
        assert centres[row + 1, column] == centres[row, column] + 1


def test_an_animation_runs_forwards_and_backwards() -> None:
    strips = np.stack([numbered(5), numbered(5)])
    with Image.open(io.BytesIO(gif(strips))) as image:
        assert image.n_frames == 8


def test_a_stream_of_pictures_becomes_a_grid_an_array_or_files(tmp_path: Path) -> None:
    images = numbered(5, channels=3)
    for name in ("grid.png", "all.npy", "many"):
        write_pictures(iter([images[:2], images[2:]]), 5, tmp_path / name)
    assert np.array_equal(decoded((tmp_path / "grid.png").read_bytes()), decoded(grid_png(images)))
    assert np.array_equal(np.load(tmp_path / "all.npy"), images)
    files = sorted((tmp_path / "many").iterdir())
    assert [path.name for path in files] == ["0.png", "1.png", "2.png", "3.png", "4.png"]
    with Image.open(files[3]) as image:
        assert np.array_equal(np.asarray(image), images[3])


def test_a_million_pictures_need_no_more_memory_than_a_few(tmp_path: Path) -> None:
    """At most two blocks of the stream exist at the same time."""
    blocks: list[weakref.ref[np.ndarray]] = []
    alive: list[int] = []

    def stream() -> Iterator[np.ndarray]:
        for _ in range(200):
            block = np.zeros((5000, 2, 2, 1), np.uint8)
            blocks.append(weakref.ref(block))
            alive.append(sum(reference() is not None for reference in blocks))
            yield block

    write_pictures(stream(), 1_000_000, tmp_path / "all.npy")
    assert np.load(tmp_path / "all.npy", mmap_mode="r").shape == (1_000_000, 2, 2, 1)
    assert max(alive) <= 2


def test_too_many_pictures_for_a_grid_and_unknown_suffixes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a grid of 20,000 pictures"):
        write_pictures(iter([]), 20_000, tmp_path / "grid.png")
    with pytest.raises(UsageError, match=r"give a \.png file"):
        write_pictures(iter([]), 1, tmp_path / "x.bmp")


def test_a_path_that_cannot_be_written_is_a_one_line_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="file") as raised:
        write_pictures(iter([numbered(1)]), 1, tmp_path / "file")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (28, 3), (300, 3)])
def test_a_sheet_with_labels_names_rows_and_columns_and_keeps_every_pixel(side, channels):
    images = np.random.default_rng(0).integers(0, 256, (12, side, side, channels), dtype=np.uint8)
    rows, columns = ["first row\nof three", "second", "third"], ["a", "b", "c", "a long name"]
    with written() as texts:
        labelled_png(images, rows, columns, "a heading that is longer than the sheet is wide", framed=[(1, 2)])
    texts.check()
    assert [text for text in texts.texts if text in rows] == rows
    assert {"a", "c"} <= set(texts.texts), "of names that would overlap, some are left out"
    axes = texts.figure.axes[0]
    assert axes.get_window_extent().width >= 0.9 * 4 * side
    (frame,) = axes.patches
    assert frame.get_x() > 2 * side
    assert frame.get_y() > side
