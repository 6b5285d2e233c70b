"""What `trine detect` reads: a named set, a table, a folder of sequences, or else logs of any number of files."""

import copy
import gc
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial
from itertools import chain, groupby, islice
from operator import attrgetter
from pathlib import Path

import numpy as np

from trine.annotations import Bool
from trine.datasets.catalogue import CATALOGUE, nothing_there
from trine.datasets.lines import Skips
from trine.datasets.tables import has_column, is_table
from trine.errors import DataError, UsageError
from trine.log_formats.log_event import Format, FormatSettings, Line
from trine.log_formats.registry import Guess, format_of
from trine.logs.carried import Carried
from trine.logs.events import EventNames
from trine.logs.files import LogFiles
from trine.logs.reading import Reading
from trine.logs.record_texts import RecordTexts
from trine.logs.session_table import SessionCollector
from trine.logs.sessions import GAP_SECONDS, Cut, SessionEvent, Sessions
from trine.plurals import quantity, verb
from trine.sequences.folders import looks_like_sequences
from trine.sequences.readers import EVENTS, open_sequences
from trine.sequences.table import SequenceTable

GUESS_LINES = 1000
"""Lines of a file that its format is guessed from: enough to include the rarer kinds of line."""

BLOCK_LINES = 512
"""Lines that are read at once; few, because each can have a megabyte."""

SURE_LINES = 50
"""Lines of a further file that must all have the format of the file before, so that nothing is guessed again."""

COLLECTED = 100_000
"""New objects between two garbage collections while a log is read: events are no garbage, and are many."""

Sources = str | Path | Sequence[str | Path]


@dataclass(frozen=True, slots=True)
class LogSettings:
    """How raw logs are read. What no log can be read with raises `UsageError` when the log is opened."""

    format: str | None = None
    """Name of the format, or several joined by commas; None: guessed for each file from its first lines."""
    pattern: str | None = None
    """A regular expression for one line, in place of a format."""
    event: tuple[str, ...] = ()
    """Fields or columns that name the event."""
    entity: str | None = None
    """What a session belongs to, a kind or a field; None: the entity of the format."""
    time: str | None = None
    """Field or column of the time."""
    time_format: str | None = None
    """Form of the times, as for `datetime.strptime`."""
    gap_seconds: float | None = GAP_SECONDS
    """A pause longer than this ends a session; None: no pause does."""
    window_seconds: float | None = None
    """Length of the time window that a session is; None: no window."""
    window_events: int | None = None
    """Largest number of events of a session; None: any."""
    attributes: tuple[str, ...] | None = None
    """Names of the attributes that are kept; None: all."""

    @property
    def fields(self) -> FormatSettings:
        """What the formats are told."""
        return FormatSettings(self.event, self.entity, self.time, self.time_format)

    @property
    def cut(self) -> Cut:
        """When a session ends."""
        return Cut(self.gap_seconds, self.window_seconds, self.window_events)

    def given(self) -> list[str]:
        """The options of `trine detect fit` that only a log can be read with and that differ from their defaults."""
        default = LogSettings()
        changed = [field.name for field in fields(self) if getattr(self, field.name) != getattr(default, field.name)]
        return [f"--{name.replace('_seconds', '').replace('_', '-')}" for name in changed if name != "attributes"]


@dataclass(frozen=True, eq=False)
class OpenedSequences:
    """A table of sequences and how it was read."""

    table: SequenceTable
    remarks: tuple[str, ...]
    """One line each: how a log was read, what was left out, what was repaired."""
    records: RecordTexts | None = None
    """The texts of a log's records."""
    reading: Reading | None = None
    """What became of the lines of a log."""
    names: EventNames | None = None
    """The names of a log's events."""
    attribute_names: tuple[str, ...] = ()
    """Names of all attributes of a log."""
    carried: Carried | None = None
    """The sessions that are still open."""


