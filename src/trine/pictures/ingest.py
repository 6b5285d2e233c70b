"""From a source to the store: read every header, choose size and channels, decode in parallel, keep the order."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np
from jaxtyping import UInt8

from trine.errors import DataError
from trine.pictures.decode import Header, decode, quiet_pillow, read_header, resize
from trine.pictures.entries import SPLITS, Arrays, Entry, Files, Source, natural_order
from trine.pictures.store import StoreWriter
from trine.progress import counted

SIZES = (32, 48, 64, 96)
"""Sides of squares, in pixels, that pictures of different sizes are scaled to. Larger ones must be set by the user:
training time grows with the square of the side."""
NATIVE = range(8, 257)
"""Sides, in pixels, of pictures that keep their size if all share it."""
BATCH = 256
"""Pictures decoded and written to the store at a time."""

Pixels = UInt8[np.ndarray, "height width channels"]
Advance = Callable[[int], None]
T = TypeVar("T")


def ingest(source: Source, writer: StoreWriter, workspace: Path, size: int | None, progress: bool) -> None:
    """Write all pictures of a source to the store, at one size (see `chosen_shape`)."""
    content = source.read(workspace)
    if isinstance(content, Arrays):
        _ingest_arrays(content, writer, size)
    else:
        with quiet_pillow(), ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 16)) as pool:
            _ingest_files(content, writer, size, pool, progress)


def chosen_shape(shapes: Sequence[tuple[int, int]], size: int | None) -> tuple[int, int]:
    """Height and width of every picture in the store.

    A square of `size`; or the pictures' own shape when all share one of 8 to 256 pixels a side; or else the largest
    square of 32, 48, 64 and 96 pixels a side that is not larger than the median short side.
    """
    if size is not None:
        return size, size
    if len(set(shapes)) == 1 and all(side in NATIVE for side in shapes[0]):
        return shapes[0]
    short = median(min(shape) for shape in shapes)
    side = max((size for size in SIZES if size <= short), default=SIZES[0])
    return side, side


def _ingest_arrays(arrays: Arrays, writer: StoreWriter, size: int | None) -> None:
    for block in arrays.blocks:
        height, width = block.images.shape[1:3]
        images = resize(block.images, chosen_shape([(height, width)], size))
        writer.add(block.split, images, block.labels, [(block.name, len(images))])
    writer.finish(arrays.classes, [])


def _ingest_files(
    files: Files, writer: StoreWriter, size: int | None, pool: ThreadPoolExecutor, progress: bool
) -> None:
    entries = sorted(files.entries, key=lambda entry: SPLITS.index(entry.split))
    skipped = list(files.skipped)
    with counted("Reading pictures", 2 * len(entries), progress) as advance:
        headed = list(_readable(pool, lambda entry: read_header(entry.path, entry.name), entries, skipped, advance))
        if not headed:
            raise _nothing_readable(len(entries), skipped)
        shape, channels = _common([header for _, header in headed], size)
        classes = sorted({entry.label for entry, _ in headed if entry.label is not None}, key=natural_order)
        kept = [entry for entry, _ in headed]
        decoded = _readable(pool, lambda entry: decode(entry.path, entry.name, shape, channels), kept, skipped, advance)
        for batch in _batches(decoded):
            _add(batch, classes, writer)
    if not writer.splits:
        raise _nothing_readable(len(entries), skipped)
    writer.finish(classes, skipped)


def _nothing_readable(count: int, skipped: list[str]) -> DataError:
    return DataError(f"no picture of {count} can be read; the first: {skipped[0]}")


def _common(headers: Sequence[Header], size: int | None) -> tuple[tuple[int, int], int]:
    """The shape and number of channels of all pictures in the store."""
    shape = chosen_shape([(header.height, header.width) for header in headers], size)
    return shape, 1 if all(header.grey for header in headers) else 3


def _readable(
    pool: ThreadPoolExecutor, read: Callable[[Entry], T], entries: list[Entry], skipped: list[str], advance: Advance
) -> Iterator[tuple[Entry, T]]:
    """Each entry with what `read` returns for it, read in parallel, in order. Errors are appended to `skipped`."""

    def attempt(entry: Entry) -> T | DataError:
        try:
            return read(entry)
        except DataError as error:
            return error

    for start in range(0, len(entries), BATCH):
        batch = entries[start : start + BATCH]
        for entry, result in zip(batch, pool.map(attempt, batch), strict=True):
            if isinstance(result, DataError):
                skipped.append(str(result))
            else:
                yield entry, result
        advance(len(batch))


def _batches(decoded: Iterator[tuple[Entry, Pixels]]) -> Iterator[list[tuple[Entry, Pixels]]]:
    """Batches of at most `BATCH` pictures, each of one split."""
    for _, run in groupby(decoded, key=lambda pair: pair[0].split):
        batch: list[tuple[Entry, Pixels]] = []
        for pair in run:
            batch.append(pair)
            if len(batch) == BATCH:
                yield batch
                batch = []
        if batch:
            yield batch


def _add(batch: list[tuple[Entry, Pixels]], classes: list[str], writer: StoreWriter) -> None:
    index = {name: i for i, name in enumerate(classes)}
    labels = [index[entry.label] for entry, _ in batch if entry.label is not None]
    writer.add(
        batch[0][0].split,
        np.stack([pixels for _, pixels in batch]),
        np.array(labels, np.int64) if labels else None,
        [(entry.name, 1) for entry, _ in batch],
    )
