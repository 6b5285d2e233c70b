"""From a source to the store: read every header, choose size and channels, decode in parallel, keep the order."""

import math
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np

from trine.annotations import UInt8
from trine.errors import DataError
from trine.pictures.decode import Header, decode, quiet_pillow, read_header, resize
from trine.pictures.entries import SPLITS, Arrays, Entry, Files, Source, class_name, listed, natural_order, readable
from trine.pictures.framing import Frame, frame_of
from trine.pictures.levels import float_range, integer_range
from trine.pictures.reading import Aspect, Fit, Reading
from trine.pictures.store import StoreWriter
from trine.plurals import quantity
from trine.progress import counted

SIZES = (32, 48, 64, 96)
"""Sides of squares, in pixels, that pictures of different sizes are scaled to. Larger ones must be set by the user:
training time grows with the square of the side."""
NATIVE = range(8, 257)
"""Sides, in pixels, of pictures that keep their size if all share it."""
BATCH, BATCH_BYTES = 256, 2**25
"""Most pictures, and most bytes, that are decoded and written to the store at a time: 32 MiB."""
LEGIBLE = 96
"""Side of a square, in pixels, up to which a padded picture keeps its own size."""

Pixels = UInt8[np.ndarray, "height width channels"]
Advance = Callable[[int], None]
ALIKE, MOST, LONGEST = 1.1, 2 / 3, 4.0
"""Aspect ratios that count as alike, by which factor; the share of pictures that makes one common; the longest."""
EXACT = 0.01
"""Largest share by which whole pixels may miss a common ratio: beyond 2 %, pictures are padded."""
T = TypeVar("T")


@dataclass(frozen=True)
class Wanted:
    """What the caller wants: a side in pixels or height and width, else the aspect; and how pictures are read."""

    size: int | tuple[int, int] | None = None
    aspect: Aspect = "own"
    reading: Reading = field(default_factory=Reading)
    levels: bool = True
    """Whether the range of deep levels is taken from the set; else it is that of `reading`."""
    transparency: bool = False
    """Whether opacity is kept as a fourth channel if a pixel of the set is not opaque."""


def ingest(source: Source, writer: StoreWriter, workspace: Path, wanted: Wanted, progress: bool) -> None:
    """Write all pictures of a source to the store, at one size (see `chosen_shape`)."""
    content = source.read(workspace)
    if isinstance(content, Arrays):
        _ingest_arrays(content, writer, wanted)
    else:
        with quiet_pillow(), ThreadPoolExecutor(max_workers=min(os.cpu_count() or 1, 16)) as pool:
            _ingest_files(content, writer, wanted, pool, progress)


def chosen_shape(shapes: Sequence[tuple[int, int]], wanted: Wanted) -> tuple[int, int]:
    """Height and width of every picture in the store.

    What is wanted; or the pictures' own shape when all share one of 8 to 256 pixels a side; or else the largest square
    of 32, 48, 64 and 96 pixels a side that is not larger than the median side (see `_side`). With the aspect `common`,
    it is a rectangle with about as many pixels if most pictures have one aspect ratio (see `common_ratio`).
    """
    if wanted.size is not None:
        return (wanted.size, wanted.size) if isinstance(wanted.size, int) else wanted.size
    if len(set(shapes)) == 1 and all(side in NATIVE for side in shapes[0]):
        height, width = shapes[0]
        if height == width or wanted.aspect != "square":
            return height, width
        side = round(_side((height, width), wanted.reading.fit))
        return (side, side) if side <= LEGIBLE else (_legible(height, width, side),) * 2
    if wanted.aspect == "common" and (ratio := common_ratio(shapes)) is not None:
        return _rectangle(ratio, _standard(median(math.sqrt(height * width) for height, width in shapes)))
    return (_standard(median(_side(shape, wanted.reading.fit) for shape in shapes)),) * 2


def common_ratio(shapes: Sequence[tuple[int, int]]) -> float | None:
    """Height by width of most pictures: two in three are within a tenth of it. None: there is none, or it is about 1.

    Ratios beyond 1:4 are no common ones: a few pixels across would show nothing.
    """
    ratios = [height / width for height, width in shapes]
    middle = median(ratios)
    alike = sum(1 / ALIKE <= ratio / middle <= ALIKE for ratio in ratios)
    extreme = max(middle, 1 / middle)
    return middle if MOST * len(ratios) <= alike and ALIKE < extreme <= LONGEST else None


