"""Sequences of a named set, a table, a folder or a raw log as a `SequenceTable`."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

from trine.datasets.catalogue import CATALOGUE, location, nothing_there
from trine.datasets.fetch import fetch
from trine.datasets.lines import Skips, text_lines
from trine.datasets.tables import READERS, Row, is_table, read_table
from trine.errors import DataError, UsageError
from trine.sequences.folders import read_folder
from trine.sequences.formats import format_of
from trine.sequences.session_table import SessionCollector
from trine.sequences.sessions import GAP_SECONDS, Sessions
from trine.sequences.table import SequenceBuilder, SequenceTable
from trine.sequences.templates import TemplateMiner

EVENTS = "events"
"""The column that makes a table a table of sequences."""

GUESS_LINES = 1000
"""Lines of a log that its format is guessed from: enough to include the rarer kinds of line."""


@dataclass(frozen=True)
class Reading:
    """A log that was read: its sessions, how it was understood, and the templates of its free texts."""

    table: SequenceTable
    format: str
    guessed: bool
    entity: str | None
    miner: TemplateMiner


def open_sequences(source: str | Path, *, data_dir: Path | None = None) -> SequenceTable:
    """The sequences of a named set, a table (TSV, CSV, JSON lines, Parquet; .gz too) or a folder with one file each.

    Raises `DataError` if nothing exists at `source` or it cannot be read, `UsageError` for a named set of pictures.
    """
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


def read_log(
    path: Path,
    *,
    format: str | None = None,  # noqa: A002  (the name of the option)
    pattern: str | None = None,
    entity: str | None = None,
    gap_seconds: float | None = GAP_SECONDS,
    miner: TemplateMiner | None = None,
    learn: bool = True,
) -> Reading:
    """The sessions of a log, plain or .gz.

    Raises `UsageError` for an unknown format, entity or pattern, `DataError` if the log is empty, damaged or mostly of
    another format.
    """
    skips = Skips(path.name)
    lines = text_lines(path, skips)
    first = list(islice(lines, GUESS_LINES))
    sessions = Sessions(
        format_of([line for _, line in first], format, pattern),
        skips,
        entity=entity,
        gap_seconds=gap_seconds,
        miner=miner,
        learn=learn,
    )
    collected = SessionCollector(sessions.miner)
    for number, line in chain(first, lines):
        if (event := sessions.read(number, line)) is not None:
            collected.add(event)
    name = sessions.format.name
    if not len(collected) and not skips.messages():
        raise DataError(f"{path}: the log is empty; give a log with events")
    skips.require(len(collected), f"lines of the format {name}", "give the format and the entity, or a pattern")
    return Reading(collected.table(path.name, skips), name, not (format or pattern), sessions.entity, sessions.miner)
