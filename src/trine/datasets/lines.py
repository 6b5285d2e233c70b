"""The lines of a text file, plain or gzip: bounded, decoded, and what was left out is counted by name.

- Content decides, not the name: a file that begins like gzip is read as gzip.
- Bytes that are no UTF-8 stay visible and distinct as `\\xNN`.
- A line beyond the limit is left out and never held whole: memory is one line.
"""

import gzip
import zlib
from collections.abc import Iterator
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import cast

from trine.errors import DataError

MAX_LINE = 1 << 20
"""Bytes of a log line; a longer one is left out."""

MAX_ROW = 1 << 28
"""Bytes of a row of a sequence table, which holds a whole sequence."""

_GZIP = b"\x1f\x8b"
_BYTE_ORDER_MARK = "\ufeff"


class Skips:
    """What was left out or mended while reading `source`: each reason with its count and the first places."""

    def __init__(self, source: str, places: int = 3) -> None:
        self.source = source
        self._places = places
        self._found: dict[str, tuple[int, list[str]]] = {}

    def add(self, reason: str, place: str) -> None:
        """Count one more `reason`; keep `place` if it is among the first."""
        count, places = self._found.get(reason, (0, []))
        if len(places) < self._places:
            places.append(place)
        self._found[reason] = count + 1, places

    @property
    def left_out(self) -> int:
        """How many lines, rows or files were left out; what was only mended does not count."""
        return sum(count for reason, (count, _) in self._found.items() if reason.endswith("left out"))

    def messages(self) -> tuple[str, ...]:
        """One line a reason, in the order in which they first came up."""
        return tuple(
            f"{self.source}: {reason} ({count}: {', '.join(places)}{', …' if count > len(places) else ''})"
            for reason, (count, places) in self._found.items()
        )


def open_binary(path: Path) -> BufferedReader:
    """The bytes of `path`, unpacked if it is gzip. Raises `DataError` if it cannot be opened."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise DataError(
            f"{path}: cannot be opened ({error.strerror}); give a file that exists and is readable"
        ) from None
    if file.peek(2)[:2] != _GZIP:
        return file
    file.close()
    return BufferedReader(cast(RawIOBase, gzip.GzipFile(path)))


def text_lines(path: Path, skips: Skips, limit: int = MAX_LINE) -> Iterator[tuple[int, str]]:
    """Number (from 1) and text of every line, without its line break.

    Raises `DataError` if the file cannot be opened, or its gzip stream is damaged or cut off.
    """
    with open_binary(path) as file:
        for number, raw in _raw_lines(file, path, skips, limit):
            try:
                text = raw.decode()
            except UnicodeDecodeError:
                text = raw.decode(errors="backslashreplace")
                skips.add("no UTF-8, its bytes are kept as \\xNN", f"line {number}")
            yield number, text.removeprefix(_BYTE_ORDER_MARK) if number == 1 else text


def _raw_lines(file: BufferedReader, path: Path, skips: Skips, limit: int) -> Iterator[tuple[int, bytes]]:
    number = 0
    try:
        while raw := file.readline(limit):
            number += 1
            if len(raw) < limit or raw.endswith(b"\n"):
                yield number, raw.rstrip(b"\r\n")
            elif _drop_rest(file, limit):
                skips.add(f"longer than {limit:,} bytes, left out", f"line {number}")
            else:
                yield number, raw
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(
            f"{path}: the gzip stream is cut off or damaged after line {number}; get the file again"
        ) from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); give a file that is readable") from None


def _drop_rest(file: BufferedReader, limit: int) -> bool:
    """Read on to the end of the line; whether there was anything left of it."""
    dropped = False
    while rest := file.readline(limit):
        dropped = True
        if rest.endswith(b"\n"):
            break
    return dropped