def open_events(
    sources: Sources,
    data_dir: Path | None = None,
    settings: LogSettings | None = None,
    names: EventNames | None = None,
    carried: Carried | None = None,
) -> OpenedSequences:
    """The sequences of a named set, a table, a folder of sequences, or else the sessions of logs.

    sources   one path or name, or several paths of logs: files, folders, archives, glob patterns, - for stdin
    names     those of a fitted detector: no new templates and places are learned
    carried   open sessions of an earlier call, which go on; it becomes those of this call

    Raises `DataError` if nothing exists at a source or it cannot be read, `UsageError` for settings that the data
    cannot be read with.
    """
    paths = [sources] if isinstance(sources, str | Path) else list(sources)
    if other := [path for path in paths if not isinstance(path, str | Path)]:
        raise UsageError(f"{other[0]!r:.80} is no path: give the path of a log or a table, a name, or a list of them")
    settings = settings or LogSettings()
    if len(paths) == 1 and _holds_sequences(str(paths[0])):
        given = settings.given() if names is None else []
        if given:
            raise UsageError(f"{given[0]}: {paths[0]} is no log but sequences of events; leave the option out")
        if carried is not None:
            raise UsageError(f"--state: {paths[0]} is no log but whole sequences of events; leave the option out")
        table = open_sequences(paths[0], data_dir=data_dir)
        return OpenedSequences(table, table.skipped)
    return _open_logs(paths, settings, names, carried)


def _holds_sequences(source: str) -> bool:
    """Whether a source is a named set, a table with the column `events`, or a folder with one sequence per file."""
    path = Path(source)
    if not source or source == "-":
        return False
    if path.is_dir():
        return looks_like_sequences(path)
    if path.is_file():
        return is_table(path) and has_column(path, EVENTS)
    return source in CATALOGUE


