"""Log formats: each parses a line into a time, entities, an event and attributes.

`FORMATS` is the registry, from the most specific format to `plain`, which accepts any line. A format is a class with a
`name`, the `entity` that a session belongs to by default, and `parse(line) -> LogEvent | None`; one instance reads one
log.
"""

import re
from collections.abc import Iterable
from typing import ClassVar

from trine.errors import UsageError
from trine.logs.log_event import ENTITIES, Entity, Format, LogEvent, known, seconds
from trine.logs.record_formats import Audit, Json, Strace, Web
from trine.logs.text_formats import Plain, Syslog, Syslog5424, SyslogIso


class Pattern:
    """A regular expression with the groups `time`, `event` or `message`, and entities; other groups are attributes."""

    name: ClassVar[str] = "pattern"

    def __init__(self, pattern: str) -> None:
        try:
            self._line = re.compile(pattern)
        except re.error as error:
            raise UsageError(f"pattern {pattern!r}: {error}; correct the regular expression") from None
        groups = self._line.groupindex
        if not {"event", "message"} & set(groups):
            raise UsageError(f"pattern {pattern!r}: no group (?P<event>…) or (?P<message>…); add one for the event")
        self.entity: Entity | None = next((entity for entity in ENTITIES if entity in groups), None)

    def parse(self, line: str) -> LogEvent | None:
        """The event is the group `event`; without it, the template of the group `message`."""
        match = self._line.search(line)
        groups = known(**match.groupdict()) if match else {}
        event = groups.get("event") or groups.get("message")
        if not event:
            return None
        return LogEvent(
            event,
            mined="event" not in groups,
            time=seconds(groups.get("time", "")),
            entities={name: groups[name] for name in groups if name in ENTITIES},
            attributes={name: groups[name] for name in groups if name not in (*ENTITIES, "time", "event", "message")},
        )


FORMATS: dict[str, type[Format]] = {
    kind.name: kind for kind in (Audit, Strace, Web, Json, Syslog5424, SyslogIso, Syslog, Plain)
}
"""All formats by name; a guess prefers the first of formats that fit the same number of lines."""


def guess_format(lines: Iterable[str]) -> str:
    """The name of the format that most of the lines have; `plain` if no other format has at least half of them."""
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
