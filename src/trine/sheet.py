"""Pictures for people: grids, pairs, animations. And generated pictures as files, any number of them."""

import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from trine import files
from trine.drawing import STYLE, figure, picture_png, png, styled
from trine.errors import RunError, UsageError
from trine.labels import width

Pictures = UInt8[np.ndarray, "n height width channels"]
MOST_IN_A_GRID = 10_000
"""Largest number of pictures in one PNG: a larger picture cannot be viewed."""
OPACITY = 4
"""Number of channels of pictures with transparency."""
CHECKS, CHECKERED = 8, (102, 153)
"""Squares per side of the board that is laid below transparent pictures, and its levels: black and white differ from
both."""
SMALLEST_SIDE = 64
"""Pictures with a smaller side, in pixels, are enlarged in sheets."""
CELL = 0.85
"""Longer side of a picture in a sheet with labels, in inches."""
LETTER, HEADING_LETTER = 0.1, 0.11
"""Width of a letter of a label and of the heading, in inches."""
TOP, MARGIN = 0.75, 0.25
"""Height of heading and column labels, and space at the other edges, in inches."""
MOST_PIXELS = 12_000
"""Largest side of a sheet with labels."""


def over_board(images: Pictures) -> Pictures:
    """Pictures with opacity as RGB, over a board of grey squares; others as they are."""
    if images.shape[-1] != OPACITY:
        return images
    rows, columns = np.indices(images.shape[1:3]) * CHECKS // max(images.shape[1:3])
    board = np.array(CHECKERED)[(rows + columns) % 2][..., None]
    opacity = images[..., 3:] / 255
    blended: Pictures = np.rint(images[..., :3] * opacity + board * (1 - opacity)).astype(np.uint8)
    return blended


