"""Log formats: each takes a line apart into time, who it is about, what happened, and attributes.

`FORMATS` is the registry, from the most particular to `plain`, which takes any line. A format is a class with a `name`,
the `entity` it is usually split by, and `parse(line) -> LogEvent | None`; an instance reads one log.
"""

import re
from collections.abc import Iterable
from typing import ClassVar

from trine.errors import UsageError
from trine.sequences.log_event import ENTITIES, Entity, Format, LogEvent, seconds
from trine.sequences.record_formats import Audit, Json, Strace, Web
from trine.sequences.text_formats import Plain, Syslog, Syslog5424, SyslogIso


class Pattern:
    """An own regular expression: groups `time`, `event` or `message`, the entities; any other is an attribute."""

    name: ClassVar[str] = "pattern"

    def __init__(self, pattern: str) -> None:
        try:
            self._line = re.compile(pattern)
        except re.error as error:
            raise UsageError(f"pattern {pattern!r}: {error}; mend the regular expression") from None
        groups = self._line.groupindex
        if not {"event", "message"} & set(groups):
            raise UsageError(f"pattern {pattern!r}: no group (?P<event>…) or (?P<message>…); name what happened")
        self.entity: Entity | None = next((entity for entity in ENTITIES if entity in groups), None)

    def parse(self, line: str) -> LogEvent | None:
        """The event is the group `event` as it is, else the template of `message`."""
        found = self._line.search(line)
        said = {name: value for name, value in found.groupdict().items() if value} if found else {}
        event = said.get("event") or said.get("message")
        if not event:
            return None
        rest = {name: said[name] for name in said if name not in (*ENTITIES, "time", "event", "message")}
        return LogEvent(
            event,
            mined="event" not in said,
            time=seconds(said.get("time", "")),
            entities={name: said[name] for name in said if name in ENTITIES},
            attributes=rest,
        )


FORMATS: dict[str, type[Format]] = {
    kind.name: kind for kind in (Audit, Strace, Web, Json, Syslog5424, SyslogIso, Syslog, Plain)
}


def guess_format(lines: Iterable[str]) -> str:
    """The name of the format that most of these lines have; `plain` if less than half have any other."""
    lines = [line for line in lines if line.strip()]
    best, most = Plain.name, len(lines) / 2
    for name, kind in FORMATS.items():
        fits = sum(kind().parse(line) is not None for line in lines) if kind is not Plain else 0
        if fits >= most and fits:
            best, most = name, fits + 1
    return best


def format_of(first: Iterable[str], name: str | None = None, pattern: str | None = None) -> Format:
    """The format of the name or of the pattern; without both, the format that the `first` lines seem to have."""
    if pattern:
        return Pattern(pattern)
    name = name or guess_format(first)
    if name not in FORMATS:
        raise UsageError(f"format {name!r}: choose one of {', '.join(FORMATS)}, or give a pattern")
    return FORMATS[name]()
