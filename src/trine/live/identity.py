"""By what a log file is known again: its first bytes, and those before the position up to which it was read.

Neither name nor inode: rotation renames, copies and compresses files, and file systems reuse inodes. Everything here
counts unpacked bytes, so that a compressed copy is the same file.
"""

import os
import time
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from trine.logs.compression import CHUNK, Damaged, is_compressed, unpacked

FIRST = 1024
"""Bytes at the beginning by which a file is known."""

NEAR = 256
"""Bytes before the position by which it is told from a file with the same beginning, such as a long header."""

COPYING = 5.0
"""Seconds after its last change for which a file can be a copy that is being written."""


Status = tuple[int, int, int]
"""Inode, size and time of the last change of a file."""


def status_of(result: os.stat_result) -> Status:
    """By what a change of a file is seen."""
    return result.st_ino, result.st_size, result.st_mtime_ns


def digest(data: bytes) -> str:
    """A short digest, as hexadecimal digits."""
    return blake2b(data, digest_size=8).hexdigest()


class Identity(NamedTuple):
    """What is known of a file that was read up to a position."""

    size: int
    """Number of bytes in `first`."""
    first: str
    """Digest of the first bytes."""
    offset: int
    """Bytes that were read."""
    near: str
    """Digest of the last `NEAR` of these."""


def identity_of(first: bytes, offset: int, near: bytes) -> Identity:
    """`first`: the first bytes, at most `FIRST`; `near`: those before `offset`, at most `NEAR`."""
    return Identity(len(first), digest(first), offset, digest(near))


class Candidate:
    """A file on the disk that may be one that was read before; open, so that it stays the same file.

    Raises `OSError` if it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            status = os.fstat(self.file)
            self.status = status_of(status)
            self.inode = status.st_dev, status.st_ino
            self.size, self.modified = status.st_size, status.st_mtime
            raw = os.pread(self.file, FIRST, 0)
            self.packed = is_compressed(raw)
            self.is_whole = False
            """Whether a compressed file is complete and has no more than its first bytes."""
            self.first = self._unpacked_first() if self.packed else raw
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """Close the file. Who goes on with it has its own handle."""
        os.close(self.file)

    def is_file(self, known: Identity) -> bool:
        """Whether this is the file with that identity: the same up to its position."""
        if not known.size or len(self.first) < known.size or digest(self.first[: known.size]) != known.first:
            return False
        before = self._before(known.offset)
        return before is not None and digest(before) == known.near

    def may_begin_like(self, known: Identity) -> bool:
        """Whether this may become the file with that identity, if it is still being written."""
        if len(self.first) < known.size:
            return not self.is_whole
        return digest(self.first[: known.size]) == known.first

    @property
    def age(self) -> float:
        """Seconds since the last change."""
        return time.time() - self.modified

    @property
    def identity(self) -> Identity:
        """What the file is known by if it is not read: a plain one by all that it holds at present."""
        return identity_of(self.first, 0, b"") if self.packed else identity_of(self.first, self.size, self.last())

    def last(self) -> bytes:
        """The last `NEAR` bytes of a plain file."""
        start = max(0, self.size - NEAR)
        return os.pread(self.file, self.size - start, start)

    def _before(self, offset: int) -> bytes | None:
        """The `NEAR` bytes before `offset`; None if the file is shorter."""
        start = max(0, offset - NEAR)
        if not self.packed:
            data = os.pread(self.file, offset - start, start)
            return data if len(data) == offset - start else None
        position, kept = 0, b""
        try:
            for chunk in chunks_of(self.file):
                position += len(chunk)
                kept = (kept + chunk)[-NEAR - CHUNK :]
                if position >= offset:
                    end = len(kept) - (position - offset)
                    return kept[max(0, end - (offset - start)) : end]
        except Damaged:
            pass
        return None

    def _unpacked_first(self) -> bytes:
        first = b""
        try:
            for chunk in chunks_of(self.file):
                first += chunk
                if len(first) >= FIRST:
                    break
            else:
                self.is_whole = True
        except Damaged:
            pass
        return first[:FIRST]


def chunks_of(file: int) -> Iterator[bytes]:
    """The unpacked bytes of an open file. Raises `Damaged` after all that can be read, `OSError`."""
    return unpacked(_raw(file))


def _raw(file: int) -> Iterator[bytes]:
    position = 0
    while chunk := os.pread(file, CHUNK, position):
        position += len(chunk)
        yield chunk
