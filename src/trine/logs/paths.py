"""From what a user gives as data to the sources of a log: files, patterns, folders, archives, standard input."""

import glob
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from trine.datasets.catalogue import refuse_empty
from trine.datasets.lines import Skips
from trine.errors import DataError
from trine.logs.compression import Damaged
from trine.logs.copies import different
from trine.logs.encodings import looks_like_text
from trine.logs.sources import FileInput, LogInput, StreamInput, Tar, is_tar, is_zip, zip_members

_STDIN = ("-", "/dev/stdin")
_PREFIX = 4096
"""Bytes by which a file is recognised as text or as an archive."""


def sources_of(paths: Sequence[str | Path], skips: Skips) -> list[LogInput]:
    """The sources in the order in which they were given; those of a pattern, a folder or an archive by name.

    What is not read is counted in `skips`. Raises `DataError` for a path that does not exist or holds no text,
    `UsageError` for an empty one.
    """
    finder = _Finder(skips)
    for path in paths:
        finder.add(path)
    return different(finder.sources, skips)


class _Finder:
    def __init__(self, skips: Skips) -> None:
        self.sources: list[LogInput] = []
        self._skips = skips
        self._seen: set[object] = set()

    def add(self, given: str | Path) -> None:
        text = str(given)
        refuse_empty(text)
        if text in _STDIN:
            self._add_stream("-", lambda: cast(BinaryIO, sys.stdin.buffer), "-")
        elif (status := _status(text)) is not None:
            self._add_path(Path(text), status)
        elif glob.has_magic(text):
            matches = sorted(glob.glob(text, recursive=True))  # noqa: PTH207  (patterns as the shell has them)
            if not matches:
                raise DataError(f"{_shown(text)}: no file matches this pattern; correct it or give a file")
            for match in matches:
                self._add_path(Path(match), _status(match))
        else:
            raise DataError(f"{_shown(text)}: does not exist or is not accessible; give a file, a folder or a pattern")

    def _add_path(self, path: Path, status: os.stat_result | None) -> None:
        name = _shown(path)
        if status is None:
            raise DataError(f"{name}: a link that leads nowhere; give a file that exists")
        if stat.S_ISDIR(status.st_mode):
            self._add_all(name, self._folder(path))
        elif stat.S_ISREG(status.st_mode):
            self._add_file(path, name)
        elif stat.S_ISFIFO(status.st_mode) or stat.S_ISCHR(status.st_mode):
            self._add_stream((status.st_dev, status.st_ino), lambda: cast(BinaryIO, path.open("rb")), name)
        else:
            raise DataError(f"{name}: a socket or a device; give a file, a folder or a named pipe")

    def _add_stream(self, identity: object, opened: Callable[[], BinaryIO], name: str) -> None:
        if self._is_new(identity, name):
            self.sources.append(StreamInput(opened, name))

    def _add_file(self, path: Path, name: str) -> None:
        """A file that was given by its name: it is read whatever it looks like."""
        source = FileInput(path, name)
        if not self._is_new(source.identity, name):
            return
        try:
            prefix = _prefix(source)
        except Damaged as error:
            raise DataError(f"{name}: {error}, nothing can be read; get the file again") from None
        if members := self._members(path, name, prefix):
            self._add_all(name, members)
        else:
            if prefix and not looks_like_text(prefix):
                self._skips.add("hardly text, read all the same", name)
            self.sources.append(source)

    def _add_all(self, name: str, found: Iterator[LogInput]) -> None:
        """What a folder or an archive holds. Raises `DataError` if that is nothing."""
        before = len(self.sources)
        any_empty = False
        for source in found:
            any_empty |= source.size == 0
            self._add_found(source)
        if len(self.sources) == before and not any_empty and not self._skips.positions("given twice, read once"):
            raise DataError(f"{name}: holds no text that can be read; give a folder or an archive of logs")

    def _add_found(self, source: LogInput) -> None:
        """A file of a folder or a member of an archive: it is read if it looks like text."""
        try:
            prefix = b"" if source.size == 0 else _prefix(source)
        except (Damaged, DataError) as error:
            self._skips.add("damaged or not readable, left out", f"{source.name} ({error})")
            return
        if not prefix:
            self._skips.add("empty, nothing to read", source.name)
        elif isinstance(source, FileInput) and (members := self._members(source.path, source.name, prefix)):
            self._add_all(source.name, members)
        elif is_zip(prefix) or is_tar(prefix):
            self._skips.add("an archive in an archive, left out", source.name)
        elif looks_like_text(prefix):
            self.sources.append(source)
        else:
            self._skips.add("no text, left out", source.name)

    def _members(self, path: Path, name: str, prefix: bytes) -> Iterator[LogInput] | None:
        """The members of an archive; None if the file is none."""
        if is_zip(prefix):
            return self._shown_members(zip_members(path, name, self._skips.add))
        if is_tar(prefix):
            return self._shown_members(Tar(path).members(name, self._skips.add))
        return None

    def _shown_members(self, members: Iterator[LogInput]) -> Iterator[LogInput]:
        for member in members:
            parts = member.name.rpartition(":")[2].split("/")
            if any(part.startswith(".") or part == "__MACOSX" for part in parts):
                self._skips.add("hidden, not read", member.name)
            else:
                yield member

    def _folder(self, folder: Path) -> Iterator[LogInput]:
        """The regular files below a folder, by name."""
        for root, folders, files in os.walk(folder, onerror=self._unreadable):
            for name in sorted(name for name in (*folders, *files) if name.startswith(".")):
                self._skips.add("hidden, not read", _shown(Path(root, name)))
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(folders):
                if Path(root, name).is_symlink():
                    self._skips.add("a link to a folder, not followed", _shown(Path(root, name)))
            for name in sorted(name for name in files if not name.startswith(".")):
                path = Path(root, name)
                status = _status(str(path))
                if status is None or not stat.S_ISREG(status.st_mode):
                    self._skips.add("no regular file, not read", _shown(path))
                elif self._is_new((status.st_dev, status.st_ino), _shown(path)):
                    yield FileInput(path, _shown(path))

    def _unreadable(self, error: OSError) -> None:
        self._skips.add("folder cannot be opened, left out", _shown(error.filename))

    def _is_new(self, identity: object, name: str) -> bool:
        if identity in self._seen:
            self._skips.add("given twice, read once", name)
            return False
        self._seen.add(identity)
        return True


def _prefix(source: LogInput) -> bytes:
    """The first unpacked bytes. Raises `Damaged` if there are none because of damage."""
    prefix = b""
    try:
        for chunk in source.chunks():
            prefix += chunk
            if len(prefix) >= _PREFIX:
                break
    except Damaged:
        if not prefix:
            raise
    return prefix[:_PREFIX]


def _status(path: str) -> os.stat_result | None:
    try:
        return Path(path).stat()
    except (OSError, ValueError):
        return None


def _shown(path: str | Path) -> str:
    """A path as text that can be printed."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