def grid(images: Pictures, columns: int | None = None, gap: int = 1) -> UInt8[np.ndarray, "rows columns channels"]:
    """Pictures in rows on a white background; transparent ones over a board of grey squares.

    columns   pictures per row; without, about as many as rows
    gap       width of the lines between pictures, in pixels
    """
    images = over_board(images)
    columns = columns or max(1, round(len(images) ** 0.5))
    rows = -(-len(images) // columns)
    _, height, width, channels = images.shape
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, channels), 255, np.uint8)
    for index, image in enumerate(images):
        top, left = (index // columns) * (height + gap) + gap, (index % columns) * (width + gap) + gap
        sheet[top : top + height, left : left + width] = image
    return sheet


def grid_png(images: Pictures, columns: int | None = None) -> bytes:
    """`grid` as a PNG; small pictures are enlarged."""
    factor = _factor(images)
    return picture_png(grid(_enlarged(images, factor), columns, gap=factor))


def pairs_png(originals: Pictures, reconstructions: Pictures, columns: int = 10) -> bytes:
    """Originals, each above its reconstruction, as a PNG."""
    columns = min(columns, len(originals))
    padding = np.full((-len(originals) % columns, *originals.shape[1:]), 255, np.uint8)
    both = (originals, reconstructions)
    rows = [np.concatenate([images, padding]).reshape(-1, columns, *images.shape[1:]) for images in both]
    return grid_png(np.concatenate(rows, axis=1).reshape(-1, *originals.shape[1:]), columns)


@styled
def labelled_png(
    images: Pictures,
    rows: Sequence[str],
    columns: Sequence[str] = (),
    heading: str = "",
    framed: Sequence[tuple[int, int]] = (),
) -> bytes:
    """Pictures in rows with a label each, as a PNG.

    columns   texts above the columns; where they would overlap, some are left out
    framed    (row, column) of pictures that are marked by a frame
    """
    across, beside = len(images) // len(rows), max(max(map(width, text.split("\n"))) for text in rows)
    cell_high, cell_wide = (CELL * side / max(images.shape[1:3]) for side in images.shape[1:3])
    left, right, high = beside * LETTER + MARGIN, across * cell_wide + MARGIN, len(rows) * cell_high + TOP + MARGIN
    spare = max(0.0, width(heading) * HEADING_LETTER - left - right)
    wide = left + right + spare
    drawn, axes = figure(width=wide, height=high)
    drawn.set_layout_engine("none")
    axes.set_position(
        ((left + spare / 2) / wide, MARGIN / high, across * cell_wide / wide, len(rows) * cell_high / high),
    )
    side = max(images.shape[1:3])
    gap = max(1, side // 14)
    sheet = grid(images, across, gap)
    drawn.set_dpi(min(max(STYLE["figure.dpi"], side / CELL), MOST_PIXELS / max(drawn.get_size_inches())))
    axes.imshow(sheet.squeeze(), cmap="gray", vmin=0, vmax=255)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0, top=False, labeltop=True, labelbottom=False)
    height, pitch = images.shape[1] + gap, images.shape[2] + gap
    axes.set_yticks(np.arange(len(rows)) * height + (height + gap) / 2 - 0.5, rows)
    step = max(1, math.ceil((max(map(width, columns), default=0) + 1) * LETTER / cell_wide))
    axes.set_xticks((np.arange(len(columns)) * pitch + (pitch + gap) / 2 - 0.5)[::step], columns[::step])
    for row, column in framed:
        axes.add_patch(_frame(column * pitch + gap / 2 - 0.5, row * height + gap / 2 - 0.5, pitch, height))
    drawn.suptitle(heading, y=1 - 0.1 / high)
    return png(drawn)


def _frame(left: float, top: float, across: float, down: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((left, top), across, down, fill=False, edgecolor="tab:orange", linewidth=4)


def gif(strips: UInt8[np.ndarray, "rows steps height width channels"], milliseconds: int = 80) -> bytes:
    """Strips side by side as one animation that runs forwards and backwards; `milliseconds` per step."""
    order = [*range(strips.shape[1]), *range(strips.shape[1] - 2, 0, -1)]
    frames = [_enlarged(strips[:, step], _factor(strips[0])) for step in order]
    first, *others = [_image(grid(images, columns=len(images))) for images in frames]
    buffer = io.BytesIO()
    first.save(buffer, format="GIF", save_all=True, append_images=others, duration=milliseconds, loop=0)
    return buffer.getvalue()


def write_pictures(stream: Iterable[Pictures], count: int, out: Path) -> Path:
    """Write a stream of pictures: a grid in a .png file, one array in a .npy file, or one file each in a folder.

    The memory of an array and of a folder does not grow with the number of pictures.

    count   number of pictures in the stream
    Raises `UsageError`, `RunError`.
    """
    if out.suffix.lower() == ".png":
        if count > MOST_IN_A_GRID:
            raise UsageError(f"{out}: a grid of {count:,} pictures is too large: give a folder or a .npy file")
        files.write_bytes(out, grid_png(np.concatenate(list(stream))))
    elif out.suffix.lower() == ".npy":
        _write_array(stream, count, out)
    elif out.suffix:
        raise UsageError(f"{out}: give a .png file for a grid, a .npy file for an array, or a folder for single files")
    else:
        _write_each(stream, count, out)
    return out


def _write_array(stream: Iterable[Pictures], count: int, out: Path) -> None:
    with files.writing(out) as part, part.open("wb") as file:
        for number, images in enumerate(stream):
            if number == 0:
                header = {"descr": "|u1", "fortran_order": False, "shape": (count, *images.shape[1:])}
                np.lib.format.write_array_header_1_0(file, header)
            file.write(images.tobytes())


def _write_each(stream: Iterable[Pictures], count: int, out: Path) -> None:
    digits = len(str(count - 1))
    own = {f"{number:0{digits}}.png" for number in range(count)}
    try:
        out.mkdir(parents=True, exist_ok=True)
        if others := sorted(path.name for path in out.glob("*.png") if path.name not in own):
            raise UsageError(f"{out}: holds other pictures, such as {others[0]}: name another folder, or remove them")
        for number, image in enumerate(image for images in stream for image in images):
            _image(image).save(out / f"{number:0{digits}}.png", compress_level=1)
    except OSError as problem:
        raise RunError(files.explain(problem, out)) from problem


def _image(picture: UInt8[np.ndarray, "height width channels"]) -> Image.Image:
    return Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)


def _factor(images: Pictures) -> int:
    """Factor by which a sheet enlarges its pictures."""
    return max(1, SMALLEST_SIDE // int(max(images.shape[1:3])))


def _enlarged(images: Pictures, factor: int) -> UInt8[np.ndarray, "n rows columns channels"]:
    return images.repeat(factor, 1).repeat(factor, 2)
