"""Zip and tar archives, unpacked where nothing can leave and nothing can overflow.

- Names that are absolute, climb with `..` or sit on a drive are refused, and so are links that lead out;
  other links are left out.
- Refused as a bomb: over 4 GiB unpacked, or over 100 times the archive's own size once that is more than 64 MiB,
  or over two million members. What is counted are the bytes that really come out, not what a header says.
"""

import bz2
import gzip
import io
import lzma
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
MAX_RATIO = 100
RATIO_FLOOR = 64 * 2**20
MAX_MEMBERS = 2_000_000
CHUNK = 2**20
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
    """Whether a file's name promises an archive."""
    return path.name.lower().endswith(ARCHIVE_SUFFIXES)


def unpack(path: Path, target: Path) -> None:
    """Unpack the regular files of an archive; raises UnsafeDataError before anything lands outside `target`."""
    target.mkdir(parents=True)
    allowance = min(MAX_BYTES, max(MAX_RATIO * path.stat().st_size, RATIO_FLOOR))
    members = _zip_members(path) if path.suffix.lower() == ".zip" else _tar_members(path, 2 * allowance)
    left = allowance
    try:
        with closing(members):
            for count, (name, stream) in enumerate(members):
                if count >= MAX_MEMBERS:
                    raise UnsafeDataError(f"{path}: holds over {MAX_MEMBERS:,} members: unpack it by hand")
                place = target / safe_name(name, path)
                if stream is not None:
                    left = _copy(stream, place, left, path)
    except BROKEN as error:
        if isinstance(error, PermissionError) or (isinstance(error, OSError) and error.errno in FULL):
            raise  # the disk's trouble, not the archive's
        raise DataError(f"{path}: the archive is damaged or not what its name says ({error}): get it again") from None


def safe_name(name: str, archive: Path) -> str:
    """The member's path below the target, in normal form; raises UnsafeDataError when it leads elsewhere."""
    plain = name.replace("\\", "/")
    normal = posixpath.normpath(plain)
    if plain.startswith("/") or ":" in plain.split("/")[0] or ".." in plain.split("/") or "\0" in name:
        raise UnsafeDataError(f"{archive}: the member {name!r} leaves the archive's folder: do not trust this archive")
    return normal


def _copy(stream: io.BufferedIOBase, place: Path, left: int, archive: Path) -> int:
    """Write one member; what is left of the allowance afterwards."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with place.open("wb") as out:
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
    """A stream read up to a limit, and never much at once: a header inside a tar can ask for gigabytes."""

    def __init__(self, stream: Any, limit: int, archive: Path) -> None:
        self.stream, self.limit, self.archive = stream, limit, archive

    def read(self, n: int) -> bytes:
        """Read exactly as the stream does, within bounds."""
        if not 0 <= n <= 16 * CHUNK or self.stream.tell() + n > self.limit:
            raise _bomb(self.archive)
        data: bytes = self.stream.read(n)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a position within the limit."""
        if offset > self.limit:
            raise _bomb(self.archive)
        return int(self.stream.seek(offset, whence))

    def tell(self) -> int:
        """Position in the unpacked stream."""
        return int(self.stream.tell())


def _climbs(info: tarfile.TarInfo) -> bool:
    """Whether a symbolic link leads out of the archive."""
    end = posixpath.normpath(posixpath.join(posixpath.dirname(info.name), info.linkname))
    return end.startswith(("/", ".."))