def _rectangle(ratio: float, side: int) -> tuple[int, int]:
    """Height and width of this ratio but for one percent, with about as many pixels as the square has."""
    middle = round(side * math.sqrt(ratio))
    heights = range(middle - side // 16, middle + side // 16 + 1)
    height = min(heights, key=lambda height: (_misses(height, ratio) > EXACT, abs(height - middle)))
    return height, round(height / ratio)


def _misses(height: int, ratio: float) -> float:
    """How far the ratio of whole pixels is from the one that is wanted, as a share of it."""
    return abs(height / round(height / ratio) / ratio - 1)


def _standard(middle: float) -> int:
    """The largest of `SIZES` that is not larger."""
    return max((side for side in SIZES if side <= middle), default=SIZES[0])


def _side(shape: tuple[int, int], fit: Fit) -> float:
    """Side of the square in which a picture keeps its details: the short one if it is cropped, the long if padded."""
    frame = frame_of(shape, (1, 1), fit)
    if frame == "pad":
        return max(shape)
    return math.sqrt(shape[0] * shape[1]) if frame == "squash" else min(shape)


def _legible(height: int, width: int, side: int) -> int:
    """A side between 96 pixels and `side` with about as many pixels as the picture has."""
    return min(side, max(LEGIBLE, round(math.sqrt(height * width))))


def _ingest_arrays(arrays: Arrays, writer: StoreWriter, wanted: Wanted) -> None:
    shapes, counts = set[tuple[int, int]](), Counter[Frame]()
    for block in arrays.blocks:
        height, width, channels = block.images.shape[1:]
        shape = chosen_shape([(height, width)], wanted)
        shapes.add(shape)
        counts[frame_of((height, width), shape, wanted.reading.fit)] += len(block.images)
        step = _at_once(shape, channels)
        for start in range(0, len(block.images), step):
            images = resize(block.images[start : start + step], shape, wanted.reading)
            labels = None if block.labels is None else block.labels[start : start + step]
            writer.add(block.split, images, labels, [])
        writer.name(block.split, block.name, len(block.images))
    if len(shapes) > 1:
        raise DataError(f"the splits have pictures of different sizes ({sorted(shapes)}): set picture_size")
    writer.finish(arrays.classes, [], [*arrays.remarks, *_frame_remarks(counts)], wanted.reading)


def _ingest_files(files: Files, writer: StoreWriter, wanted: Wanted, pool: ThreadPoolExecutor, progress: bool) -> None:
    entries, remarks = _with_class_names(sorted(files.entries, key=lambda entry: SPLITS.index(entry.split)))
    skipped = list(files.skipped)
    with counted("Reading pictures", 2 * len(entries), progress) as advance:
        head = partial(_headed, transparency=wanted.transparency)
        headed = list(_readable(pool, head, entries, skipped, advance))
        if not headed:
            raise _nothing_readable(len(entries), skipped)
        headers = [header for _, header in headed]
        shape = chosen_shape([(header.height, header.width) for header in headers], wanted)
        channels = _channels(headers)
        reading, said = _with_levels(headers, wanted)
        counts = Counter(frame_of((header.height, header.width), shape, reading.fit) for header in headers)
        classes = sorted({entry.label for entry, _ in headed if entry.label is not None}, key=natural_order)
        kept = [entry for entry, _ in headed]
        read = partial(_decoded, shape=shape, channels=channels, reading=reading)
        step = _at_once(shape, channels)
        for batch in _batches(_readable(pool, read, kept, skipped, advance, step), step):
            _add(batch, classes, writer)
    if not writer.splits:
        raise _nothing_readable(len(entries), skipped)
    remarks = [*files.remarks, *remarks, *_lost_classes(entries, classes), *said, *_frame_remarks(counts)]
    writer.finish(classes, map(readable, skipped), map(readable, remarks), reading)


def _decoded(entry: Entry, shape: tuple[int, int], channels: int, reading: Reading) -> Pixels:
    return decode(entry.path, entry.name, shape, channels, reading)


def _headed(entry: Entry, transparency: bool) -> Header:
    return read_header(entry.path, entry.name, transparency)


def _channels(headers: Sequence[Header]) -> int:
    if any(header.transparent for header in headers):
        return 4
    return 1 if all(header.grey for header in headers) else 3


def _at_once(shape: tuple[int, int], channels: int) -> int:
    """Pictures that are decoded at a time."""
    return max(1, min(BATCH, BATCH_BYTES // (shape[0] * shape[1] * channels)))


def _with_class_names(entries: list[Entry]) -> tuple[list[Entry], list[str]]:
    """The entries with class names that differ to the eye, and a remark for each that was written in several ways."""
    written: dict[str, set[str]] = defaultdict(set)
    named = []
    for entry in entries:
        label = None if entry.label is None else class_name(entry.label) or None
        name = readable(entry.name)
        named.append(entry if (label, name) == (entry.label, entry.name) else replace(entry, label=label, name=name))
        if label is not None and entry.label is not None:
            written[label].add(entry.label)
    return named, [
        f"one class, {label}: its name is written in {len(ways)} ways that look the same (accents, outer blanks)"
        for label, ways in written.items()
        if len(ways) > 1
    ]


def _lost_classes(entries: list[Entry], classes: list[str]) -> list[str]:
    """A remark on the classes of which no picture can be read."""
    lost = Counter(entry.label for entry in entries if entry.label is not None and entry.label not in set(classes))
    labels = listed(f"{label} ({quantity(n, 'file')})" for label, n in lost.items())
    return [f"no picture can be read of: {labels}"] if lost else []


def _with_levels(headers: Sequence[Header], wanted: Wanted) -> tuple[Reading, list[str]]:
    """How the set is read, with the ranges of its deep levels, and remarks on them."""
    reading, remarks = wanted.reading, []
    if not wanted.levels:
        return reading, []
    for floating, find, kind in ((False, integer_range, "integer"), (True, float_range, "floating-point")):
        if ranges := [header.levels for header in headers if header.levels and header.floating == floating]:
            span = find(ranges)
            reading = replace(reading, floats=span) if floating else replace(reading, integers=span)
            remarks.append(
                f"{kind} levels of {quantity(len(ranges), 'picture')}: {span[0]:g} to {span[1]:g} become 256 levels, "
                "the same for the whole set"
            )
    return reading, remarks


def _frame_remarks(counts: Counter[Frame]) -> list[str]:
    words: dict[Frame, str] = {
        "crop": "cropped to the middle",
        "pad": "padded with the colour of their border",
        "squash": "squashed",
    }
    said = [f"{counts[frame]:,} are {word}" for frame, word in words.items() if counts[frame]]
    if not said:
        return []
    return [f"of {quantity(counts.total(), 'picture')}, {', '.join(said)}: choose with fit=crop, pad or squash"]


def _nothing_readable(count: int, skipped: list[str]) -> DataError:
    return DataError(f"no picture of {count} can be read; the first: {skipped[0]}")


def _readable(
    pool: ThreadPoolExecutor,
    read: Callable[[Entry], T],
    entries: list[Entry],
    skipped: list[str],
    advance: Advance,
    step: int = BATCH,
) -> Iterator[tuple[Entry, T]]:
    """Each entry with what `read` returns for it, read in parallel, in order. Errors are appended to `skipped`."""

    def attempt(entry: Entry) -> T | DataError:
        try:
            return read(entry)
        except DataError as error:
            return error

    for start in range(0, len(entries), step):
        batch = entries[start : start + step]
        for entry, result in zip(batch, pool.map(attempt, batch), strict=True):
            if isinstance(result, DataError):
                skipped.append(str(result))
            else:
                yield entry, result
        advance(len(batch))


def _batches(decoded: Iterator[tuple[Entry, Pixels]], step: int) -> Iterator[list[tuple[Entry, Pixels]]]:
    """Batches of at most `step` pictures, each of one split."""
    for _, run in groupby(decoded, key=lambda pair: pair[0].split):
        batch: list[tuple[Entry, Pixels]] = []
        for pair in run:
            batch.append(pair)
            if len(batch) == step:
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
