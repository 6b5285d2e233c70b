"""From the bytes of a log to the texts of its lines, block by block.

- UTF-8, UTF-16 and UTF-32, with a byte order mark or recognised by their zero bytes. Only "\\n" ends a line.
- Different bytes stay different: bytes that are not text are kept as `\\xNN`, zero bytes as `\\x00`.
- Escape sequences of terminals (colours, titles) are removed.
- A line longer than `MAX_LINE` is cut and never held in memory as a whole; in a file of JSON, up to `MAX_JSON_LINE`.
"""

import codecs
import re
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from trine.datasets.lines import MAX_LINE, NOT_UTF8
from trine.log_formats.escapes import without_escapes
from trine.logs.compression import Damaged

KEPT = 1 << 16
"""Bytes that are kept of a line longer than `MAX_LINE`: 64 KiB."""

MAX_JSON_LINE = 1 << 26
"""Bytes of the longest line that is kept whole in a file of JSON: 64 MiB. Exports of events are one line of many."""

CUT = f"longer than {MAX_LINE:,} bytes, cut to {KEPT:,}"
HOLE = "zero bytes at the beginning, removed"
"""Reason for a line that begins with more than `MAX_LINE` zero bytes: the hole that a copied and truncated log has."""

UNFINISHED = "no line break"
"""Reason for a last line that no line break ends: it may still be written."""

Note = Callable[[str, int], None]
"""Takes a reason and the number of the line that it is about."""

