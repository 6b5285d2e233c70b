"""Files that are complete or absent: atomic writes, checksums, and errors that say what to do."""

import ctypes
import errno
import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from trine.errors import RunError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; on success it is synced and takes `path`'s place in one step.

    Works for a file or a folder. On failure nothing at `path` has changed. Raises `OSError`.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield part
        _sync(part)
        _replace(part, path)
        _sync_entry(path.parent)
    finally:
        _remove(part)


@contextmanager
def writing(path: Path, error: type[Exception] = RunError) -> Iterator[Path]:
    """`replacing`, with an `OSError` turned into an `error` that says what to do."""
    try:
        with replacing(path) as part:
            yield part
    except OSError as problem:
        raise error(explain(problem, path)) from problem


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically."""
    with writing(path) as part:
        part.write_bytes(content)


def write_json(path: Path, content: Any) -> None:
    """Write `content` to `path` atomically as indented JSON."""
    write_bytes(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def sweep(folder: Path) -> None:
    """Remove the temporary files of killed writers from a folder."""
    for leftover in folder.glob(".*.part"):
        _remove(leftover)


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of(content: bytes) -> str:
    """Hexadecimal SHA-256 of bytes."""
    return hashlib.sha256(content).hexdigest()


def digest(content: Any) -> str:
    """Hexadecimal SHA-256 of a JSON value, independent of key order and layout."""
    return hashlib.sha256(json.dumps(content, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def explain(problem: OSError, path: Path) -> str:
    """One line: what the system refused, where, and what to do."""
    remedy = {
        errno.ENOSPC: "the disk is full: free some space, then continue",
        errno.EDQUOT: "the disk quota is used up: free some space, then continue",
        errno.EROFS: "the file system is read-only: choose another folder",
        errno.EACCES: "no permission: choose another folder, or change its permissions",
        errno.EPERM: "no permission: choose another folder, or change its permissions",
        errno.ENOTDIR: "a file has the name of a needed folder: choose another folder",
        errno.EEXIST: "a file has the name of a needed folder: choose another folder",
    }.get(problem.errno or 0, problem.strerror or str(problem))
    return f"cannot write {path}: {remedy}"


def _sync(part: Path) -> None:
    for path in [part, *part.rglob("*")] if part.is_dir() else [part]:
        _sync_entry(path)


def _sync_entry(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _replace(part: Path, path: Path) -> None:
    """Replace `path` by `part`; an old folder then has the temporary name."""
    if not (part.is_dir() and path.is_dir()):
        part.replace(path)
    elif not _exchange(part, path):
        old = path.with_name(f".{path.name}.{os.getpid()}.old.part")
        path.rename(old)
        part.rename(path)
        _remove(old)


def _exchange(first: Path, second: Path) -> bool:
    """Swap two names in one step where the system supports it (Linux's renameat2)."""
    here, exchange = -100, 2
    rename = getattr(ctypes.CDLL(None), "renameat2", None)
    return rename is not None and rename(here, os.fsencode(first), here, os.fsencode(second), exchange) == 0


def _remove(part: Path) -> None:
    if part.is_dir() and not part.is_symlink():
        shutil.rmtree(part, ignore_errors=True)
    else:
        with suppress(OSError):
            part.unlink()


def rounded(content: Any, digits: int = 6) -> Any:
    """A JSON value with floats rounded to `digits` significant digits; non-finite floats become null."""
    if isinstance(content, float):
        short = float(f"{content:.{digits}g}")  # the largest floats round up to infinity
        return short if math.isfinite(short) else content if math.isfinite(content) else None
    if isinstance(content, dict):
        return {key: rounded(value, digits) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [rounded(value, digits) for value in content]
    return content
