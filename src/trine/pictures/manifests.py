"""Tables that list pictures: the column `path` and, if known, `label` and `split`."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

from trine.datasets.lines import NOT_UTF8, Skips
from trine.datasets.tables import Row, read_table
from trine.errors import DataError, UnsafeDataError
from trine.pictures.entries import Entry, Files, stat_line
from trine.pictures.label_names import labels_from_names
from trine.pictures.several_labels import refuse_several, text_of
from trine.pictures.split_names import split_called

PATH = "path"
"""The column that makes a table a manifest of pictures."""

COLUMNS = (PATH, "label", "split")
"""The columns that are read; all others are ignored."""


class PictureManifest:
    """A table of pictures. Its paths are relative to the folder of the table.

    With `confined`, for a table that came out of an archive, a path that leaves that folder raises `UnsafeDataError`.
    """

    def __init__(self, path: Path, *, confined: bool = False, label_from: str | None = None, remark: str = "") -> None:
        self.path, self.confined, self.label_from = path, confined, label_from
        self.remarks = [remark] if remark else []

    def stamp(self) -> Iterator[str]:
        """Size and time of change of the table and of every picture that it lists."""
        yield stat_line(self.path, self.path.name)
        yield from (stat_line(entry.path, entry.name) for entry in self._files.entries)
        yield from self.remarks

    def read(self, workspace: Path) -> Files:
        """One entry per row. If any row has a label, rows without a label are skipped."""
        return self._files

    def listed(self) -> Files:
        """One entry per row, whether it has a label or not."""
        entries, skipped = self._rows
        return Files(entries, skipped)

    @cached_property
    def _rows(self) -> tuple[list[Entry], list[str]]:
        """The entry of each row, and a line for each kind of row that cannot be read."""
        skips = Skips(self.path.name)
        rows = list(read_table(self.path, PATH, skips, COLUMNS))
        if self.label_from is None:
            refuse_several(((row.position, row.cells.get("label")) for row in rows), self.path)
        entries = [self._entry(row) for row in rows]
        if lines := skips.positions(NOT_UTF8):
            raise DataError(f"{self.path}: {lines[0]}: not UTF-8; save the table as UTF-8")
        skips.require(len(entries), "picture", "give a table with one picture per row")
        return entries, [f"unreadable: {message}" for message in skips.messages()]

    @cached_property
    def _files(self) -> Files:
        entries, skipped = self._rows
        if self.label_from is not None:
            return labels_from_names(Files(entries, skipped, self.remarks), self.label_from, self.path.name)
        labelled = [entry for entry in entries if entry.label is not None]
        if not labelled:
            return Files(entries, skipped, self.remarks)
        unlabelled = [f"unlabelled: {entry.name} (its row has no label)" for entry in entries if entry.label is None]
        return Files(labelled, [*skipped, *unlabelled], self.remarks)

    def _entry(self, row: Row) -> Entry:
        where = f"{self.path}: {row.position}"
        name, label, split = (text_of(row.cells.get(column)) for column in COLUMNS)
        if not name or "\0" in name:
            raise DataError(f"{where}: no path in the column {PATH!r}; give the path of a picture")
        path = self.path.parent / name
        if self.confined and not path.resolve().is_relative_to(self.path.parent.resolve()):
            raise UnsafeDataError(f"{where}: {name} leaves the archive; remove the row")
        return Entry(path, name, label or None, split_called(split, where))
