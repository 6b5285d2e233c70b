"""A folder with all that is below it: pictures, tables, empty folders; and what is passed over, by name and number."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from trine.datasets.tables import is_table
from trine.errors import DataError
from trine.pictures.entries import listed, natural_order
from trine.pictures.kinds import RAW_SUFFIXES, is_picture_file, suffix
from trine.pictures.litter import is_litter, is_run

EXAMPLES = 3
"""Files and folders of a kind that are named."""


@dataclass
class Passed:
    """What is passed over in a folder."""

    kinds: Counter[str] = field(default_factory=Counter)
    """Files that are no pictures, per suffix."""
    examples: dict[str, list[str]] = field(default_factory=dict)
    litter: list[str] = field(default_factory=list)
    """Folders that a system left; its files are not counted."""
    runs: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        """Count a file that is no picture."""
        kind = suffix(name.rpartition("/")[2]) or "files without a suffix"
        self.kinds[kind] += 1
        if len(examples := self.examples.setdefault(kind, [])) < EXAMPLES:
            examples.append(name)

    def remarks(self) -> list[str]:
        """One line for each kind of thing passed over."""
        lines = [f"passed over, a run of Trine and no class: {listed(f'{n}/' for n in self.runs)}"] if self.runs else []
        if self.litter:
            lines.append(f"passed over, left by a system: {listed(f'{n}/' for n in self.litter)}")
        for kind, count in sorted(self.kinds.items()):
            what = "camera raw, convert it to JPEG" if kind in RAW_SUFFIXES else "no picture"
            lines.append(f"passed over, {what}: {count:,} {kind} ({listed(self.examples[kind], EXAMPLES)})")
        return lines


@dataclass
class Tree:
    """A folder. `name` is its path below the root of the set, with `/`; empty for the root."""

    path: Path
    name: str
    pictures: list[str] = field(default_factory=list)
    """Paths of the pictures in this folder. Strings: listing a million of them takes less time than with `Path`."""
    tables: list[Path] = field(default_factory=list)
    folders: list["Tree"] = field(default_factory=list)

    @property
    def last(self) -> str:
        """The folder's own name."""
        return self.name.rpartition("/")[2] or self.path.name

    @cached_property
    def count(self) -> int:
        """Number of pictures at any depth."""
        return len(self.pictures) + sum(folder.count for folder in self.folders)

    @cached_property
    def filled(self) -> list["Tree"]:
        """The folders that hold pictures at any depth."""
        return [folder for folder in self.folders if folder.count]

    def below(self) -> Iterator[str]:
        """All pictures, those of each folder before those of the folders in it."""
        yield from self.pictures
        for folder in self.folders:
            yield from folder.below()

    def all_tables(self) -> Iterator[Path]:
        """All tables at any depth."""
        yield from self.tables
        for folder in self.folders:
            yield from folder.all_tables()


def scan(root: Path) -> tuple[Tree, Passed]:
    """The tree of a folder. Links are followed, but never back. Raises `DataError` for a folder that cannot be read."""
    passed = Passed()
    return _Scan(root, passed).tree(root, "", ()), passed


class _Scan:
    def __init__(self, root: Path, passed: Passed) -> None:
        self.root, self.passed = root.resolve(), passed
        self.linked: set[tuple[int, int]] = set()

    def tree(self, folder: Path, name: str, above: tuple[tuple[int, int], ...], in_link: bool = False) -> Tree:
        status = folder.stat()
        above = (*above, (status.st_dev, status.st_ino))
        tree = Tree(folder, name)
        for entry in _sorted(folder):
            below = f"{name}/{entry.name}" if name else entry.name
            if entry.is_dir():
                if self._is_entered(entry, below, above, in_link):
                    child = self.tree(Path(entry.path), below, above, in_link or entry.is_symlink())
                    tree.folders.append(child)
            elif not is_litter(entry.name):
                self._add(tree, entry, below)
        return tree

    def _is_entered(
        self, entry: os.DirEntry[str], name: str, above: tuple[tuple[int, int], ...], in_link: bool
    ) -> bool:
        """Whether a folder is entered: not litter, not a run, not a link back, a link inside a link only once."""
        if is_litter(entry.name):
            if not entry.name.startswith("."):
                self.passed.litter.append(name)
            return False
        if is_run(entry.path):
            self.passed.runs.append(name)
            return False
        status = entry.stat()
        key = (status.st_dev, status.st_ino)
        if key in above:
            return False
        if in_link and entry.is_symlink():
            again = key in self.linked
            self.linked.add(key)
            return not again
        return True

    def _add(self, tree: Tree, entry: os.DirEntry[str], name: str) -> None:
        if is_picture_file(entry.path, entry.name):
            tree.pictures.append(entry.path)
        elif is_table(Path(entry.name)):
            tree.tables.append(Path(entry.path))
        else:
            self.passed.add(name)


def _sorted(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder, in natural order."""
    try:
        with os.scandir(folder) as scanned:
            return sorted(scanned, key=lambda entry: natural_order(entry.name))
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror})") from None
