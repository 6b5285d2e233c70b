"""What a detector reports per sequence: the finding with the events that count, and findings grouped by source."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True)
class FindingEvent:
    """One event of a sequence, and why it counts."""

    position: int
    """Index in the sequence, from 0."""
    event: str
    surprisal: float
    """In nats."""
    never_seen: bool
    """Whether no normal sequence of the training has this event."""
    expected: tuple[tuple[str, float], ...] = ()
    """The most probable events at this position, with their probabilities; empty without a network."""
    count: int = 1
    """Number of events of this name in the sequence; the first is shown if none is known, else the strangest."""
    time: str | None = None
    """As in ISO 8601, UTC; None if unknown."""
    file: str | None = None
    """The file of a log that the event was read from."""
    line: int | None = None
    """The number of its line."""
    record: int = 1
    """The number of the record among those that begin on this line."""
    text: str | None = None
    """The record as it is in the log: a line, or the JSON of a record that is a part of a line."""

    def likeliest(self, count: int) -> str:
        """The `count` most probable events as text; probabilities below 0.5 % are left out."""
        return ", ".join(f"{word} {100 * p:.0f} %" for word, p in self.expected[:count] if p >= 0.005)

    def place(self) -> str:
        """File, line and record, or the position in the sequence."""
        if self.file is None or self.line is None:
            return f"event {self.position}"
        from trine.logs.record_texts import place_text  # formats of logs take long to import, and findings are without

        return place_text(self.file, self.line, self.record)


@dataclass(frozen=True)
class Finding:
    """The result for one sequence, flagged or not."""

    name: str
    p_value: float
    """Share of held-out normal sequences that are at least as strange."""
    score: float
    """Fused score of all members, without a unit; a higher one is stranger."""
    flagged: bool
    """Whether the p-value is at most the detector's threshold."""
    loudest: str
    """The member with the smallest p-value."""
    members: dict[str, float]
    """Each member's p-value."""
    length: int = 0
    """Number of events."""
    entity: str = ""
    """What the session of a log belongs to."""
    source: str = ""
    """What findings are grouped by: an address, a user, …; the entity if the session names none."""
    first_time: str | None = None
    """Time of the first event as in ISO 8601, UTC; None if unknown."""
    last_time: str | None = None
    """Time of the last event."""
    never_seen: int = 0
    """Number of events that no normal sequence of the training has."""
    events: tuple[FindingEvent, ...] = ()
    """The events that count, the most important first; only for findings that were asked for in full."""

    def as_json(self) -> dict[str, Any]:
        """The finding as a JSON object."""
        return asdict(self)


@dataclass(frozen=True)
class FindingGroup:
    """The findings of one source: one attacker is one group, not a hundred alerts."""

    source: str
    findings: tuple[Finding, ...]
    """The strangest first."""

    @property
    def p_value(self) -> float:
        """The smallest p-value."""
        return self.findings[0].p_value

    def as_json(self) -> dict[str, Any]:
        """The group as a JSON object; its findings by name."""
        times = [time for each in self.findings for time in (each.first_time, each.last_time) if time]
        return {
            "source": self.source,
            "p_value": self.p_value,
            "sessions": len(self.findings),
            "events": sum(each.length for each in self.findings),
            "first_time": min(times, default=None),
            "last_time": max(times, default=None),
            "findings": [each.name for each in self.findings],
        }


def grouped(findings: Sequence[Finding]) -> list[FindingGroup]:
    """Findings, strangest first, as groups of one source each; the group with the strangest finding first."""
    groups: dict[str, list[Finding]] = {}
    for finding in findings:
        groups.setdefault(finding.source or finding.name, []).append(finding)
    return [FindingGroup(source, tuple(members)) for source, members in groups.items()]


def time_text(seconds: float) -> str | None:
    """Seconds since 1970 as ISO 8601 in UTC, to the millisecond; None if unknown or beyond the calendar.

    Times before 1973 count from a beginning of their own, as in recordings, and are given as seconds.
    """
    if abs(seconds) < 1e8:
        return f"{seconds:.3f} s"
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    text = moment.isoformat(timespec="milliseconds" if moment.microsecond else "seconds")
    return text.replace("+00:00", "Z")


@dataclass(frozen=True)
class Explanation:
    """A finding with its reasons."""

    name: str
    p_value: float
    """Share of held-out normal sequences that are at least as strange."""
    flagged: bool
    loudest: str
    """The member with the smallest p-value."""
    says: str
    """Meaning of a high score of the loudest member, in words."""
    members: dict[str, float]
    """Each member's p-value."""
    nearest_normal: str | None
    """Name of the normal sequence with the nearest event counts; None when no member compares counts."""
    events: tuple[FindingEvent, ...]
    """All events in their order; of a longer sequence than `explain.MOST_EVENTS`, the most important ones."""
    most_important: tuple[FindingEvent, ...] = ()
    """The events that count, the most important first."""
    course: tuple[float, ...] = ()
    """Surprisal of every event in nats, in their order."""
    never_seen: tuple[int, ...] = ()
    """Positions of the events that no normal sequence of the training has."""

    def as_json(self) -> dict[str, Any]:
        """The explanation as a JSON object."""
        return asdict(self)
