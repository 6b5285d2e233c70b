"""What every source of pictures gives: files to decode, or blocks of pixels that are decoded already."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64, UInt8

from trine.errors import DataError

TRAIN, VALIDATION, TEST = "train", "validation", "test"
NUMBERS = re.compile(r"([0-9]+)")
SPLITS = (TRAIN, VALIDATION, TEST)
SPLIT_NAMES = {"train": TRAIN, "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION, "test": TEST}


@dataclass(frozen=True)
class Entry:
    """One picture file: where it lies, what people call it, and what is said of it."""

    path: Path
    name: str
    label: str | None = None
    split: str = TRAIN


@dataclass(frozen=True)
class Files:
    """Pictures still to be decoded, and one line for each that already cannot be: `kind: name (why)`."""

    entries: list[Entry]
    skipped: list[str]


@dataclass(frozen=True)
class Block:
    """Decoded pictures of one split, in order; labels count through the classes of the set."""

    split: str
    name: str
    images: UInt8[np.ndarray, "n height width channels"]
    labels: Int64[np.ndarray, "n"] | None


@dataclass(frozen=True)
class Arrays:
    """Decoded pictures, a block at a time, so that a large set never lies in memory whole."""

    blocks: Iterable[Block]
    classes: tuple[str, ...]


@runtime_checkable
class Source(Protocol):
    """A place that holds pictures."""

    def stamp(self) -> Iterator[str]:
        """Lines that change whenever the content does, without reading the content."""

    def read(self, workspace: Path) -> Files | Arrays:
        """Everything the place holds; `workspace` is an empty folder that lasts until the pictures are stored."""


def stat_line(path: Path, name: str) -> str:
    """A file's name, size and time of change; a missing file has a line too, so that its return is noticed."""
    try:
        status = path.stat()
    except OSError:
        return f"{name}\0missing"
    return f"{name}\0{status.st_size}\0{status.st_mtime_ns}"


def split_called(text: str, where: str) -> str:
    """The split that a person's word for it means; an empty word means train."""
    split = SPLIT_NAMES.get(text.strip().lower() or TRAIN)
    if split is None:
        raise DataError(f"{where}: unknown split {text!r}: use one of {', '.join(SPLIT_NAMES)}")
    return split


def natural_order(text: str) -> list[tuple[int, int, str]]:
    """Sort key under which `10` follows `9`."""
    parts = NUMBERS.split(text)
    return [(0, int(part), part) if part[:1].isdecimal() else (1, 0, part) for part in parts if part]
