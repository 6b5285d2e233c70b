"""The lines of a text file, plain or gzip, decoded one at a time.

- The content decides, not the name: a file that begins like gzip is read as gzip.
- Bytes that are not UTF-8 are kept as `\\xNN`, so that different bytes stay different.
- A line longer than the limit is left out and never held in memory as a whole.
"""

import gzip
import zlib
from collections.abc import Iterator
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import cast

from trine.errors import DataError
from trine.plurals import quantity

MAX_LINE = 1 << 20
"""Longest line of a log, in bytes: 1 MiB, many times the longest line of any known format."""

MAX_ROW = 1 << 28
"""Longest row of a table, in bytes: 256 MiB, because one cell can hold a sequence of tens of millions of events."""

NOT_UTF8 = "not UTF-8, bytes kept as \\xNN"
"""Reason in `Skips` for a line that is not UTF-8."""

_GZIP = b"\x1f\x8b"
_BYTE_ORDER_MARK = "\ufeff"


class Skips:
    """Counts what was left out or repaired while `source` was read: per reason the number and the first positions."""

    def __init__(self, source: str, shown: int = 3) -> None:
        self.source = source
        self._shown = shown
        self._reasons: dict[str, tuple[int, list[str]]] = {}

    def add(self, reason: str, position: str) -> None:
        """Count `reason` once more, and keep `position` if it is among the first.

        A reason that ends in "left out" is a loss of data; any other is a repair.
        """
        count, positions = self._reasons.get(reason, (0, []))
        if len(positions) < self._shown:
            positions.append(position)
        self._reasons[reason] = count + 1, positions

    def positions(self, reason: str) -> list[str]:
        """The first positions of `reason`; empty if it never occurred."""
        return self._reasons.get(reason, (0, []))[1]

    def counts(self) -> dict[str, int]:
        """How often each reason occurred."""
        return {reason: count for reason, (count, _) in self._reasons.copy().items()}

    @property
    def left_out(self) -> int:
        """Number of lines, rows or files that were left out; what was repaired does not count."""
        return sum(count for reason, (count, _) in self._reasons.items() if reason.endswith("left out"))

    def messages(self) -> tuple[str, ...]:
        """One line per reason, in the order in which the reasons first occurred."""
        return tuple(
            f"{self.source}: {reason} ({count}: {', '.join(positions)}{', …' if count > len(positions) else ''})"
            for reason, (count, positions) in self._reasons.items()
        )

    def require(self, count: int, noun: str, advice: str) -> None:
        """Raise `DataError` if `count`, the number of things read, is 0 or less than the number left out."""
        if count >= max(1, self.left_out):
            return
        first = next((f" ({message})" for message in self.messages()), "")
        raise DataError(
            f"{self.source}: {quantity(count, noun)} could be read and {self.left_out} not{first}; {advice}"
        )


def open_binary(path: Path) -> BufferedReader:
    """The bytes of a file, unpacked if they are gzip. Raises `DataError` if the file cannot be opened."""
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
    """Number, counted from 1, and text of every line, without its line break.

    Raises `DataError` if the file cannot be opened, or if its gzip stream is damaged or cut off.
    """
    with open_binary(path) as file:
        for number, raw in _raw_lines(file, path, skips, limit):
            try:
                text = raw.decode()
            except UnicodeDecodeError:
                text = raw.decode(errors="backslashreplace")
                skips.add(NOT_UTF8, f"line {number}")
            yield number, text.removeprefix(_BYTE_ORDER_MARK) if number == 1 else text


def printable(text: str) -> str:
    """`text` with a blank for each control character, so that nothing in it can steer a terminal."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else " " for letter in text)


def encodable(text: str) -> str:
    """`text` with lone surrogates, which JSON can hold but UTF-8 cannot, as `\\udNNN`."""
    return text if text.isascii() else text.encode(errors="backslashreplace").decode()


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
    """Read to the end of the line. Returns whether any byte was left of it."""
    dropped = False
    while rest := file.readline(limit):
        dropped = True
        if rest.endswith(b"\n"):
            break
    return dropped
