"""The events of logs with their final names, as a training reads them."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from trine.log_formats.log_event import Fields
from trine.logs.readers import LogSettings, log_lines
from trine.logs.reading import Reading
from trine.logs.sessions import UNPARSED


class ReadEvent(NamedTuple):
    source: int
    line: int
    time: float | None
    entities: Fields
    event: str
    kind: str
    """`event`, or `unparsed` for a line that does not have the format."""


def read_events(sources: Sequence[str | Path], settings: LogSettings | None = None) -> tuple[list[ReadEvent], Reading]:
    """All events in the order in which they were read, and what became of the lines."""
    lines = log_lines(sources, settings or LogSettings())
    events = [event for block in lines.blocks() for event in block]
    lines.names.settle()
    named = []
    for event in events:
        name = lines.names.name(event.event)
        kind = "unparsed" if name.startswith(UNPARSED) else "event"
        named.append(ReadEvent(event.source, event.line, event.written, event.entities, name, kind))
    return named, lines.reading
