"""Sequences of a named set, a table or a folder as a `SequenceTable`."""

from collections.abc import Iterator
from pathlib import Path

from trine.datasets.catalogue import CATALOGUE, location, nothing_there, refuse_empty
from trine.datasets.fetch import fetch
from trine.datasets.lines import Skips
from trine.datasets.tables import READERS, Row, is_table, read_table
from trine.errors import DataError, UsageError
from trine.sequences.folders import read_folder
from trine.sequences.table import SequenceBuilder, SequenceTable

EVENTS = "events"
"""The column that makes a table a table of sequences."""


def open_sequences(source: str | Path, *, data_dir: Path | None = None) -> SequenceTable:
    """The sequences of a named set, a table (TSV, CSV, JSON lines, Parquet; .gz too) or a folder with one file each.

    Raises `DataError` if nothing exists at `source` or it cannot be read, `UsageError` for a named set of pictures.
    """
    refuse_empty(source)
    path = Path(source)
    name = path.name
    if not path.exists():
        path = _named(str(source), data_dir)
    skips = Skips(path.name)
    table = SequenceBuilder(name, skips)
    for position, cells in _rows(path, skips):
        table.add(position, cells)
    return table.build()


def _rows(path: Path, skips: Skips) -> Iterator[Row]:
    if path.is_dir():
        return read_folder(path, skips)
    if is_table(path):
        return read_table(path, EVENTS, skips)
    raise DataError(
        f"{path}: no table of sequences (its name ends in none of {', '.join(READERS)}); if it is a raw log, "
        "give its format"
    )


def _named(name: str, data_dir: Path | None) -> Path:
    if name not in CATALOGUE:
        raise DataError(nothing_there(name, "sequences"))
    named = CATALOGUE[name]
    path = location(named, data_dir)
    if named.kind != "sequences" or path is None:
        raise UsageError(f"{name}: a set of {named.kind}, not of sequences; choose one from `trine data list`")
    if not path.is_file():
        fetch(named, data_dir)
    return path
