"""The picture files that words on a command line stand for.

Folders, archives and tables give the pictures that a training on them would read, at any depth.
"""

import glob
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from trine.datasets.archives import is_archive, unpack
from trine.datasets.catalogue import refuse_empty
from trine.datasets.tables import has_column, is_table
from trine.errors import DataError
from trine.pictures.manifests import PATH, PictureManifest
from trine.pictures.tree import scan


@dataclass
class FoundPictures:
    """Pictures to look at: their paths, a name for each, and a line for whatever is passed over."""

    paths: list[Path] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    """The path as the user wrote it; for a picture in an archive, the archive's path and the one inside it."""
    passed_over: list[str] = field(default_factory=list)
    unusable: list[str] = field(default_factory=list)
    """A line for each row of a table that names no picture."""

    def add(self, path: Path, name: str | None = None) -> None:
        """Add a picture."""
        self.paths.append(path)
        self.names.append(str(path) if name is None else name)


@contextmanager
def found_pictures(words: Iterable[str | Path]) -> Iterator[FoundPictures]:
    """The pictures that words stand for, in order: files, folders, archives, tables, globs.

    Archives are unpacked into a folder that is removed at the end of the block.

    Raises `DataError` when there is none, `UsageError` for an empty word.
    """
    with TemporaryDirectory(prefix="trine-") as workspace:
        found = FoundPictures()
        for word in words:
            refuse_empty(word)
            for path in _matches(str(word)):
                _add(path, found, Path(workspace))
        if not found.paths:
            raise DataError(
                "no picture was named: give files, folders or globs, or - to read names from standard input"
            )
        yield found


def _matches(word: str) -> list[Path]:
    """The paths that a word stands for: itself, or the matches of a glob."""
    path = Path(word)
    if path.exists() or not glob.has_magic(word):
        return [path]
    return sorted(Path(match) for match in glob.glob(word, recursive=True))  # noqa: PTH207  (words may be absolute)


def _add(path: Path, found: FoundPictures, workspace: Path) -> None:
    if path.is_dir():
        _add_folder(path, str(path), found)
    elif path.is_file() and is_table(path) and has_column(path, PATH):
        content = PictureManifest(path).listed()
        found.unusable += content.skipped
        for entry in content.entries:
            found.add(entry.path)
    elif path.is_file() and is_archive(path):
        inside = workspace / f"{len(found.paths)}-{path.name}"
        unpack(path, inside)
        _add_folder(inside, str(path), found)
    else:
        found.add(path)


def _add_folder(folder: Path, name: str, found: FoundPictures) -> None:
    """Add the pictures of a folder at any depth, without hidden files, litter and runs of ours."""
    tree, passed = scan(folder)
    said = passed.remarks()
    if not tree.count:
        raise DataError(f"{name}: holds no pictures: give a folder that does{''.join(f'; {line}' for line in said)}")
    found.passed_over += [f"{name}: {line}" for line in said]
    for path in tree.below():
        inner = path[len(str(folder)) :].lstrip("/\\")
        found.add(Path(path), f"{name}/{inner}" if str(folder) != name else None)
