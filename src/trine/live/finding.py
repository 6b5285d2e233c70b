"""`LiveFinding`: what a detector at work reports about an entity, while it is going on and after."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal, Self

from trine.errors import DataError

Status = Literal["open", "closed"]
ExpectedEvents = tuple[tuple[str, float], ...]
"""Events with their probabilities, the most probable first."""


@dataclass(frozen=True)
class FindingLine:
    """A line of a log that counts."""

    file: str
    line: int
    time: float | None
    """Seconds since 1970; None if unknown."""
    text: str
    event: str
    surprisal: float
    """In nats."""
    expected: ExpectedEvents = ()
    """The most probable events in its place, with their probabilities."""

    def as_text(self) -> str:
        """The line as JSON in ASCII, without line break."""
        return json.dumps(vars(self))

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """Of what `as_text` wrote, read as JSON, or of a line in a finding's JSON."""
        return cls(**{**document, "expected": tuple((str(word), float(p)) for word, p in document["expected"])})


@dataclass(frozen=True)
class LiveFinding:
    """One finding, in its present state."""

    id: str
    """Of `finding_id`: the same when a batch is processed again after a crash."""
    model: str
    entity: str
    source: str
    """What findings are grouped by: an address, a user, …"""
    p_value: float
    """The smallest share of normal sessions, cut at the same length, that are at least as strange."""
    first_time: float | None
    """Time of the first event in the log, in seconds since 1970."""
    last_time: float | None
    events: int
    """Number of events of the session up to now."""
    status: Status
    lines: tuple[FindingLine, ...] = ()
    """The lines that count, the most important first."""
    members: dict[str, float] | None = None
    """Each member's p-value."""
    revision: int = 1
    """Counts the changes of the finding, from 1."""

    def as_json(self) -> dict[str, Any]:
        """The finding as a JSON object."""
        return vars(self) | {"lines": [dict(vars(line)) for line in self.lines], "members": dict(self.members or {})}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "LiveFinding":
        """Of what `as_json` gave, or its JSON text read again. Raises `DataError` if it is none."""
        try:
            return cls(**{**document, "lines": tuple(map(FindingLine.from_json, document["lines"]))})
        except (KeyError, TypeError, ValueError) as problem:
            raise DataError(f"a finding is damaged ({problem!r}): restore the store from a copy") from None

    @property
    def loudest(self) -> str:
        """The member with the smallest p-value; "" without members."""
        return min(self.members, key=self.members.__getitem__) if self.members else ""


def finding_id(model: str, entity: str, first_event: Any) -> str:
    """A name for a finding that stays the same: a digest of the model, the entity and its first event.

    first_event   a JSON value that names the event: its source, file, line, or time
    """
    content = json.dumps([model, entity, first_event], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(content.encode("utf-8", "backslashreplace")).hexdigest()[:32]
