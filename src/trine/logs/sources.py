"""What a log is read from: files, standard input and named pipes, members of archives; each as chunks of bytes.

Members of archives are unpacked while they are read, never to the disk, with the limits of `datasets.archives` on the
ratio to the size of the archive.
"""

import stat
import sys
import tarfile
import tempfile
import time
import weakref
import zipfile
import zlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, cast

from trine.datasets.archives import MAX_MEMBERS, MAX_RATIO, RATIO_FLOOR, LimitedStream, safe_name
from trine.errors import DataError, UnsafeDataError, UsageError
from trine.logs.compression import CHUNK, Damaged, unpacked

_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_BLOCK: Final = tarfile.BLOCKSIZE


class LogInput(ABC):
    """Something that holds lines and can be read more than once."""

    name: str
    """As shown to people."""
    size: int | None = None
    """Bytes as stored; None: unknown before it is read."""
    modified: float | None = None
    """Time of the last change, in seconds since 1970."""

    @abstractmethod
    def raw(self) -> Iterator[bytes]:
        """The bytes as stored, in chunks of at most `CHUNK`. Raises `Damaged` after all that can be read."""

    def chunks(self) -> Iterator[bytes]:
        """The bytes, unpacked if they are compressed. Raises `Damaged` after all that can be read."""
        try:
            yield from unpacked(self.raw())
        except UsageError as error:
            raise UsageError(f"{self.name}: {error}") from None


class FileInput(LogInput):
    """A file on the disk."""

    def __init__(self, path: Path, name: str) -> None:
        self.path, self.name = path, name
        status = path.stat()
        self.size, self.modified = status.st_size, status.st_mtime
        self.identity = status.st_dev, status.st_ino

    def raw(self) -> Iterator[bytes]:
        """The bytes of the file. Raises `DataError` if it cannot be read."""
        try:
            with self.path.open("rb", buffering=0) as file:
                while chunk := file.read(CHUNK):
                    yield chunk
        except OSError as error:
            raise DataError(f"{self.name}: cannot be read ({error.strerror}); give a file that is readable") from None


class StreamInput(LogInput):
    """Standard input or a named pipe: what was read is kept in a temporary file without name, to be read again."""

    def __init__(self, opened: Callable[[], BinaryIO], name: str) -> None:
        self.name = name
        self._opened = opened
        self._stream: BinaryIO | None = None
        self._kept = tempfile.TemporaryFile("w+b")  # noqa: SIM115  (closed with the source)
        weakref.finalize(self, self._kept.close)
        self._length, self._ended = 0, False

    def raw(self) -> Iterator[bytes]:
        """The bytes, each chunk as soon as it arrives. Raises `DataError` for an archive."""
        position = 0
        while position < self._length or not self._ended:
            if position < self._length:
                self._kept.seek(position)
                chunk = self._kept.read(min(CHUNK, self._length - position))
            else:
                chunk = self._next()
            if position == 0 and (is_zip(chunk) or is_tar(chunk)):
                raise DataError(f"{self.name}: an archive can only be read from a file; give its path")
            position += len(chunk)
            if chunk:
                yield chunk

    def _next(self) -> bytes:
        try:
            if self._stream is None:
                self._stream = self._opened()
            chunk: bytes = getattr(self._stream, "read1", self._stream.read)(CHUNK)
            self._keep(chunk)
        except OSError as error:
            raise DataError(f"{self.name}: cannot be read ({error.strerror}); write it to a file first") from None
        self._ended = not chunk
        if self._ended and self._stream is not sys.stdin.buffer:
            self._stream.close()
        return chunk

    def _keep(self, chunk: bytes) -> None:
        self._kept.seek(self._length)
        self._kept.write(chunk)
        self._kept.flush()
        self._length += len(chunk)


class ZipMember(LogInput):
    """A member of a zip archive."""

    def __init__(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> None:
        self.name, self.size = name, info.file_size
        self._archive, self._info = archive, info
        try:
            self.modified = time.mktime((*info.date_time, 0, 0, -1))
        except (ValueError, OverflowError):
            self.modified = None

    def raw(self) -> Iterator[bytes]:
        """The bytes of the member, at most as many as the list of members says."""
        try:
            with self._archive.open(self._info) as stream:
                while chunk := cast(zipfile.ZipExtFile, stream).read1(CHUNK):
                    yield chunk
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, RuntimeError, NotImplementedError) as error:
            raise Damaged(f"damaged ({error})") from None


class TarMember(LogInput):
    """A member of a tar archive, which can be compressed as a whole."""

    def __init__(self, archive: "Tar", info: tarfile.TarInfo, name: str) -> None:
        self.name, self.size, self.modified = name, info.size, float(info.mtime)
        self._archive, self._start = archive, info.offset_data

    def raw(self) -> Iterator[bytes]:
        """The bytes of the member."""
        return self._archive.read(self._start, self.size or 0)


