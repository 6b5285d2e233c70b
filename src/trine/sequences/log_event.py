"""`LogEvent`, one parsed line of a log, and `Format`, the protocol of all log formats."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar, Literal, Protocol, get_args, runtime_checkable

Entity = Literal["host", "user", "process", "address", "session"]
"""What a session can belong to. `session` is an id that the log itself gives to a session."""

ENTITIES: tuple[Entity, ...] = get_args(Entity)


@dataclass(frozen=True, slots=True)
class LogEvent:
    """The content of one line."""

    event: str
    """Name of the event, or free text if `mined`."""
    mined: bool = False
    """Whether `event` is free text, whose template has to be mined."""
    time: float | None = None
    """Seconds, since 1970 if the line has a year; None if unknown."""
    entities: Mapping[str, str] = field(default_factory=dict)
    """The entities of the line by their kind, one of `ENTITIES`."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """Further values by name."""


@runtime_checkable
class Format(Protocol):
    """Parses the lines of one log, in their order."""

    name: ClassVar[str]
    entity: Entity | None
    """What a session belongs to by default; None: the log is one session."""

    def parse(self, line: str) -> LogEvent | None:
        """The event of a line; None if the line has another format."""


def seconds(text: str) -> float | None:
    """Seconds since 1970 of a number, an ISO time or a web server's time; of a time of day, seconds since midnight.

    Numbers above 10¹¹ are milliseconds. None if the text is no time.
    """
    text = text.strip()
    try:
        if re.fullmatch(r"\d{1,16}(\.\d{1,9})?", text):
            number = float(text)
            return number / 1000 if number > 1e11 else number
        if re.fullmatch(r"\d\d:\d\d:\d\d(\.\d+)?", text):
            return int(text[:2]) * 3600 + int(text[3:5]) * 60 + float(text[6:])
        if "/" in text:
            return datetime.strptime(text, "%d/%b/%Y:%H:%M:%S %z").timestamp()
        moment = datetime.fromisoformat(text.replace(",", "."))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def known(**values: str | None) -> dict[str, str]:
    """The values that are neither None nor empty."""
    return {name: value for name, value in values.items() if value}
