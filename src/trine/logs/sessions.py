"""From the lines of a log to events, and from events to sessions, one line at a time.

- A session is all that one entity (a host, a user, a process, …) does until it pauses for longer than a gap.
- Free text becomes an event by its template (`templates.py`).
- The state is a few numbers per entity, so memory does not grow with the number of lines.
"""

import math
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from trine.datasets.lines import Skips
from trine.errors import UsageError
from trine.logs.log_event import ENTITIES, Format
from trine.logs.templates import TemplateMiner

GAP_SECONDS = 1800.0
"""Pause of an entity that ends its session, in seconds: 30 minutes, as web analytics counts visits."""


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """One event of a log and the session that it belongs to."""

    line: int
    """Number of the line."""
    session: int
    """Number of the session: sessions are counted from 0 in the order in which they begin."""
    begins: bool
    """Whether this is the first event of the session."""
    entity: str
    """What the session belongs to; "" if the log is not split by entity."""
    event: str | int
    """Name of the event, or the id of its template at this time: `TemplateMiner.resolve` follows later merges."""
    time: float
    """Seconds; NaN if unknown. A time before the entity's latest time is replaced by it."""
    attributes: Mapping[str, str]


class Sessions:
    """Reads the lines of one log in order and divides its events into sessions.

    sessions = Sessions(Syslog(), Skips("auth.log"), entity="host")
    events = [sessions.read(number, line) for number, line in enumerate(lines, 1)]

    entity         what a session belongs to; None: the entity of the format
    gap_seconds    a pause longer than this ends a session; None: no pause does. The sessions of the entity `session`,
                   whose ids the log gives, are never divided
    miner          templates of free text; None: a new miner
    learn          whether new templates are learned; if not, text of no known template is `templates.OTHER`
    max_entities   largest number of open sessions, at least 1; the one whose last line is the oldest is closed first,
                   and the next event of its entity begins a new session; None: no limit

    Raises `UsageError` for an unknown entity.
    """

    def __init__(
        self,
        format: Format,  # noqa: A002  (the field's own word)
        skips: Skips,
        *,
        entity: str | None = None,
        gap_seconds: float | None = GAP_SECONDS,
        miner: TemplateMiner | None = None,
        learn: bool = True,
        max_entities: int | None = None,
    ) -> None:
        if entity is not None and entity not in ENTITIES:
            raise UsageError(f"entity {entity!r}: choose one of {', '.join(ENTITIES)}")
        self.format, self.skips = format, skips
        self.entity = entity or format.entity
        self.miner = TemplateMiner() if miner is None else miner
        self._template_of = self.miner.add if learn else self.miner.match
        self._gap = math.inf if gap_seconds is None or self.entity == "session" else gap_seconds
        self._max_entities = max_entities
        self._open: OrderedDict[str, _OpenSession] = OrderedDict()
        """By entity, in the order of their last lines: the oldest first."""
        self._count = 0

    def read(self, number: int, line: str) -> SessionEvent | None:
        """The event of a line. None if the line has another format or does not name the entity: counted in `skips`."""
        event = self.format.parse(line)
        if event is None:
            if line.strip():
                self.skips.add(f"not of the format {self.format.name}, left out", f"line {number}")
            return None
        entity = event.entities.get(self.entity) if self.entity else ""
        if entity is None:
            self.skips.add(f"no {self.entity}, in no session", f"line {number}")
            return None
        session, begins = self._session_of(entity)
        time = self._held(session, event.time, number)
        if time - session.previous > self._gap:
            session.number, begins = self._next_number(), True
        session.previous = time
        name = self._template_of(event.event) if event.mined else event.event
        return SessionEvent(number, session.number, begins, entity, name, time, event.attributes)

    def _session_of(self, entity: str) -> tuple["_OpenSession", bool]:
        """The open session of an entity, and whether it is new."""
        session = self._open.get(entity)
        if session is not None:
            self._open.move_to_end(entity)
            return session, False
        if self._max_entities is not None and len(self._open) >= self._max_entities:
            self._open.popitem(last=False)
        session = self._open[entity] = _OpenSession(self._next_number())
        return session, True

    def _next_number(self) -> int:
        self._count += 1
        return self._count - 1

    def _held(self, session: "_OpenSession", time: float | None, number: int) -> float:
        """The time, or the entity's latest if that is later; a step back from the time before is counted in `skips`."""
        if time is None:
            return math.nan
        if time < session.raw:
            step = f"line {number} by {session.raw - time:g} s"
            self.skips.add("times run backwards, held at the latest so far", step)
        session.raw = time
        session.latest = session.latest if time < session.latest else time
        return session.latest


@dataclass(slots=True)
class _OpenSession:
    """The state of an entity. Times are in seconds, NaN until one is known."""

    number: int
    """Number of the session."""
    raw: float = math.nan
    """The last known time as written in the log."""
    latest: float = math.nan
    """The latest known time."""
    previous: float = math.nan
    """The time of the last event; NaN if that event has none."""
