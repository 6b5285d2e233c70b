"""Unpacks zip and tar archives: nothing is written outside the target folder, and the unpacked size is limited.

- Refused: absolute names, names with `..` or a drive letter, links that lead outside. Other links are left out.
- Refused as a bomb: more than 4 GiB unpacked, more than 100 times the size of the archive and 64 MiB, or more than two
  million members. The unpacked bytes are counted; the sizes in headers are not trusted.
"""

import bz2
import gzip
import io
import lzma
import os
import posixpath
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator
from contextlib import closing
from pathlib import Path
from typing import IO, Any, cast

from trine.datasets.cache import FULL
from trine.errors import DataError, UnsafeDataError

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz", ".txz", ".tar.bz2", ".tbz2")
MAX_BYTES = 4 * 2**30
"""Largest unpacked size, in bytes, so that a small file cannot fill the disk."""

MAX_RATIO = 100
"""Largest ratio of the unpacked size to the size of the archive: real pictures and texts compress less."""

RATIO_FLOOR = 64 * 2**20
"""Unpacked size, in bytes, up to which any ratio is accepted: too little to fill a disk."""

MAX_MEMBERS = 2_000_000
"""Largest number of members: each takes an entry in the file system, whatever its size."""

CHUNK = 2**20
"""Bytes that are unpacked at once."""

BROKEN = (OSError, EOFError, zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, RuntimeError, ValueError)

OPENERS: dict[str, Callable[[Path], Any]] = {
    ".gz": gzip.GzipFile,
    ".tgz": gzip.GzipFile,
    ".xz": lzma.LZMAFile,
    ".txz": lzma.LZMAFile,
    ".bz2": bz2.BZ2File,
    ".tbz2": bz2.BZ2File,
}
Member = tuple[str, io.BufferedIOBase | None]


def is_archive(path: Path) -> bool:
    """Whether the name of a file is that of an archive."""
    return path.name.lower().endswith(ARCHIVE_SUFFIXES)


def unpack(path: Path, target: Path) -> None:
    """Unpack the regular files of an archive into the new folder `target`.

    Raises `DataError` for a damaged archive, `UnsafeDataError` before anything is written outside `target`.
    """
    target.mkdir(parents=True)
    allowance = min(MAX_BYTES, max(MAX_RATIO * path.stat().st_size, RATIO_FLOOR))
    members = _zip_members(path) if path.suffix.lower() == ".zip" else _tar_members(path, 2 * allowance)
    left = allowance
    try:
        with closing(members):
            for count, (name, stream) in enumerate(members):
                if count >= MAX_MEMBERS:
                    raise UnsafeDataError(f"{path}: holds over {MAX_MEMBERS:,} members: unpack it by hand")
                member = target / safe_name(name, path)
                if stream is not None:
                    left = _copy(stream, member, left, path)
    except BROKEN as error:
        if isinstance(error, PermissionError) or (isinstance(error, OSError) and error.errno in FULL):
            raise  # an error of the disk, not of the archive
        raise DataError(f"{path}: the archive is damaged or not what its name says ({error}): get it again") from None


def safe_name(name: str, archive: Path) -> str:
    """The normalised path of a member below the target. Raises `UnsafeDataError` if it leads outside."""
    plain = name.replace("\\", "/")
    normal = posixpath.normpath(plain)
    if plain.startswith("/") or ":" in plain.split("/")[0] or ".." in plain.split("/") or "\0" in name:
        raise UnsafeDataError(f"{archive}: the member {name!r} leaves the archive's folder: do not trust this archive")
    return os.fsdecode(normal.encode("utf-8", "surrogateescape"))  # as the file system names it, in an ASCII locale too


def _copy(stream: io.BufferedIOBase, member: Path, left: int, archive: Path) -> int:
    """Write one member. Returns how many of the `left` bytes that may still be unpacked remain."""
    member.parent.mkdir(parents=True, exist_ok=True)
    with member.open("wb") as out:
        while chunk := stream.read(CHUNK):
            left -= len(chunk)
            if left < 0:
                raise _bomb(archive)
            out.write(chunk)
    return left


def _bomb(archive: Path) -> UnsafeDataError:
    return UnsafeDataError(f"{archive}: unpacks to over 4 GiB or {MAX_RATIO} times its size: unpack it by hand")


def _zip_members(path: Path) -> Generator[Member, None, None]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():
            if info.is_dir() or stat.S_ISLNK(info.external_attr >> 16):
                yield info.filename, None
            else:
                with archive.open(info) as stream:
                    yield info.filename, cast(io.BufferedIOBase, stream)


def _tar_members(path: Path, limit: int) -> Generator[Member, None, None]:
    opened = OPENERS.get(path.suffix.lower(), io.FileIO)(path)
    with opened as raw, tarfile.open(fileobj=cast(IO[bytes], LimitedStream(raw, limit, path)), mode="r:") as archive:
        for info in archive:
            if info.issym() and _climbs(info):
                raise UnsafeDataError(f"{path}: the link {info.name!r} leaves the archive: do not trust this archive")
            yield info.name, cast(io.BufferedIOBase, archive.extractfile(info)) if info.isreg() else None


class LimitedStream:
    """A stream with a limit on its length and on each read: a header inside a tar can request gigabytes."""

    def __init__(self, stream: Any, limit: int, archive: Path) -> None:
        self.stream, self.limit, self.archive = stream, limit, archive

    def read(self, n: int) -> bytes:
        """Read `n` bytes. Raises `UnsafeDataError` beyond 16 MiB at once or beyond the limit."""
        if not 0 <= n <= 16 * CHUNK or self.stream.tell() + n > self.limit:
            raise _bomb(self.archive)
        data: bytes = self.stream.read(n)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Move to a position. Raises `UnsafeDataError` beyond the limit."""
        if offset > self.limit:
            raise _bomb(self.archive)
        return int(self.stream.seek(offset, whence))

    def tell(self) -> int:
        """The position in the unpacked stream, in bytes."""
        return int(self.stream.tell())


def _climbs(info: tarfile.TarInfo) -> bool:
    """Whether a symbolic link leads outside the archive."""
    end = posixpath.normpath(posixpath.join(posixpath.dirname(info.name), info.linkname))
    return end.startswith(("/", ".."))