def zip_members(path: Path, name: str, note: Callable[[str, str], None]) -> Iterator[LogInput]:
    """The regular files of a zip archive; `note` takes the reason and the name of what is left out.

    Raises `DataError` for a damaged archive, `UnsafeDataError` for one that unpacks to more than its size allows.
    """
    try:
        archive = zipfile.ZipFile(path)  # closed with the last of its members
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError) as error:
        raise DataError(f"{name}: the zip archive is damaged or cut off ({error}); get it again") from None
    if sum(info.file_size for info in archive.infolist()) > _allowance(path):
        raise UnsafeDataError(f"{path}: unpacks to over {MAX_RATIO} times its size: unpack it by hand")
    for info in _limited(archive.infolist(), path):
        member = f"{name}:{safe_name(info.filename, path)}"
        if stat.S_ISLNK(info.external_attr >> 16):
            note("a link in an archive, not read", member)
        elif info.flag_bits & 1:
            note("encrypted, left out", member)
        elif not info.is_dir():
            yield ZipMember(archive, info, member)


class Tar:
    """A tar archive. The members of a compressed one are best read in their order, without a step back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: _Forward | None = None
        """The compressed stream as far as the last reader read it."""

    def members(self, name: str, note: Callable[[str, str], None]) -> Iterator[LogInput]:
        """The regular files of the archive; `note` takes the reason and the name of what is left out.

        Raises `UnsafeDataError` for an archive that unpacks to more than its size allows.
        """
        stream = LimitedStream(self._unpacked(), 2 * _allowance(self.path), self.path)
        try:
            with tarfile.open(fileobj=cast(IO[bytes], stream), mode="r:") as archive:
                for info in _limited(archive, self.path):
                    member = f"{name}:{safe_name(info.name, self.path)}"
                    if info.isreg() and not info.issparse():
                        yield TarMember(self, info, member)
                    elif not info.isdir():
                        note("a link or special file in an archive, not read", member)
        except (tarfile.TarError, OSError, EOFError, ValueError, Damaged) as error:
            note(f"archive damaged or cut off ({error}), the rest left out", name)

    def read(self, start: int, size: int) -> Iterator[bytes]:
        """So many unpacked bytes of the archive from a position."""
        idle, self._idle = self._idle, None
        stream = idle if idle and idle.tell() <= start else self._unpacked()
        try:
            stream.seek(start)
            while size and (chunk := stream.read(min(size, CHUNK))):
                size -= len(chunk)
                yield chunk
        finally:
            self._idle = stream
        if size:
            raise Damaged("cut off")

    def _unpacked(self) -> "_Forward":
        return _Forward(unpacked(FileInput(self.path, str(self.path)).raw()))


class _Forward:
    """Chunks of bytes as a stream that can be read and moved forward. Damage ends it after all that can be read."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._buffer, self._position = chunks, b"", 0
        self._damage: Damaged | None = None

    def read(self, n: int) -> bytes:
        """Read `n` bytes, or those that are left. Raises `Damaged` if there are none because of damage."""
        parts, size = [self._buffer], len(self._buffer)
        while size < n and (chunk := self._next()):
            parts.append(chunk)
            size += len(chunk)
        whole = b"".join(parts)
        data, self._buffer = whole[:n], whole[n:]
        self._position += len(data)
        if n and not data and self._damage:
            raise self._damage
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move forward to a position from the beginning, or to the end if that is before it."""
        while self._position < offset and self.read(min(CHUNK, offset - self._position)):
            pass
        return self._position

    def tell(self) -> int:
        """Position from the beginning, in unpacked bytes."""
        return self._position

    def _next(self) -> bytes:
        try:
            return next(self._chunks, b"")
        except Damaged as damage:
            self._damage = damage
            return b""


def is_zip(prefix: bytes) -> bool:
    """Whether a file that begins with these bytes is a zip archive."""
    return prefix.startswith(_ZIP)


def is_tar(prefix: bytes) -> bool:
    """Whether a file whose unpacked bytes begin with these is a tar archive: its first header has the right sum."""
    if len(prefix) < _BLOCK:
        return False
    try:
        tarfile.TarInfo.frombuf(prefix[:_BLOCK], "utf-8", "surrogateescape")
    except (tarfile.HeaderError, ValueError):
        return False
    return True


def _limited(members: Iterable[Any], path: Path) -> Iterator[Any]:
    for count, member in enumerate(members):
        if count >= MAX_MEMBERS:
            raise UnsafeDataError(f"{path}: holds over {MAX_MEMBERS:,} members: unpack it by hand")
        yield member


def _allowance(path: Path) -> int:
    return max(MAX_RATIO * path.stat().st_size, RATIO_FLOOR)
