"""From the lines of a log to events, and from events to sessions, one line at a time.

- Every line is accounted for: it is an event, belongs to a record with others, or is counted in `Reading`. A line that
  does not have the format is an event of its own, `unparsed`.
- A session is all that one entity (a host, a user, a process, …) does until it pauses for longer than a gap, or until
  a window ends.
- The state is a few numbers per entity, so memory does not grow with the number of lines.
"""

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from trine.datasets.lines import Skips
from trine.log_formats.actors import who
from trine.log_formats.log_event import HEADER, Fields, Format, Header, Line, LogEvent, known
from trine.log_formats.text_formats import indented, is_continuation
from trine.logs.events import EventNames
from trine.logs.reading import Reading

GAP_SECONDS = 1800.0
"""Pause of an entity that ends its session, in seconds: 30 minutes, as web analytics counts visits."""

UNPARSED = "unparsed:"
"""Begins the name of the event of a line that does not have the format; the template of its text follows."""

MAX_PROCESSES = 100_000
"""Largest number of processes whose entity is remembered; beyond it, the oldest are forgotten."""

MOST_CONTINUED = 200
"""Largest number of lines that belong to the record before; the further ones are unparsed: stack traces are shorter."""

SHOWN_UNPARSED = 5
"""Number of unparsed lines whose positions are kept."""


SessionKey = tuple[str | None, str]
"""A kind of entity, None for a log of one session, and an entity."""


_Parsed = tuple[Line, LogEvent, str, int]
"""A record, its event, its entity, and its number among those that begin on its line."""


class SessionEvent(NamedTuple):
    """One event of a log and the session that it belongs to."""

    source: int
    """Index of the file."""
    line: int
    """Number of the line in its file; of the first line of a joined record."""
    session: int
    """Number of the session: sessions are counted from 0 in the order in which they begin."""
    begins: bool
    """Whether this is the first event of the session."""
    entity: str
    """What the session belongs to; "" if the log is not split by entity or the event names none."""
    event: int
    """Code of the event: `EventNames.name` follows later merges."""
    time: float
    """Seconds; NaN if unknown. A time before the entity's latest time is replaced by it."""
    written: float | None
    """Seconds as written in the log; None if unknown."""
    entities: Fields
    """All entities that the event names."""
    attributes: Fields
    record: int = 1
    """Number of the record among those that begin on its line."""


@dataclass(frozen=True, slots=True)
class Cut:
    """When a session ends."""

    gap_seconds: float | None = GAP_SECONDS
    """A pause longer than this ends a session, and so does a step back in time; None: no pause does. The sessions of
    the entity `session`, whose ids the log gives, are never divided by a pause."""
    window_seconds: float | None = None
    """A session lies between two multiples of this; None: no window."""
    window_events: int | None = None
    """Largest number of events in a session; None: any."""


