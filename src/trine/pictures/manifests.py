"""Tables that list pictures: columns `path` and, if known, `label` and `split`; CSV, TSV or Parquet."""

import csv
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path

from trine.errors import DataError, UnsafeDataError
from trine.pictures.entries import Entry, Files, split_called, stat_line

MANIFEST_SUFFIXES = frozenset({".csv", ".tsv", ".parquet"})
Row = dict[str, str]


class Manifest:
    """A table of pictures; its paths start from the table's own folder.

    With `confined`, paths may not leave that folder: the table came out of an archive.
    """

    def __init__(self, path: Path, *, confined: bool = False) -> None:
        self.path, self.confined = path, confined

    def stamp(self) -> Iterator[str]:
        """The table's time and size, and those of every picture it lists."""
        yield stat_line(self.path, self.path.name)
        yield from (stat_line(entry.path, entry.name) for entry in self._files.entries)

    def read(self, workspace: Path) -> Files:
        """One entry a row; in a table with labels, rows without one are left out by name."""
        return self._files

    @cached_property
    def _files(self) -> Files:
        entries = [self._entry(line, row) for line, row in _rows(self.path)]
        if not entries:
            raise DataError(f"{self.path}: lists no picture")
        if all(entry.label is None for entry in entries):
            return Files(entries, [])
        kept = [entry for entry in entries if entry.label is not None]
        return Files(kept, [f"unlabelled: {e.name} (its row has no label)" for e in entries if e.label is None])

    def _entry(self, line: int, row: Row) -> Entry:
        where = f"{self.path}, row {line}"
        name = row["path"].strip()
        if not name or "\0" in name:
            raise DataError(f"{where}: the column `path` is empty or no path: fill it in")
        path = self.path.parent / name
        if self.confined and not path.resolve().is_relative_to(self.path.parent.resolve()):
            raise UnsafeDataError(f"{where}: {name} leaves the archive: leave it out")
        return Entry(path, name, row.get("label", "").strip() or None, split_called(row.get("split", ""), where))


def _rows(path: Path) -> Iterator[tuple[int, Row]]:
    """Row number as a person counts it (the header is row 1), and the row."""
    rows = _parquet_rows(path) if path.suffix.lower() == ".parquet" else _csv_rows(path)
    for line, row in enumerate(rows, 2):
        if "path" not in row:
            raise DataError(f"{path}: has no column `path`: name the columns path,label[,split]")
        yield line, row


def _csv_rows(path: Path) -> Iterator[Row]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream, delimiter="\t" if path.suffix.lower() == ".tsv" else ",", strict=True)
            for row in reader:
                yield {key.strip().lower(): value or "" for key, value in row.items() if key is not None}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: is no table that can be read ({error}): save it as UTF-8 CSV") from None


def _parquet_rows(path: Path) -> Iterable[Row]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise DataError(f"{path}: reading Parquet needs pyarrow: pip install 'trine[parquet]'") from None
    try:
        table = parquet.read_table(path)
    except (OSError, ArrowException) as error:
        raise DataError(f"{path}: is no Parquet table that can be read ({str(error).splitlines()[0]})") from None
    wanted = [name for name in table.column_names if name.strip().lower() in ("path", "label", "split")]
    return [
        {key.strip().lower(): "" if value is None else str(value) for key, value in row.items()}
        for row in table.select(wanted).to_pylist()
    ]
