"""The two forms in which a source gives its pictures: files to decode, or blocks of decoded pixels."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from trine.annotations import Int64, UInt8

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)
NUMBERS = re.compile(r"([0-9]+)")


@dataclass(frozen=True)
class Entry:
    """One picture file: its path, its name in messages, its label and its split."""

    path: Path
    name: str
    label: str | None = None
    split: str = TRAIN


@dataclass(frozen=True)
class Files:
    """Pictures to decode, a line `kind: name (why)` for each file that is left out, and remarks on what was found."""

    entries: list[Entry]
    skipped: list[str]
    remarks: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Block:
    """Decoded pictures of one split, in order; labels are indices into the classes of the set."""

    split: str
    name: str
    images: UInt8[np.ndarray, "n height width channels"]
    labels: Int64[np.ndarray, "n"] | None


@dataclass(frozen=True)
class Arrays:
    """Decoded pictures, one block at a time, so that a large set is never in memory as a whole."""

    blocks: Iterable[Block]
    classes: tuple[str, ...]
    remarks: tuple[str, ...] = ()


@runtime_checkable
class Source(Protocol):
    """A folder, file or package that holds pictures."""

    def stamp(self) -> Iterator[str]:
        """Lines that change whenever the content does; computed without reading the content."""

    def read(self, workspace: Path) -> Files | Arrays:
        """All pictures. `workspace` is an empty folder, removed after the pictures are stored."""


def stat_line(path: Path, name: str) -> str:
    """A file's name, size and time of change. A missing file has a line too, so that a later file is noticed."""
    try:
        status = path.stat()
    except OSError:
        return f"{name}\0missing"
    return f"{name}\0{status.st_size}\0{status.st_mtime_ns}"


def class_name(text: str) -> str:
    """A class name in composed letters (NFC) and without outer blanks: names that look the same are the same."""
    return unicodedata.normalize("NFC", readable(text)).strip()


def readable(text: str) -> str:
    """A name of a file as UTF-8, whatever the locale; bytes that are not UTF-8 are written as `\\xNN`."""
    if text.isascii():
        return text
    try:
        return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # a lone surrogate of another origin
        return text.encode("utf-8", "backslashreplace").decode()


def natural_order(text: str) -> list[tuple[int, int, str]]:
    """Sort key under which `10` follows `9`."""
    parts = NUMBERS.split(text)
    return [(0, int(part), part) if part[:1].isdecimal() else (1, 0, part) for part in parts if part]


def listed(names: Iterable[str], most: int = 5) -> str:
    """The first names, and the number of the others."""
    names = list(names)
    return ", ".join(names[:most]) + (f" and {len(names) - most:,} more" if len(names) > most else "")