class Sessions:
    """Reads the lines of one log in order and divides its events into sessions.

    sessions = Sessions(Syslog(), Skips("auth.log"))
    events = [event for line in lines for event in sessions.read(line)] + list(sessions.finish())

    cut            when a session ends
    names          names of events; None: new ones are learned
    max_entities   largest number of open sessions, at least 1; the one whose last line is the oldest is closed first,
                   and the next event of its entity begins a new session; None: no limit
    recall         gives those of the sessions of these kinds of entities and entities that go on from elsewhere
    """

    def __init__(
        self,
        format: Format,  # noqa: A002  (the field's own word)
        skips: Skips,
        *,
        cut: Cut | None = None,
        names: EventNames | None = None,
        reading: Reading | None = None,
        max_entities: int | None = None,
        recall: "Callable[[Sequence[SessionKey]], Mapping[SessionKey, OpenSession]] | None" = None,
    ) -> None:
        self.skips, self.cut = skips, cut or Cut()
        self.names = EventNames() if names is None else names
        self.reading = Reading() if reading is None else reading
        self._max_entities, self._recall = max_entities, recall
        self._open: OrderedDict[SessionKey, OpenSession] = OrderedDict()
        """By kind and entity, in the order of their last lines: the oldest first."""
        self.file: str | None = None
        """Name of the present file, if there are several."""
        self.times: Mapping[tuple[int, int], float] = {}
        """Times of records by source and number of their line, for those that say none."""
        self._entity_of_process: OrderedDict[tuple[str, str], str] = OrderedDict()
        self._count = 0
        self._last_record = (-1, -1)
        self._on_line = 1
        """Number of the present record among those that begin on its line."""
        self._joined = 0
        """Lines that were given to the joiner, less those on which a record begins: they are continued."""
        self._use(format)

    def change(self, format: Format) -> Iterator[SessionEvent]:  # noqa: A002
        """Read the next lines in another format: the events of records that were still incomplete."""
        yield from self.finish()
        self._use(format)

    def switch(self, format: Format) -> None:  # noqa: A002
        """Read the next lines in another format; records that are incomplete in the present one go on later."""
        if format is not self.format:
            self._use(format)

    def _use(self, format: Format) -> None:  # noqa: A002
        """Read in this format from now on."""
        self.format = format
        self._on_line = 1
        self._may_go_on = 0
        """Number of lines that the last record can still go on."""
        cut = self.cut
        self._gap = math.inf if cut.gap_seconds is None or format.entity == "session" else cut.gap_seconds
        windows = cut.window_seconds is not None or cut.window_events is not None
        self._sure_gap = -math.inf if windows else self._gap

    def read(self, line: Line) -> list[SessionEvent]:
        """The events of the records that a line completes: one in most formats."""
        return self.read_all((line,))

    def read_all(self, lines: Sequence[Line]) -> list[SessionEvent]:
        """The events of the records that these lines complete."""
        self.reading.lines += len(lines)
        joiner = self.format.joiner
        if joiner is None:
            return self._events(lines)
        self._joined += len(lines)
        return self._events(record for line in lines for record in joiner.feed(line))

    def finish(self) -> Iterator[SessionEvent]:
        """The events of incomplete records at the end of the log."""
        yield from self._events(self.format.joiner.finish() if self.format.joiner else ())
        self.reading.continued += self._joined
        self._joined = 0
        self.reading.times_not_understood += self.format.clock.not_understood
        self.format.clock.not_understood = 0

    def skip(self, line: Line) -> None:
        """Leave a line out that was read in an earlier call. The format still learns from it: columns, years."""
        self._leave_out()
        for record in (line,) if self.format.joiner is None else self.format.joiner.feed(line):
            self.format.parse(record.text)

    def leave(self, line: Line) -> None:
        """Leave a last line without a line break for the next call: it may still be written."""
        self.skips.add("a last line without a line break, left out until the next call", self.place(line.number))
        self._leave_out()

    def _leave_out(self) -> None:
        self.reading.lines += 1
        self.reading.left_out += 1

    def open_sessions(self) -> Iterator[tuple["SessionKey", "OpenSession"]]:
        """The open sessions, each with its kind of entity and its entity."""
        yield from self._open.items()

    def opened(self, key: "SessionKey") -> "OpenSession":
        """The open session of a kind of entity and an entity."""
        return self._open[key]

    def close(self, key: "SessionKey") -> None:
        """Forget an open session: the next event of its entity begins a new one, or is recalled."""
        self._open.pop(key, None)

    def reopen(self, key: "SessionKey", session: "OpenSession") -> None:
        """Go on with a session of an earlier call; `key` is its kind of entity and its entity."""
        self._open[key] = session

    def _events(self, records: Iterable[Line]) -> list[SessionEvent]:
        parsed: Iterable[_Parsed] = self._parsed(records)
        if self._recall is not None:
            parsed = list(parsed)
            kind = self.format.entity
            missing = dict.fromkeys(key for each in parsed if (key := (kind, each[2])) not in self._open)
            if missing:
                self._open.update(self._recall(list(missing)))
        in_session = self._in_session
        return [in_session(*each) for each in parsed]

    def _parsed(self, records: Iterable[Line]) -> Iterator["_Parsed"]:
        """The records with an event, each with its event, the entity and the number of the record on its line."""
        parse, kind, joined = self.format.parse, self.format.entity, self.format.joiner is not None
        most_continued = MOST_CONTINUED if self.format.continues else 0
        reading = self.reading
        for record in records:
            parsed = parse(record.text)
            if joined:
                self._count_lines(record)
            if type(parsed) is LogEvent:
                reading.events += 1
            else:
                unparsed = reading.unparsed
                parsed = self._without_format(record, parsed)
                if parsed is None:
                    continue
                reading.events += unparsed == reading.unparsed
            self._may_go_on = most_continued
            entities = parsed[3]
            entity = entities.get(kind) if kind else ""
            if entity is None or "process" in entities:
                entity = self._entity_of(entities, kind) if kind else ""
            yield record, parsed, entity, self._on_line

    def _count_lines(self, record: Line) -> None:
        """Count records that begin on the line of the one before, and lines on which none begins."""
        shares = record[:2] == self._last_record
        self.reading.sharing += shares
        self._joined -= not shares
        self._on_line = self._on_line + 1 if shares else 1
        self._last_record = record[:2]

    def _without_format(self, record: Line, parsed: LogEvent | Header | None) -> LogEvent | None:
        """The event of a line that has not just the format; None if it has no event."""
        reading = self.reading
        if parsed is HEADER:
            reading.headers += 1
        elif not record.text.strip():
            reading.blank += 1
        elif event := indented(self.format, record.text):
            return event
        elif self._may_go_on and is_continuation(record.text):
            reading.continued += 1
            self._may_go_on -= 1
        else:
            reading.unparsed += 1
            if len(reading.examples) < SHOWN_UNPARSED:
                reading.examples.append((self.file or self.skips.source, record.number))
            user, address = who(record.text)
            return LogEvent(f"{UNPARSED} {record.text}", True, None, known(user=user, address=address))
        return None

    def _in_session(self, record: Line, event: LogEvent, entity: str, on_line: int) -> SessionEvent:
        _, _, written, entities, attributes = event
        key = (self.format.entity, entity)
        session = self._open.get(key) if self._max_entities is None else None
        if session is None:
            session = self._session_of(key)
        if written is not None and session.latest <= written and written - session.previous <= self._sure_gap:
            session.raw = session.latest = time = written
        else:
            if written is None and self.times:
                written = self.times.get(record[:2])
            time = self._held(session, written, record)
            self._cut(session, time)
        begins = session.events == 0
        session.previous = time
        session.events += 1
        code = self.names.code(event)
        source, line, _ = record
        return _NEW(
            SessionEvent,
            (source, line, session.number, begins, entity, code, time, written, entities, attributes, on_line),
        )

    def _entity_of(self, entities: Fields, kind: str) -> str:
        """The entity that an event names, else the last one that its process named, else ""."""
        entity, process = entities.get(kind), entities.get("process")
        if process is None or "[" not in process:
            if entity is None:
                self.reading.without_entity += 1
            return entity or ""
        key = (entities.get("host", ""), process)
        if entity is None:
            entity = self._entity_of_process.get(key)
            self.reading.without_entity += entity is None
        else:
            self._entity_of_process[key] = entity
            if len(self._entity_of_process) > MAX_PROCESSES:
                self._entity_of_process.popitem(last=False)
        return entity or ""

    def _session_of(self, key: "SessionKey") -> "OpenSession":
        """The open session of an entity; a new one has no events yet."""
        session = self._open.get(key)
        if session is not None:
            if self._max_entities is not None:
                self._open.move_to_end(key)
            return session
        if self._max_entities is not None and len(self._open) >= self._max_entities:
            self._open.popitem(last=False)
        session = self._open[key] = OpenSession(self.next_number())
        return session

    def place(self, number: int) -> str:
        """A line of the present file for people."""
        return f"{self.file}:{number}" if self.file else f"line {number}"

    def next_number(self) -> int:
        """The number of a session that begins now."""
        self._count += 1
        return self._count - 1

    def _cut(self, session: "OpenSession", time: float) -> None:
        """Begin another session if this one ends before an event at this time."""
        cut = self.cut
        ends = time - session.previous > self._gap
        if cut.window_seconds is not None and session.events:
            ends = ends or time // cut.window_seconds > session.previous // cut.window_seconds
        if cut.window_events is not None:
            ends = ends or session.events >= cut.window_events
        if ends:
            session.begin(self.next_number())

    def _held(self, session: "OpenSession", time: float | None, record: Line) -> float:
        """The time, or the entity's latest if that is later by at most the gap; a longer step back ends the session."""
        if time is None:
            self.reading.without_time += 1
            return math.nan
        if time < session.latest:
            gap = self.cut.gap_seconds
            if gap is not None and session.latest - time > gap:
                self.skips.add(
                    "times run backwards by more than the gap, a new session begins", self.place(record.number)
                )
                session.begin(self.next_number())
                session.raw = session.latest = time
                return time
            if time < session.raw:
                step = f"{self.place(record.number)} by {session.raw - time:g} s"
                self.skips.add("times run backwards, held at the latest so far", step)
        session.raw = time
        session.latest = session.latest if time < session.latest else time
        return session.latest


_NEW = tuple.__new__
"""Makes a named tuple in half the time."""


@dataclass(slots=True)
class OpenSession:
    """The state of an entity. Times are in seconds, NaN until one is known."""

    number: int
    """Number of the session."""
    events: int = 0
    """Number of events in the session."""
    raw: float = math.nan
    """The last known time as written in the log."""
    latest: float = math.nan
    """The latest known time."""
    previous: float = math.nan
    """The time of the last event; NaN if that event has none."""

    def begin(self, number: int) -> None:
        """Become the entity's next session."""
        self.number, self.events, self.previous = number, 0, math.nan
