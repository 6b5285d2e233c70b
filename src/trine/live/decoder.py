"""`Decoder`: from bytes as they arrive to numbered lines; the bytes of a line that is not whole are held."""

from collections.abc import Iterator
from itertools import count, repeat
from typing import Any, cast

from trine.datasets.lines import MAX_LINE
from trine.live.source import Notes
from trine.log_formats.log_event import Line
from trine.logs.compression import CHUNK
from trine.logs.encodings import LineBlocks, encoding_of, in_utf8, texts_of

_ENCODED = 4096
"""Bytes from which the encoding is recognised, unless a line ends before."""


class Decoder:
    """The lines of one stream of bytes.

    index   the `source` of its lines
    name    as shown to people
    notes   counts what is repaired or cut
    """

    def __init__(self, index: int, name: str, notes: Notes) -> None:
        self.index, self.name = index, name
        self.lines = 0
        """Number of lines so far."""
        self.encoding = ""
        """Empty until it is recognised."""
        self._notes = notes
        self._pending = b""
        """Bytes that are not decoded yet: a line of another encoding than UTF-8 that is not whole."""
        self._blocks = LineBlocks()

    @property
    def held(self) -> int:
        """Number of bytes that were fed and are in no line yet."""
        return self._blocks.held + len(self._pending)

    def state(self) -> dict[str, Any]:
        """What it takes to go on before the held bytes, as a JSON object."""
        blocks = self._blocks
        return {
            "lines": self.lines,
            "encoding": self.encoding,
            "shortened": blocks.shortened,
            "json": blocks.is_json,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on from a state; held bytes are to be fed again."""
        self.lines, self.encoding = int(state["lines"]), state["encoding"]
        self._pending, self._blocks = b"", LineBlocks(state["shortened"], state["json"])

    def feed(self, data: bytes) -> list[Line]:
        """The lines that these bytes complete."""
        lines: list[Line] = []
        for text in self._whole(data):
            for block, reason in self._blocks.feed(text):
                lines += self._block(block, reason)
        return lines

    def finish(self) -> list[Line]:
        """The last line, which no line break ends."""
        lines: list[Line] = []
        pending, self._pending = self._pending, b""
        if pending:
            if not self.encoding:
                self.encoding, mark = encoding_of(pending)
                pending = pending[mark:]
            text = pending if self.encoding == "utf-8" else in_utf8(self.encoding, pending, True, self._note_last)[0]
            for block, reason in self._blocks.feed(text):
                lines += self._block(block, reason)
        for block, reason in self._blocks.finish():
            lines += self._block(block, reason)
        self._blocks = LineBlocks("", self._blocks.is_json)
        return lines

    def _whole(self, data: bytes) -> Iterator[bytes]:
        """The bytes in UTF-8; of another encoding, those of whole lines."""
        if self.encoding == "utf-8":
            yield data
            return
        self._pending += data
        if not self.encoding:
            if b"\n" not in self._pending and len(self._pending) < _ENCODED:
                return
            self.encoding, mark = encoding_of(self._pending[:_ENCODED])
            self._pending = self._pending[mark:]
            if self.encoding == "utf-8":
                data, self._pending = self._pending, b""
                yield data
                return
            self._blocks = LineBlocks(self._blocks.shortened, is_json=False)  # so that it never holds a long line
        unit = 4 if "32" in self.encoding else 2
        newline = "\n".encode(self.encoding)
        end = self._pending.rfind(newline)
        while end >= 0 and end % unit:
            end = self._pending.rfind(newline, 0, end + len(newline) - 1)
        is_too_long = len(self._pending) > 4 * MAX_LINE + CHUNK  # in UTF-8 too
        end = end + unit if end >= 0 else len(self._pending) // unit * unit if is_too_long else 0
        text, used = in_utf8(self.encoding, self._pending[:end], False, self._note_last)
        self._pending = self._pending[used:]
        yield from (text[start : start + CHUNK] for start in range(0, len(text), CHUNK))

    def _block(self, block: bytes, reason: str) -> list[Line]:
        first = self.lines + 1
        if reason:
            self._note(reason, first)
        texts = texts_of(block, first, self._note)
        self.lines += len(texts)
        rows = zip(repeat(self.index), count(first), texts, strict=False)
        return list(cast(Iterator[Line], map(tuple.__new__, repeat(Line), rows)))

    def _note(self, reason: str, number: int) -> None:
        self._notes.add(reason, f"{self.name} line {number}")

    def _note_last(self, reason: str) -> None:
        self._note(reason, self.lines + 1)