class LogLines:
    """The lines of log files with the format of each file.

    lines = LogLines(files, settings, names, skips)
    for events in lines.blocks(): ...
    """

    def __init__(
        self,
        files: LogFiles,
        settings: LogSettings,
        names: EventNames | None,
        skips: Skips,
        carried: Carried | None = None,
    ) -> None:
        self.files, self.settings, self.skips, self.carried = files, settings, skips, carried
        self.sources = list(files.names)
        """Names of the files, and of those that carried sessions were read from."""
        self.sessions: Sessions | None = None
        self.names = EventNames() if names is None else names
        self.reading = Reading()
        self.guesses: list[tuple[str, Guess]] = []
        """File and guess, for every file whose format was guessed."""
        self.entity: str | None = None
        """What the sessions belong to."""
        self.formats: list[Format] = []
        """The formats in use, one per change of the format."""
        self._joined: dict[int, Callable[[], Format]] = {}
        """By source, makes the format of a file whose records can be parts of lines or several lines."""

    @property
    def records(self) -> RecordTexts:
        """The texts of the records that were read so far."""
        return RecordTexts(self.files, self._joined)

    def blocks(self) -> Iterator[list[SessionEvent]]:
        """The events in lists, of a few hundred lines each."""
        with _rarely_collected():
            for source, lines in groupby(self.files, key=attrgetter("source")):
                yield from self._of_file(source, lines)
            if self.sessions is not None:
                yield list(self.sessions.finish())

    def _of_file(self, source: int, lines: Iterator[Line]) -> Iterator[list[SessionEvent]]:
        """The events of one file; its format is found on its first lines."""
        name = self.files.names[source]
        head = list(islice(lines, GUESS_LINES))
        yield list(self._change(name, head))
        assert self.sessions is not None
        if self.sessions.format.joiner is not None:
            self._joined[source] = partial(type(self.sessions.format), self.settings.fields)
        self.sessions.format.clock.reference = self.files.modified[source]
        self.sessions.file = name if len(self.files.names) > 1 else None
        whole = chain(head, lines)
        if self.carried is None:
            yield from self._in_blocks(whole)
        else:
            yield from self._unread(source, whole, self.carried)

    def _in_blocks(self, lines: Iterator[Line]) -> Iterator[list[SessionEvent]]:
        assert self.sessions is not None
        while block := list(islice(lines, BLOCK_LINES)):
            yield self.sessions.read_all(block)

    def _unread(self, source: int, lines: Iterator[Line], carried: Carried) -> Iterator[list[SessionEvent]]:
        """The events of the lines of a file that no earlier call has read, as far as they are written."""
        assert self.sessions is not None
        prefix = carried.known(self.files.lines_of(source))
        for line in islice(lines, prefix.count):
            self.sessions.skip(line)
        block = list(islice(lines, BLOCK_LINES))
        while block:
            following = list(islice(lines, BLOCK_LINES))
            if not following and source in self.files.unfinished and carried.leaves(block[-1].text):
                self.sessions.leave(block.pop())
            for line in block:
                prefix.add(line.text)
            events = self.sessions.read_all(block)
            self._note_late(events, carried)
            yield events
            block = following
        carried.remember(prefix)

    def _note_late(self, events: Sequence[SessionEvent], carried: Carried) -> None:
        """Say which events are older than what earlier calls have read: a file that comes late."""
        assert self.sessions is not None
        gap = self.settings.gap_seconds or GAP_SECONDS
        for event in events:
            if event.written is not None and carried.latest - event.written > gap:
                place = self.sessions.place(event.line)
                self.skips.add("older than the lines of earlier calls by more than the gap, scored all the same", place)

    def _change(self, name: str, head: list[Line]) -> Iterator[SessionEvent]:
        """Read the next lines in the format of this file; yields the events that this completes."""
        chosen = self._format(name, head)
        if self.sessions is None:
            cut = self.settings.cut
            self.sessions = Sessions(chosen, self.skips, cut=cut, names=self.names, reading=self.reading)
            if self.carried:
                yield from self.carried.resume(self.sessions, self.names, self.sources)
        elif chosen is not self.sessions.format:
            yield from self.sessions.change(chosen)
        chosen.begin(name, [line.text for line in head])
        if chosen not in self.formats:
            self.formats.append(chosen)
        self.entity = self.entity or chosen.entity
        self.reading.formats[name] = chosen.name

    def _format(self, name: str, head: list[Line]) -> Format:
        """The format of a file: that of the file before if its first lines have it too."""
        settings, sessions = self.settings, self.sessions
        known = settings.pattern or (settings.format and "," not in settings.format)
        present = None if sessions is None or sessions.format.joiner else sessions.format
        if present is not None and (known or _goes_on(present, head[:SURE_LINES])):
            return present
        try:
            chosen, guess = format_of(head, settings.format, settings.pattern, settings.fields)
        except UsageError as error:
            raise (UsageError(f"{name}: {error}") if len(self.files.names) > 1 else error) from None
        if guess is not None:
            self.guesses.append((name, guess))
        _learn_date_order(chosen, head)
        return chosen

    def why(self) -> list[str]:
        """Why each guessed format was chosen; files with equal guesses are on one line."""
        files: dict[str, list[str]] = {}
        for file, guess in self.guesses:
            files.setdefault(guess.why(), []).append(file)
        return [f"{_listed(names)}: {text}" for text, names in files.items()]

    def remarks(self, sessions: int) -> list[str]:
        """How the log was read, for a person, a line each."""
        formats = self.reading.format or "nothing"
        how = "looks like" if self.guesses else "read as"
        why = f" ({self.guesses[0][1].why()})" if len({guess for _, guess in self.guesses}) == 1 else ""
        split = f"a session is one {self.entity}" if self.entity else "one session"
        if self.settings.window_seconds:
            split += f", {self.settings.window_seconds:g} s long"
        if self.settings.window_events:
            split += f", at most {quantity(self.settings.window_events, 'event')}"
        name = self.skips.source
        lines = [
            f"{name}: {how} {formats}{why}; {split}; {quantity(sessions, 'session')}",
            f"{name}: {self.reading.summary()}",
        ]
        if self.reading.without_entity:
            count = self.reading.without_entity
            events = f"{quantity(count, 'event')} {verb(count, 'names', 'name')} no {self.entity}"
            lines.append(f"{name}: {events}, in a session of {verb(count, 'its', 'their')} own")
        notes = [note for each in self.formats for note in each.clock.notes()]
        notes += [f"no line has the field {field}" for each in self.formats for field in each.missing_fields()]
        return [*lines, *(f"{name}: {warning}" for warning in (*self.reading.warnings(), *notes))]


