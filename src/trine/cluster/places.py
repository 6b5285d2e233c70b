"""Folders and files of bulk work: on this machine, or in an object store that pyarrow opens (s3://, gs://, file://)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from trine import files
from trine.errors import DataError, RunError, UsageError

WORKER_FILES = "trine-"
"""Beginning of the names of temporary folders that files of an object store are brought to."""


def is_address(word: str) -> bool:
    """Whether a word names something in an object store."""
    return "://" in word


@dataclass(frozen=True)
class Folder:
    """A folder that results are written into: a path, or an address in an object store."""

    where: str

    def names(self) -> set[str]:
        """Names of its files; none where it does not exist yet. Raises `RunError`."""
        if not is_address(self.where):
            path = Path(self.where)
            return {each.name for each in path.iterdir()} if path.is_dir() else set()
        from pyarrow import fs

        with _errors(self.where, RunError):
            system, path = fs.FileSystem.from_uri(self.where)
            found = system.get_file_info(fs.FileSelector(path, allow_not_found=True))
            return {info.base_name for info in found if info.is_file}

    def read(self, name: str) -> bytes:
        """The content of a file. Raises `RunError`."""
        if not is_address(self.where):
            with _errors(self.where, RunError):
                return (Path(self.where) / name).read_bytes()
        return _read(below(self.where, f"/{name}"), RunError)

    def write(self, name: str, content: bytes) -> None:
        """Write a file, complete or not at all. Raises `RunError`."""
        if not is_address(self.where):
            files.write_bytes(Path(self.where) / name, content)
            return
        from pyarrow import fs

        with _errors(self.where, RunError):
            system, path = fs.FileSystem.from_uri(self.where)
            system.create_dir(path, recursive=True)
            with system.open_output_stream(f"{path.rstrip('/')}/{name}") as out:
                out.write(content)

    def prepare(self) -> None:
        """Remove what killed writers have left. Raises `RunError` for a path that is no folder."""
        if is_address(self.where):
            return
        path = Path(self.where)
        if path.exists() and not path.is_dir():
            raise RunError(f"{path}: is a file: --into names a folder")
        files.sweep(path)


def listed(address: str) -> list[tuple[str, int]]:
    """Address and size of a file in an object store, or of all files below a folder there, by name.

    Raises `DataError` where there is nothing.
    """
    from pyarrow import fs

    with _errors(address, DataError):
        system, path = fs.FileSystem.from_uri(address)
        info = system.get_file_info(path)
        if info.is_file:
            return [(address, info.size)]
        found = system.get_file_info(fs.FileSelector(path, recursive=True, allow_not_found=True))
    kept = [each for each in found if each.is_file and not _hidden(each.path[len(path.rstrip("/")) :])]
    if not kept:
        raise DataError(f"{shown(address)}: nothing is there: give the address of a file or a folder")
    names = sorted((each.path[len(path.rstrip("/")) :], each.size) for each in kept)
    return [(below(address, name), size) for name, size in names]


def shown(address: str) -> str:
    """A path or address as it may be printed and kept: without keys and options."""
    if not is_address(address):
        return address
    scheme, _, rest = address.partition("?")[0].partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


def below(address: str, name: str) -> str:
    """The address of `/name` below a folder's; what follows a question mark stays at the end."""
    head, mark, query = address.partition("?")
    return f"{head.rstrip('/')}{name}{mark}{query}"


def content(path: str) -> Path | bytes:
    """What a picture is read from: its path, or the bytes of an object. Raises `DataError`."""
    return _read(path, DataError) if is_address(path) else Path(path)


@contextmanager
def brought(paths: list[str]) -> Iterator[list[str]]:
    """Paths on this machine of files, which are brought from an object store for the block if they are there.

    Raises `DataError`.
    """
    if not any(is_address(path) for path in paths):
        yield paths
        return
    with TemporaryDirectory(prefix=WORKER_FILES) as folder:
        here = []
        for number, path in enumerate(paths):
            target = Path(folder) / str(number) / path.partition("?")[0].rpartition("/")[2]
            target.parent.mkdir()
            target.write_bytes(_read(path, DataError))
            here.append(str(target))
        yield here


def absolute(word: str) -> str:
    """A path that holds in any working directory."""
    return word if is_address(word) else os.path.abspath(word)  # noqa: PTH100  (patterns stay as they are)


def _read(address: str, kind: type[Exception]) -> bytes:
    from pyarrow import fs

    with _errors(address, kind):
        system, path = fs.FileSystem.from_uri(address)
        with system.open_input_stream(path) as file:
            read: bytes = file.read()
            return read


def _hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/") if part)


@contextmanager
def _errors(address: str, kind: type[Exception]) -> Iterator[None]:
    """Turn errors of the file system into an error of this kind, in a line."""
    kinds: tuple[type[Exception], ...] = (OSError, ValueError)
    with suppress(ImportError):
        import pyarrow

        kinds += (pyarrow.ArrowException,)
    try:
        yield
    except ImportError:
        raise UsageError(f"{shown(address)}: object stores need pyarrow: pip install 'trine[parquet]'") from None
    except kinds as problem:
        raise kind(f"{shown(address)}: {_reason(problem)}: check the address, and the access to it") from None


def _reason(problem: Any) -> str:
    text = getattr(problem, "strerror", None) or str(problem) or type(problem).__name__
    return " ".join(text.split())[:200].rstrip(".:")
