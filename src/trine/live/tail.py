"""`Tail`: one log file, read as it grows, in whole lines, from any position that it once gave."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trine.live.decoder import Decoder
from trine.live.identity import COPYING, FIRST, NEAR, Candidate, Identity, Status, chunks_of, identity_of, status_of
from trine.live.parts import log_of
from trine.live.source import Notes
from trine.log_formats.log_event import Line
from trine.logs.compression import CHUNK, Damaged
from trine.logs.encodings import encoding_of, first_lines

_BEING_WRITTEN = 60.0
"""Seconds after which a compressed file that is cut off is no longer taken for one that is being written."""


class Tail:
    """One file that is read as it grows.

    index     index of the file among those of its source
    name      as shown to people
    notes     counts what is repaired or cut
    """

    def __init__(self, index: int, name: str, notes: Notes) -> None:
        self.index, self.name, self.log = index, name, log_of(name)
        self.path: Path | None = None
        """Where the file is at present; None: it was renamed or removed, and is read on where it is still open."""
        self.inode: tuple[int, int] | None = None
        self.packed = False
        self.rotated = False
        """Whether nothing more is expected: after a pause, a last line without a line break is a line."""
        self.done = False
        self.grown = time.monotonic()
        """When bytes were last read or the file changed its name."""
        self.first = b""
        self._notes = notes
        self._file: int | None = None
        self._stream: Iterator[bytes] | None = None
        self._seen: tuple[int, int] | None = None
        """Size and time of the last change when the bytes were last compared."""
        self._started: Identity | None = None
        """The identity at the position from which a compressed stream is read at present."""
        self._try_again = 0.0
        """When a compressed file that is cut off is looked at again."""
        self._fed = 0
        """Bytes that were read, with those of the last line, which is not whole."""
        self._decoder = Decoder(index, name, notes)
        self._recent = b""
        """The last bytes before `_fed`."""
        self._known: Identity | None = None
        """The identity of the position that the file was resumed from, until its bytes are seen."""

    def attach(self, candidate: Candidate) -> None:
        """The file is now here."""
        if self._file is not None:
            self.detach()
        self._file = os.dup(candidate.file)
        self.path, self.inode, self.packed = candidate.path, candidate.inode, candidate.packed
        self.first = self.first or candidate.first
        if self._known is not None and self._known.offset and not self._decoder.encoding:
            self._decoder.encoding = encoding_of(candidate.first)[0]
        self.grown, self._stream = time.monotonic(), None
        if self._known is not None and not self.packed:
            start = max(0, self._fed - NEAR)
            self._recent, self._known = os.pread(self._file, self._fed - start, start), None

    def detach(self) -> None:
        """The bytes of the file are no longer where it was open: it was truncated, or replaced by a copy."""
        if self._file is not None:
            os.close(self._file)
        self._file, self._stream, self.path, self.inode = None, None, None, None
        self._back_to_whole_lines()

    @property
    def is_open(self) -> bool:
        """Whether its bytes can be read."""
        return self._file is not None

    @property
    def offset(self) -> int:
        """Bytes up to the last whole line."""
        return self._fed - self._decoder.held

    @property
    def lines(self) -> int:
        """Number of lines that were read."""
        return self._decoder.lines

    @property
    def identity(self) -> Identity:
        """By what the file is known again."""
        if self._known is not None:
            return self._known
        held = self._fed - self.offset
        return identity_of(self.first, self.offset, self._recent[: len(self._recent) - held][-NEAR:])

    def position(self) -> dict[str, Any]:
        """What `resume` takes."""
        return {
            "name": self.name,
            "identity": list(self.identity),
            "rotated": self.rotated,
            "decoder": self._decoder.state(),
        }

    def go_on(self, known: Identity, lines: int) -> None:
        """Go on behind this number of lines of the file of this identity."""
        self._known, self._fed, self._decoder.lines = known, known.offset, lines

    def resume(self, position: dict[str, Any]) -> None:
        """Go on behind a position."""
        self._known = Identity(*position["identity"])
        self._fed, self.rotated = self._known.offset, bool(position["rotated"])
        self._decoder.resume(position["decoder"])

    def read(self, size: int, lines: list[Line]) -> int:
        """Append the whole lines of the next bytes, about `size` of them. Returns the number of bytes.

        Raises `OSError`.
        """
        data = self._packed_bytes(size) if self.packed else self._plain_bytes(size)
        if not data:
            return 0
        self.grown = time.monotonic()
        if len(self.first) < FIRST:
            self.first += data[max(0, len(self.first) - self._fed) :][: FIRST - len(self.first)]
        self._fed += len(data)
        self._recent += data
        lines += self._decoder.feed(data)
        self._recent = self._recent[-NEAR - (self._fed - self.offset) :]
        return len(data)

    def finish(self) -> list[Line]:
        """The last line, which no line break ends."""
        return self._decoder.finish()

    def head(self, count: int) -> list[str]:
        """The first lines of the file."""
        if self._file is None:
            return []
        try:
            return first_lines(chunks_of(self._file), count)
        except (Damaged, OSError):
            return []

    @property
    def backlog(self) -> bool:
        """Whether there can be bytes that are not read."""
        if self.packed:
            return not self.done and self._file is not None
        return self._size() > self._fed

    @property
    def status(self) -> Status | None:
        """Of the open file."""
        return None if self._file is None else status_of(os.fstat(self._file))

    @property
    def is_removed(self) -> bool:
        """Whether the file is open but has no name any more."""
        return self._file is not None and not os.fstat(self._file).st_nlink

    def is_in_place(self) -> bool:
        """Whether the file is still at its path, and holds what was read; if not, the path is no longer its own.

        The bytes are compared only where the file changed.
        """
        assert self.path is not None
        try:
            status = self.path.stat()
        except OSError:
            status = None
        is_here = status is not None and (status.st_dev, status.st_ino) == self.inode
        seen = (status.st_size, status.st_mtime_ns) if is_here and status else None
        if (seen is None or seen != self._seen) and not self._same_bytes():
            self.detach()
        elif seen is None:
            self.path = None
        self._seen = seen
        return self.path is not None

    def is_copied_in(self, candidate: Candidate) -> bool:
        """Whether another file is a copy of this one, or may become one: rotation copies or compresses a file first.

        A file that merely begins with the same header is none, once it holds something else.
        """
        young = candidate.age < COPYING
        if candidate.packed:
            if self.is_open and not self.rotated:
                return False
            known = self.identity
            return (young and candidate.may_begin_like(known)) or (self.is_open and candidate.is_file(known))
        if not self.is_open or self.packed:
            return False
        size = self._size()
        if size < self._fed:
            return young  # it was truncated this moment: seen at the next look
        return candidate.size <= size and self._begins_with(candidate)

    def _begins_with(self, candidate: Candidate) -> bool:
        assert self._file is not None
        last = candidate.last()
        first = os.pread(self._file, len(candidate.first), 0)
        return first == candidate.first and os.pread(self._file, len(last), candidate.size - len(last)) == last

    def _size(self) -> int:
        return 0 if self._file is None else os.fstat(self._file).st_size

    def _same_bytes(self) -> bool:
        """Whether the file still begins as it did and was not truncated: if not, it was written anew in place."""
        if self.packed or self._file is None:
            return True
        if self._size() < self._fed:
            return False
        near = self._recent[-NEAR:]
        first = os.pread(self._file, len(self.first), 0)
        return first == self.first and os.pread(self._file, len(near), self._fed - len(near)) == near

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
        self._file, self._stream = None, None

    def _back_to_whole_lines(self) -> None:
        """Forget the bytes of the last line: they are read again where the file is found."""
        self._known = self.identity
        self._decoder.resume(self._decoder.state())
        self._fed, self._recent = self._known.offset, b""

    def _from_offset(self, offset: int) -> Iterator[bytes]:
        """The unpacked bytes behind `offset`; those before it are kept as far as they identify the file."""
        assert self._file is not None
        chunks, skipped = chunks_of(self._file), 0
        self._recent = b""
        while skipped < offset:
            chunk = next(chunks, b"")
            if not chunk:
                return
            self._recent = (self._recent + chunk[: offset - skipped])[-NEAR:]
            if len(chunk) > offset - skipped:
                yield chunk[offset - skipped :]
            skipped += len(chunk)
        yield from chunks

    def _plain_bytes(self, size: int) -> bytes:
        return os.pread(self._file, min(size, CHUNK), self._fed) if self._file is not None else b""

    def _packed_bytes(self, size: int) -> bytes:
        """The next unpacked bytes. At the end of the stream, the file is done; if it is cut off, it may be written."""
        if self._stream is None:
            if self._file is None or time.monotonic() < self._try_again:
                return b""
            self._started = self.identity
            self._stream, self._known = self._from_offset(self._fed), None
        try:
            data = next(self._stream, b"")
        except Damaged as error:
            self._damaged(error)
            return b""
        self.done = self.done or not data
        return data

    def _damaged(self, error: Damaged) -> None:
        self._stream, self._try_again = None, time.monotonic() + 1
        if self._started is not None and self._fed == self._started.offset:
            self._known = self._started
        else:
            self._back_to_whole_lines()
        if time.monotonic() - self.grown > _BEING_WRITTEN:
            self._notes.add("cut off or damaged, the rest left out", f"{self.name} after line {self.lines} ({error})")
            self.done = True
