"""From the words of a command line to the blocks of bulk work."""

import glob
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

from trine.cluster.jobs import Block
from trine.cluster.picture_tables import row_groups
from trine.cluster.places import absolute, is_address, listed, shown
from trine.datasets.catalogue import refuse_empty
from trine.errors import DataError, UsageError
from trine.logs.rotation import rotated
from trine.pictures.kinds import has_picture_suffix
from trine.pictures.paths import found_pictures

PICTURES = 512
"""Pictures per block: seconds of work."""
LOG_BYTES = 32 << 20
"""Bytes of logs per block, or one larger log."""
SAMPLED = 1024
"""Generated pictures per block: whole blocks of noise."""
PARQUET = ".parquet"
Named = tuple[str, str]
"""The path or address of a file, and what answers call it."""


class Table(NamedTuple):
    """A Parquet file of pictures."""

    path: str
    name: str
    groups: int


@contextmanager
def picture_blocks(words: Sequence[str]) -> Iterator[tuple[list[Block], list[str]]]:
    """Blocks of pictures, and a line for whatever is passed over; archives stay unpacked for the `with` block.

    Words are files, folders, archives, tables and globs as `classify predict` takes them; addresses in object stores;
    Parquet files that hold pictures.
    Raises `DataError` when there is none.
    """
    if not words:
        raise DataError("no picture was named: give a folder, files, or addresses of pictures")
    parts: list[list[Named] | Table] = []
    passed_over: list[str] = []
    with ExitStack() as stack:
        for path, given in _opened_words(words):
            if _ends(path, PARQUET) and (groups := row_groups(path)):
                parts.append(Table(absolute(path), shown(path), groups))
                continue
            if not parts or isinstance(parts[-1], Table):
                parts.append([])
            files = parts[-1]
            assert isinstance(files, list)
            if not is_address(path):
                found = stack.enter_context(found_pictures([path]))
                files += [(absolute(str(each)), name) for each, name in zip(found.paths, found.names, strict=True)]
                passed_over += [*found.passed_over, *found.unusable]
            elif given or has_picture_suffix(path.partition("?")[0]):
                files.append((path, shown(path)))
        blocks = list(_numbered(parts))
        if not blocks:
            raise DataError(f"{shown(words[0])}: no picture is there: give a folder or files of pictures")
        yield blocks, passed_over


def log_blocks(words: Sequence[str]) -> list[Block]:
    """Blocks of logs. The files that rotation made of one log are one log, in one block.

    Raises `DataError` when there is none, `UsageError` for standard input.
    """
    logs: dict[str, list[tuple[str, int]]] = {}
    for word in words:
        for path, size in _log_files(word):
            logs.setdefault(rotated(shown(path)).base, []).append((path, size))
    blocks: list[list[Named]] = [[]]
    filled = 0
    for base, files in logs.items():
        size = sum(size for _, size in files)
        if blocks[-1] and filled + size > LOG_BYTES:
            blocks.append([])
            filled = 0
        name = shown(files[0][0]) if len(files) == 1 else base
        blocks[-1] += [(path, name) for path, _ in files]
        filled += size
    return [
        Block(number, tuple(path for path, _ in block), tuple(name for _, name in block))
        for number, block in enumerate(blocks)
    ]


def sample_blocks(n: int) -> list[Block]:
    """Blocks of pictures to make."""
    starts = range(0, n, SAMPLED)
    return [Block(i, (), first=start, last=min(n, start + SAMPLED)) for i, start in enumerate(starts)]


def _log_files(word: str) -> list[tuple[str, int]]:
    """Files and sizes that a word names, in order."""
    refuse_empty(word)
    if word in ("-", "/dev/stdin"):
        raise UsageError("-: standard input is no file: leave out --into, or give files")
    if is_address(word):
        return listed(word)
    path = Path(word)
    if path.is_dir():
        inside = sorted(each for each in path.rglob("*") if each.is_file() and not _is_hidden(each, path))
    elif path.exists():
        inside = [path]
    else:
        inside = [Path(match) for match in sorted(glob.glob(word, recursive=True))]  # noqa: PTH207  (may be absolute)
    if not inside:
        raise DataError(f"{word}: no log is there: give a file, a folder, a pattern or an address")
    return [(absolute(str(each)), each.stat().st_size) for each in inside]


def _is_hidden(path: Path, below: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(below).parts)


def _opened_words(words: Sequence[str]) -> Iterator[tuple[str, bool]]:
    """Paths, and the addresses of the files that an address stands for; and whether it was given by name."""
    for word in words:
        refuse_empty(word)
        if is_address(word):
            yield from ((address, address == word) for address, _ in listed(word))
        else:
            yield word, True


def _numbered(parts: Sequence[list[Named] | Table]) -> Iterator[Block]:
    """Blocks in the order of the input: some files together, or a row group of a table."""
    number = count()
    for part in parts:
        if isinstance(part, Table):
            for group in range(part.groups):
                yield Block(next(number), (part.path,), (part.name,), first=group, last=group + 1)
            continue
        for start in range(0, len(part), PICTURES):
            paths, names = zip(*part[start : start + PICTURES], strict=True)
            yield Block(next(number), paths, names)


def _ends(path: str, suffix: str) -> bool:
    return path.partition("?")[0].lower().endswith(suffix)
