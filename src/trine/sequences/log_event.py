"""One line of a log taken apart, and what every format is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar, Literal, Protocol, get_args, runtime_checkable

Entity = Literal["host", "user", "process", "address", "session"]
ENTITIES: tuple[Entity, ...] = get_args(Entity)


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One line: `event` is a name, or with `mined` a free text that still needs its template."""

    event: str
    mined: bool = False
    time: float | None = None
    """Seconds; since 1970 if the line says the year."""
    entities: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Format(Protocol):
    """How one log is written."""

    name: ClassVar[str]
    entity: Entity | None

    def parse(self, line: str) -> LogEvent | None:
        """The event of `line`; None if it is not of this format."""


def seconds(said: str) -> float | None:
    """Seconds since 1970 of a number, an ISO time, a web server's time, or a time of day; None if it is none."""
    said = said.strip()
    try:
        if re.fullmatch(r"\d{1,16}(\.\d{1,9})?", said):
            number = float(said)
            return number / 1000 if number > 1e11 else number
        if re.fullmatch(r"\d\d:\d\d:\d\d(\.\d+)?", said):
            return int(said[:2]) * 3600 + int(said[3:5]) * 60 + float(said[6:])
        if "/" in said:
            return datetime.strptime(said, "%d/%b/%Y:%H:%M:%S %z").timestamp()
        moment = datetime.fromisoformat(said.replace(",", "."))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def known(**said: str | None) -> dict[str, str]:
    """What was said, without what was not."""
    return {name: value for name, value in said.items() if value}
