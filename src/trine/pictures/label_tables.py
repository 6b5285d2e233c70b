"""Labels in a table beside flat pictures: `train.csv` with ids and classes, `_classes.csv` with a column per class.

- The column of pictures is the one whose values are the names of the pictures, with or without folder and suffix.
- The column of labels has one of the usual names, or is the only other one; or each other column is a class, with a 1
  in one of them per row. What is not clear is named in a remark.
- A table of submissions, and one with a single class, gives no labels.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from trine.datasets.lines import Skips
from trine.datasets.tables import Row, read_table
from trine.errors import DataError
from trine.pictures.entries import Entry, Files, listed
from trine.pictures.several_labels import refuse_several, several, text_of
from trine.pictures.split_names import split_called, split_name, words_of
from trine.plurals import quantity

LABEL_COLUMNS = (
    *("label", "labels", "class", "classes", "classname", "classlabel", "category", "categoryname", "target"),
    *("species", "breed", "diagnosis", "dx", "variety", "type", "classid", "categoryid", "labelid", "y"),
)
"""Names of columns of labels, without what is no letter; the first one that a table has is used."""
SPLIT_COLUMNS = ("split", "set", "subset", "dataset", "dataset", "phase", "usage")
ONES, ZEROS = frozenset({"1", "1.0", "true"}), frozenset({"0", "0.0", "false", "-1", "-1.0", ""})
"""What marks a class in a column of its own, and what does not."""
SAMPLE = 500
"""Rows by which columns are recognised."""
MATCHED = 0.5
"""Share of the sampled rows that must name a picture."""


@dataclass(frozen=True)
class Columns:
    """What the columns of a table mean."""

    picture: str
    label: str | None
    classes: tuple[str, ...] = ()
    """Columns that are a class each."""
    split: str | None = None


class LabelTable:
    """A table whose rows name pictures of a set."""

    def __init__(self, path: Path, name: str, entries: list[Entry]) -> None:
        self.path, self.name, self.entries = path, name, entries
        self.known = _keys(entries, path.parent)
        self.columns: Columns | None = None
        self.problem: str | None = None
        """Why the table gives no labels, although it names the pictures."""

    def examine(self) -> None:
        """Find out what the columns mean. A table that cannot be read, or is about something else, has none."""
        try:
            rows = list(islice(read_table(self.path, None, Skips(self.name)), SAMPLE))
        except DataError:
            return
        names = list(dict.fromkeys(name for row in rows for name in row.cells if name))
        if any(self.match(name) is not None for name in names):
            self.problem = "has no header: write path,label above its rows"
            return
        counts = {
            name: len({m for row in rows if (m := self.match(row.cells.get(name))) is not None}) for name in names
        }
        picture = max(counts, key=lambda name: counts[name], default=None)
        if picture is None or counts[picture] < max(1, MATCHED * min(len(rows), len(self.entries))):
            return
        others = [name for name in names if name != picture]
        split = next((name for name in others if _plain(name) in SPLIT_COLUMNS and _are_splits(rows, name)), None)
        self._find_label(picture, [name for name in others if name != split], split, rows)

    def _find_label(self, picture: str, others: list[str], split: str | None, rows: list[Row]) -> None:
        by_name = {_plain(name): name for name in reversed(others)}
        label = next((by_name[name] for name in LABEL_COLUMNS if name in by_name), None)
        if label is None and len(others) == 1:
            label = others[0]
        classes = tuple(others) if label is None and len(others) > 1 and _are_marks(rows, others) else ()
        if label or classes:
            self.columns = Columns(picture, label, classes, split)
        elif others:
            self.problem = f"which of its columns ({listed(others)}) is the label? call it label"

    def match(self, value: object) -> int | None:
        """The index of the picture that a cell names."""
        text = text_of(value).replace("\\", "/").removeprefix("./").lower()
        if not text:
            return None
        for key in (text, text.rpartition("/")[2]):
            if (found := self.known.get(key)) is not None:
                return found
        return None

    def labels(self) -> Iterator[tuple[int, str, str | None]]:
        """Index of the picture, label and, if the table has one, split, of each row that has them."""
        assert self.columns is not None
        self._refuse_several(self.columns)
        for row in read_table(self.path, self.columns.picture, Skips(self.name)):
            index = self.match(row.cells.get(self.columns.picture))
            label = next(iter(_classes(row, self.columns)), "")
            if index is not None and label:
                split = text_of(row.cells.get(self.columns.split)) if self.columns.split else ""
                yield index, label, split_called(split, f"{self.path}: {row.position}") if split else None

    def _refuse_several(self, columns: Columns) -> None:
        """Raise `DataError` if rows have several classes."""
        rows = read_table(self.path, columns.picture, Skips(self.name))
        if columns.label is not None:
            refuse_several(((row.position, row.cells.get(columns.label)) for row in rows), self.path)
            return
        if wrong := [(row.position, marked) for row in rows if len(marked := _classes(row, columns)) > 1]:
            raise several(self.path, wrong)


def _classes(row: Row, columns: Columns) -> list[str]:
    """The classes of a row: its label, or those of the columns that have a 1."""
    if columns.label is not None:
        text = text_of(row.cells.get(columns.label))
        return [text] if text else []
    return [name for name in columns.classes if text_of(row.cells.get(name)).lower() in ONES]


def label_from_tables(files: Files, splits: set[str], root: Path, tables: Iterable[Path]) -> Files:
    """The files with labels, and splits, from the tables of a folder; only pictures without a label get one."""
    flat = [entry for entry in files.entries if entry.label is None]
    labels: dict[Path, tuple[str, str]] = {}
    remarks = []
    for path in tables:
        name = path.relative_to(root).as_posix()
        table = LabelTable(path, name, _concerned(path, root, [e for e in flat if e.path not in labels], splits))
        if table.entries and "submission" not in words_of(path.stem):
            remarks += _take(table, labels)
    if not labels:
        return replace(files, remarks=[*files.remarks, *remarks])
    entries = [
        replace(entry, label=labels[entry.path][0], split=labels[entry.path][1]) if entry.path in labels else entry
        for entry in files.entries
    ]
    return _complete(entries, files, remarks)


def _take(table: LabelTable, labels: dict[Path, tuple[str, str]]) -> list[str]:
    """Add the labels of one table. Returns remarks."""
    table.examine()
    if table.problem:
        return [f"{table.name} lies beside the pictures, but {table.problem}"]
    if table.columns is None:
        return []
    found = {table.entries[i].path: (label, split or table.entries[i].split) for i, label, split in table.labels()}
    classes = sorted({label for label, _ in found.values()})
    if len(classes) < 2:
        return [
            f"{table.name} is not used: it gives {quantity(len(classes), 'class')} ({listed(classes)}) to the pictures"
        ]
    labels |= found
    column = table.columns.label or f"{len(table.columns.classes)} columns of classes"
    return [f"labels from {table.name}, {column}: {quantity(len(found), 'picture')}, {quantity(len(classes), 'class')}"]


def _complete(entries: list[Entry], files: Files, remarks: list[str]) -> Files:
    """Without the pictures that have no label in a split in which others have one."""
    labelled = {entry.split for entry in entries if entry.label is not None}
    kept = [entry for entry in entries if entry.label is not None or entry.split not in labelled]
    left = [e for e in entries if e.label is None and e.split in labelled]
    skipped = [f"unlabelled: {entry.name} (no table lists it with a label)" for entry in left]
    return Files(kept, [*files.skipped, *skipped], [*files.remarks, *remarks])


def _concerned(path: Path, root: Path, entries: list[Entry], splits: set[str]) -> list[Entry]:
    """The pictures that a table can be about: those of the split in its name, or else those near it."""
    split = split_name(path.stem).split
    if split in splits:
        entries = [entry for entry in entries if entry.split == split]
    if path.parent != root:
        below = [entry for entry in entries if entry.path.is_relative_to(path.parent)]
        return below or entries
    return entries


def _keys(entries: list[Entry], folder: Path) -> dict[str, int]:
    """The index of the picture for each way to write it: path, name, name without suffix; not if two are written so."""
    keys: dict[str, set[int]] = defaultdict(set)
    for index, entry in enumerate(entries):
        name = entry.name.rpartition("/")[2]
        written = {entry.name, name, name.rpartition(".")[0] or name, entry.name.rpartition(".")[0]}
        if entry.path.is_relative_to(folder):
            written.add(entry.path.relative_to(folder).as_posix())
        for text in written:
            keys[text.lower()].add(index)
    return {key: next(iter(found)) for key, found in keys.items() if len(found) == 1}


def _are_marks(rows: list[Row], names: list[str]) -> bool:
    cells = {text_of(row.cells.get(name)).lower() for row in rows for name in names}
    return bool(cells & ONES) and cells <= ONES | ZEROS


def _are_splits(rows: list[Row], name: str) -> bool:
    found = {text_of(row.cells.get(name)) for row in rows} - {""}
    return bool(found) and all(split_name(text).split and not split_name(text).rest for text in found)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name)