_MARKS: Final = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""Encodings by their byte order marks; that of UTF-16 is the beginning of one of UTF-32."""

_JSON = re.compile(rb'\s*+(?:\{\s*+(?:["}]|\Z)|\[\s*+(?:[{\]"\[]|\Z))')
"""How a line of JSON begins that holds an object or a list of them."""

_CONTROL = bytes(set(range(32)) - {8, 9, 10, 12, 13, 27} | {127})
_NO_TEXT = (b"%PDF-", b"SQLite format 3\0", b"ElfFile\0", b"LPKSHHRH", b"\x7fELF", b"\x89PNG", b"\xff\xd8\xff", b"GIF8")
_MOST_MARK = 4
_DECODERS: Final = {
    "utf-16-le": codecs.utf_16_le_decode,
    "utf-16-be": codecs.utf_16_be_decode,
    "utf-32-le": codecs.utf_32_le_decode,
    "utf-32-be": codecs.utf_32_be_decode,
}


def encoding_of(prefix: bytes) -> tuple[str, int]:
    """The encoding of a file that begins like this, and the length of its byte order mark."""
    for mark, encoding in _MARKS.items():
        if prefix.startswith(mark):
            return encoding, len(mark)
    even, odd = prefix[0 : len(prefix) // 2 * 2 : 2], prefix[1::2]
    for encoding, zeros, others in (("utf-16-le", odd, even), ("utf-16-be", even, odd)):
        if len(zeros) >= 4 and zeros.count(0) >= 0.8 * len(zeros) and others.count(0) <= 0.1 * len(others):
            return encoding, 0
    return "utf-8", 0


def looks_like_text(prefix: bytes) -> bool:
    """Whether a file that begins like this, unpacked, can be a text: few control characters, hardly a zero byte."""
    if prefix.startswith(_NO_TEXT):
        return False
    encoding, mark = encoding_of(prefix)
    if encoding != "utf-8":
        prefix = prefix[mark : len(prefix) // 4 * 4].decode(encoding, errors="replace").encode(errors="replace")
    if not prefix:
        return False
    controls = len(prefix) - len(prefix.translate(None, _CONTROL))
    if controls > 0.02 * len(prefix):
        return False
    try:
        prefix[mark:].decode()
    except UnicodeDecodeError as error:
        if len(prefix) - mark - error.start > 3:  # more than a character that the end of the prefix cuts
            return len(prefix.translate(None, bytes(range(128)))) < 0.3 * len(prefix)
    return True


def text_blocks(chunks: Iterator[bytes], note: Note) -> Iterator[tuple[int, list[str]]]:
    """Blocks of lines: the number of the first, from 1, and their texts without line breaks.

    Raises what `chunks` raises, after the lines before it.
    """
    number = 1

    def note_here(reason: str) -> None:
        note(reason, number)

    for block, reason in _line_blocks(_in_utf8(chunks, note_here)):
        if reason:
            note(reason, number)
        texts = texts_of(block, number, note)
        if not block.endswith(b"\n"):
            note(UNFINISHED, number)
        yield number, texts
        number += len(texts)


def first_lines(chunks: Iterator[bytes], count: int) -> list[str]:
    """The texts of the first lines. Raises what `chunks` raises, if no line stands before it."""
    lines: list[str] = []
    try:
        for _, texts in text_blocks(chunks, lambda reason, number: None):
            lines.extend(islice(texts, count - len(lines)))
            if len(lines) >= count:
                break
    except Damaged:
        if not lines:
            raise
    return lines


def _in_utf8(chunks: Iterator[bytes], note: Callable[[str], None]) -> Iterator[bytes]:
    """The same text in UTF-8, without byte order mark."""
    first = next(chunks, b"")
    while len(first) < _MOST_MARK and b"\n" not in first and (chunk := next(chunks, b"")):
        first += chunk
    encoding, mark = encoding_of(first[:4096])
    pending = first[mark:]
    if encoding == "utf-8":
        yield pending
        yield from chunks
        return
    chunk = pending
    while chunk:
        text, used = in_utf8(encoding, pending, False, note)
        yield text
        chunk = next(chunks, b"")
        pending = pending[used:] + chunk
    yield in_utf8(encoding, pending, True, note)[0]


def in_utf8(encoding: str, data: bytes, final: bool, note: Callable[[str], None]) -> tuple[bytes, int]:
    """Text of an encoding that `encoding_of` names, other than UTF-8, in UTF-8; and how many bytes of it were used.

    Unless it is `final`, a character that the end of the data cuts is not used.
    """
    decode = _DECODERS[encoding]
    try:
        text, used = decode(data, "strict", final)
    except UnicodeDecodeError as error:
        note(f"not {error.encoding.upper()}, bytes kept as \\xNN")
        text, used = decode(data, "backslashreplace", final)
    return text.encode(), used


def _line_blocks(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, str]]:
    """Blocks of whole lines, the last with or without a line break; and why the one line of a block was shortened."""
    lines = LineBlocks()
    damage: Damaged | None = None
    try:
        for chunk in chunks:
            yield from lines.feed(chunk)
    except Damaged as error:
        damage = error
    yield from lines.finish()
    if damage:
        raise damage


class LineBlocks:
    """Divides the UTF-8 bytes of a file into blocks of whole lines, and holds the last line until it is whole.

    shortened   why the line is shortened in which the bytes begin: `CUT` or `HOLE`; "": they begin with a line
    is_json     whether the first line of the file with content begins like JSON; None: not known yet
    """

    def __init__(self, shortened: str = "", is_json: bool | None = None) -> None:
        self._parts: list[bytes] = []
        """The pieces of the last line, as far as it was read."""
        self._size = 0
        self._reason = shortened
        """Why the last line is shortened: `CUT`, it was yielded and the rest is left out; `HOLE`, zero bytes were."""
        self._is_json = is_json

    @property
    def held(self) -> int:
        """Number of bytes of the last line that are held: all before them is in the blocks, or left out."""
        return self._size

    @property
    def shortened(self) -> str:
        """Why the last line is shortened; with `is_json`, what it takes to go on before the held bytes."""
        return self._reason

    @property
    def is_json(self) -> bool | None:
        """Whether the first line of the file with content begins like JSON; None: not known yet."""
        return self._is_json

    def feed(self, chunk: bytes) -> Iterator[tuple[bytes, str]]:
        """The blocks that end in this chunk of at most `MAX_LINE` bytes."""
        if self._is_json is None and chunk.strip():
            self._is_json = _JSON.match(chunk) is not None
        if self._reason == CUT:
            end = chunk.find(b"\n")
            if end < 0:
                return
            chunk, self._reason = chunk[end + 1 :], ""
        elif self._reason == HOLE and not self._parts:
            chunk = chunk.lstrip(b"\0")
        first, last = chunk.find(b"\n"), chunk.rfind(b"\n")
        if first >= 0 and (self._reason or self._is_too_long(self._size + first)):
            self._parts.append(chunk[: first + 1])
            yield from self._shortened()
            chunk, last, self._reason = chunk[first + 1 :], last - first - 1, ""
        if last >= 0:
            yield b"".join((*self._parts, chunk[: last + 1])), ""
            self._parts, self._size, chunk = [], 0, chunk[last + 1 :]
        if chunk:
            self._parts.append(chunk)
            self._size += len(chunk)
        if self._is_too_long(self._size):
            yield from self._shortened()

    def _is_too_long(self, size: int) -> bool:
        """Whether the last line is not kept whole if it has this number of bytes."""
        if size <= MAX_LINE:
            return False
        return size > MAX_JSON_LINE or not (self._is_json and self._parts and _JSON.match(self._parts[0]))

    def finish(self) -> Iterator[tuple[bytes, str]]:
        """The last line, if no line break ends it."""
        if self._parts or self._reason == HOLE:
            yield b"".join(self._parts) or b"\n", self._reason

    def _shortened(self) -> Iterator[tuple[bytes, str]]:
        """The line so far, as far as it is kept; nothing yet if all of it is zero bytes."""
        line = b"".join(self._parts)
        is_too_long = self._is_too_long(len(line))
        self._parts, self._size = [], 0
        text = line.lstrip(b"\0")
        if len(line) - len(text) > MAX_LINE - (1 << 18) and not self._reason:
            line, self._reason = text, HOLE
            is_too_long = len(line) > MAX_LINE
        if is_too_long:
            yield _whole_characters(line[:KEPT]) + b"\n", CUT
            self._reason = "" if line.endswith(b"\n") else CUT
        elif line.endswith(b"\n"):
            yield line, self._reason
        elif line:
            self._parts, self._size = [line], len(line)


def _whole_characters(line: bytes) -> bytes:
    """The bytes without the beginning of a UTF-8 character at their end."""
    for length in range(1, 4):
        byte = line[-length]
        if byte >= 0xC0:
            return line[:-length] if length < (2 if byte < 0xE0 else 3 if byte < 0xF0 else 4) else line
        if byte < 0x80:
            break
    return line


def texts_of(block: bytes, number: int, note: Note) -> list[str]:
    """The texts of a block of lines; `number` is that of the first."""
    try:
        text = block.decode()
    except UnicodeDecodeError:
        text = "\n".join(_repaired(line, number + i, note) for i, line in enumerate(block.split(b"\n")))
    texts = text.split("\n")
    if not texts[-1]:
        texts.pop()
    if "\r" in text:
        texts = [text.rstrip("\r") for text in texts]
    if "\x1b" in text:
        texts = [without_escapes(text) for text in texts]
    if "\0" in text:
        texts = [text.replace("\0", "\\x00") for text in texts]
    return texts


def _repaired(line: bytes, number: int, note: Note) -> str:
    try:
        return line.decode()
    except UnicodeDecodeError:
        note(NOT_UTF8, number)
        return line.decode(errors="backslashreplace")