@contextmanager
def _rarely_collected() -> Iterator[None]:
    """Look for garbage once per `COLLECTED` new objects, which saves a fifth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(max(COLLECTED, before[0]) if before[0] else 0, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _listed(names: Sequence[str], most: int = 3) -> str:
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most:,} more"


def _goes_on(present: Format, head: Sequence[Line]) -> bool:
    """Whether all first lines of a further file have the present format, which must tell its lines from others."""
    look = copy.deepcopy(present)
    return look.name != "plain" and all(look.parse(line.text) is not None for line in head if line.text.strip())


def _learn_date_order(chosen: Format, head: Sequence[Line]) -> None:
    """Look at the first lines for what tells day from month, so that the lines before are read right too."""
    look = copy.deepcopy(chosen)
    for record in look.records(head):
        look.parse(record.text)
    chosen.clock.orders = look.clock.orders
    chosen.clock.rewind()


def log_lines(
    sources: Sequence[str | Path],
    settings: LogSettings,
    names: EventNames | None = None,
    carried: Carried | None = None,
) -> LogLines:
    """The lines of logs, to be iterated once. Raises `DataError` and `UsageError` as `open_events` does."""
    label = Path(str(sources[0])).name if len(sources) == 1 else f"{len(sources)} logs"
    for source in sources:
        if str(source) in CATALOGUE and not Path(source).exists():
            raise UsageError(f"{source}: a named set of sequences, no log")
        plain = str(source) not in ("", "-") and not re.search(r"[*?\[]", str(source))
        if len(sources) == 1 and plain and not Path(source).exists():
            raise DataError(nothing_there(source, "sequences"))
    skips = Skips(label if label != "-" else "stdin")
    return LogLines(LogFiles(sources, skips), settings, names, skips, carried)


def _open_logs(
    sources: Sequence[str | Path],
    settings: LogSettings,
    names: EventNames | None = None,
    carried: Carried | None = None,
) -> OpenedSequences:
    lines = log_lines(sources, settings, names, carried)
    collected = SessionCollector(lines.names, settings.attributes)
    for events in lines.blocks():
        collected.add_all(events)
    name = lines.skips.source
    _require_events(lines, names is not None)
    if not len(collected) and names is None:
        raise DataError(f"{name}: the log is empty; give a log with events")
    if names is None:
        lines.names.settle()
    counts = dict(carried.counts) if carried else {}
    table = collected.table(name, lines.skips.messages(), tuple(lines.sources), counts)
    remarks = (*lines.remarks(len(table)), *table.skipped)
    if carried is not None and lines.sessions is not None:
        carried.keep(lines.sessions, table)
        table = table.rows(_with_new_events(table, carried))
    attribute_names = tuple(collected.attribute_names)
    return OpenedSequences(table, remarks, lines.records, lines.reading, lines.names, attribute_names, carried)


def _with_new_events(table: SequenceTable, carried: Carried) -> Bool[np.ndarray, " sequences"]:
    """Mask of the sessions that have events of this call; carried sessions are the first ones."""
    before = np.zeros(len(table), np.int64)
    before[: len(carried.resumed)] = carried.resumed
    return np.asarray(table.lengths > before)


def _require_events(lines: LogLines, learned: bool) -> None:
    """Raise `DataError` if no line has the format, and say which fields the lines do have.

    learned   whether the format is that of a trained detector
    """
    reading = lines.reading
    if reading.events or not reading.unparsed:
        return
    has = [field for each in lines.formats for field in each.fields()][:20]
    if learned:
        read = f"({quantity(reading.unparsed, 'line')} read)"
        advice = f", which the detector has learned; give a log like that of its training {read}"
    elif has:
        advice = f"; their fields are {', '.join(has)}: name the event with --event"
    else:
        advice = "; give another format, or a pattern"
    raise DataError(f"{lines.skips.source}: no line has the format {reading.format}{advice}")
