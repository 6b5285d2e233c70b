"""`GoingSession`: what is kept of a session that goes on, beside the numbers that the judge has of it."""

import heapq
import json
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, NamedTuple

from trine.errors import StoreError
from trine.live.finding import ExpectedEvents, FindingLine, LiveFinding

KEPT_LINES: Final = 10
"""Lines of a session that are kept for its finding: the most surprising ones."""
MOST_TEXT: Final = 2_000
"""Characters of a line that are kept."""
_SIZES: Final = struct.Struct("<4sII")
_MAGIC: Final = b"TRN1"


class Key(NamedTuple):
    """What a session belongs to."""

    kind: str
    """The kind of entity: host, user, process, address, session, or a field of the log; "" for a log of one session."""
    entity: str

    def text(self) -> str:
        """The key of its state in the store."""
        return json.dumps(self, ensure_ascii=False)

    @classmethod
    def of_text(cls, text: str) -> "Key":
        """The key that `text` wrote."""
        kind, entity = json.loads(text)
        return cls(kind, entity)


class Notable(NamedTuple):
    """A line that may count, in the order of `heapq`: the least surprising first."""

    surprisal: float
    position: int
    """Index of its event in the session, from 0."""
    line: str
    """The `FindingLine` as JSON: most are never reported."""
    contexts: list[int]
    """Of the n-grams, before the event: what was expected there is looked up when the line is reported."""


@dataclass(eq=False)
class GoingSession:
    """A session that goes on."""

    key: Key
    place: int
    """Its place at the judge."""
    first_event: list[Any]
    """Source, file, line and record of the first event: the finding is named after it."""
    first_time: float | None
    last_time: float | None = None
    """Seconds since 1970, as the log says; None if unknown."""
    events: int = 0
    origins: dict[str, str] = field(default_factory=dict)
    """What its events name, by kind: findings are grouped by the address, the user or the host."""
    notable: list[Notable] = field(default_factory=list)
    finding: LiveFinding | None = None
    clock: list[float | None] = field(default_factory=lambda: [None, None, None])
    """The last time as written, the latest and the last held one: where the reader of sessions goes on."""

    @cached_property
    def name(self) -> str:
        """The key of its state in the store."""
        return self.key.text()

    @property
    def first_source(self) -> str:
        """Name of the source of the first event."""
        return str(self.first_event[0])

    def keeps(self, surprisal: float) -> bool:
        """Whether a line is one of the most surprising ones."""
        return len(self.notable) < KEPT_LINES or surprisal > self.notable[0].surprisal

    def note(self, notable: Notable) -> None:
        """Keep one of the most surprising lines."""
        if len(self.notable) < KEPT_LINES:
            heapq.heappush(self.notable, notable)
        else:
            heapq.heapreplace(self.notable, notable)

    def source(self) -> str:
        """What its finding is grouped by."""
        return next((self.origins[kind] for kind in ("address", "user", "host") if self.origins.get(kind)), "")

    def lines(self, expected_in: Callable[[Sequence[int]], ExpectedEvents]) -> tuple[FindingLine, ...]:
        """The lines that count, the most surprising first; `expected_in` gives the expected events in a context."""
        ordered = sorted(self.notable, key=lambda each: (-each.surprisal, each.position))
        lines = [(FindingLine.from_json(json.loads(each.line)), each.contexts) for each in ordered]
        return tuple(replace(line, expected=expected_in(contexts)) if contexts else line for line, contexts in lines)

    def packed(self, numbers: bytes) -> bytes:
        """The session and the judge's numbers of it, for `unpacked`."""
        document = {
            "first": self.first_event,
            "times": [self.first_time, self.last_time],
            "events": self.events,
            "origins": self.origins,
            "notable": [[each.surprisal, each.position, each.contexts] for each in self.notable],
            "finding": self.finding.as_json() if self.finding else None,
            "clock": self.clock,
        }
        text = "\n".join([json.dumps(document), *(each.line for each in self.notable)]).encode()
        return _SIZES.pack(_MAGIC, len(text), len(numbers)) + text + numbers

    @classmethod
    def unpacked(cls, key: Key, place: int, state: bytes) -> "tuple[GoingSession, bytes]":
        """The session in a place, and the judge's numbers of it. Raises `StoreError`."""
        try:
            magic, size, rest = _SIZES.unpack_from(state)
            if magic != _MAGIC or len(state) != _SIZES.size + size + rest:
                raise ValueError("another form")
            first, *lines = state[_SIZES.size : _SIZES.size + size].decode().split("\n")
            document = json.loads(first)
            first_time, last_time = document["times"]
            session = cls(key, place, document["first"], first_time, last_time)
            session.events, session.origins = document["events"], document["origins"]
            noted = zip(document["notable"], lines, strict=True)
            session.notable = [Notable(nats, position, line, contexts) for (nats, position, contexts), line in noted]
            session.clock = document["clock"]
            if document["finding"]:
                session.finding = LiveFinding.from_json(document["finding"])
        except (ValueError, KeyError, TypeError, struct.error) as problem:
            raise StoreError(
                f"the state of {key.entity!r} is damaged ({problem}); restore the store from a copy"
            ) from None
        return session, state[_SIZES.size + size :]
