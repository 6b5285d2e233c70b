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
from trine.logs.formats import format_of
from trine.logs.session_table import SessionCollector
from trine.logs.sessions import GAP_SECONDS, Sessions
from trine.sequences.table import SequenceBuilder, SequenceTable
from trine.logs.templates import TemplateMiner

EVENTS = "events"
"""The column that makes a table a table of sequences."""

GUESS_LINES = 1000
"""Lines of a log that its format is guessed from: enough to include the rarer kinds of line."""


@dataclass(frozen=True, slots=True)
class LogSettings:
    """How a raw log is read. An unknown format or entity raises `UsageError` when the log is opened."""

    format: str | None = None
    """Name of the format; None: guessed from the first lines."""
    pattern: str | None = None
    """A regular expression for one line, in place of a format."""
    entity: str | None = None
    """What a session belongs to; None: the entity of the format."""
    gap_seconds: float | None = GAP_SECONDS
    """A pause longer than this ends a session; None: no pause does."""


@dataclass(frozen=True, eq=False)
class OpenedSequences:
    """A table of sequences and how it was read."""

    table: SequenceTable
    remarks: tuple[str, ...]
    """One line each: how a raw log was read, what was left out, what was repaired."""
    format: str | None = None
    """The format of a raw log."""
    miner: TemplateMiner | None = None
    """The templates of a raw log."""


def open_events(
    source: str | Path,
    data_dir: Path | None = None,
    settings: LogSettings | None = None,
    templates: TemplateMiner | None = None,
) -> OpenedSequences:
    """The sequences of a named set, a table, a folder, or else a raw log, plain or .gz.

    `templates` are those of a fitted detector: they are matched, and no new ones are learned. Raises `DataError` if
    nothing exists at `source` or it cannot be read, `UsageError` for settings that no log can be read with.
    """
    path = Path(source)
    if path.is_file() and not is_table(path):
        return _open_log(path, settings or LogSettings(), templates)
    table = open_sequences(source, data_dir=data_dir)
    return OpenedSequences(table, table.skipped)


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


def _open_log(path: Path, settings: LogSettings, templates: TemplateMiner | None) -> OpenedSequences:
    skips = Skips(path.name)
    lines = text_lines(path, skips)
    first = list(islice(lines, GUESS_LINES))
    sessions = Sessions(
        format_of([line for _, line in first], settings.format, settings.pattern),
        skips,
        entity=settings.entity,
        gap_seconds=settings.gap_seconds,
        miner=templates,
        learn=templates is None,
    )
    collected = SessionCollector(sessions.miner)
    for number, line in chain(first, lines):
        if (event := sessions.read(number, line)) is not None:
            collected.add(event)
    name = sessions.format.name
    if not len(collected) and not skips.messages():
        raise DataError(f"{path}: the log is empty; give a log with events")
    skips.require(len(collected), f"lines of the format {name}", "give the format and the entity, or a pattern")
    table = collected.table(path.name, skips)
    how = "read as" if settings.format or settings.pattern else "looks like"
    split = f"a session is one {sessions.entity}" if sessions.entity else "one session"
    remark = f"{path.name}: {how} {name}; {split}; {len(table):,} sessions"
    return OpenedSequences(table, (remark, *table.skipped), name, sessions.miner)
