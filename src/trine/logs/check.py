"""How a log would be read: format, lines, sessions, kinds of events, time span, odd lines. Memory is flat."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import chain, compress
from pathlib import Path
from typing import Any

from trine.errors import DataError
from trine.logs.readers import LogLines, LogSettings, log_lines
from trine.logs.reading import Reading
from trine.logs.record_texts import Place, place_text
from trine.logs.sessions import UNPARSED

SHOWN_TEXT = 300
"""Characters of an example that are kept."""


@dataclass(frozen=True, slots=True)
class EventKind:
    """One kind of event, with its number of occurrences and its first record."""

    event: str
    count: int
    file: str
    line: int
    record: int
    """The number of the record among those that begin on this line."""
    text: str

    def place(self) -> str:
        """File, line and record."""
        return place_text(self.file, self.line, self.record)


@dataclass(frozen=True, slots=True)
class LogCheck:
    """How a log would be read."""

    name: str
    formats: dict[str, str]
    """File to format."""
    why: tuple[str, ...]
    """Why each guessed format was chosen, a line for all files with equal guesses."""
    entity: str | None
    entities: int
    """Number of different entities."""
    sessions: int
    longest: int
    """Number of events of the longest session."""
    first_time: float | None
    last_time: float | None
    kinds: tuple[EventKind, ...]
    """Kinds of events, the most frequent first."""
    unparsed: tuple[EventKind, ...]
    """Kinds of lines that do not have the format."""
    attributes: tuple[str, ...]
    """Names of the attributes that the events have."""
    reading: Reading
    remarks: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The check as a JSON object."""
        return {**asdict(self), "reading": self.reading.as_json()}


def check_log(sources: Sequence[str | Path], settings: LogSettings | None = None) -> LogCheck:
    """Read logs as a training would. Raises `DataError` if they hold no line, `UsageError` for unusable settings."""
    lines = log_lines(sources, settings or LogSettings())
    counts: Counter[int] = Counter()
    first: dict[int, Place] = {}
    lengths: Counter[int] = Counter()
    entities: set[str] = set()
    attributes: dict[str, None] = {}
    earliest, latest = math.inf, -math.inf
    for events in filter(None, lines.blocks()):
        places, numbers, sessions, begins, owners, codes, _, written, _, fields, records = zip(*events, strict=True)
        for code in set(codes) - first.keys():
            row = codes.index(code)
            first[code] = Place(places[row], numbers[row], records[row])
        counts.update(codes)
        lengths.update(sessions)
        entities.update(filter(None, compress(owners, begins)))
        attributes.update(dict.fromkeys(chain.from_iterable(fields)))
        known = [time for time in written if time is not None]
        earliest, latest = min((earliest, *known)), max((latest, *known))
    if not lines.reading.lines:
        raise DataError(f"{lines.skips.source}: the log is empty; give a log with events")
    lines.names.settle()
    kinds = _kinds(lines, counts, first)
    return LogCheck(
        name=lines.skips.source,
        formats=lines.reading.formats,
        why=tuple(lines.why()),
        entity=lines.entity,
        entities=len(entities),
        sessions=len(lengths),
        longest=max(lengths.values(), default=0),
        first_time=earliest if math.isfinite(earliest) else None,
        last_time=latest if math.isfinite(latest) else None,
        kinds=tuple(kind for kind in kinds if not kind.event.startswith(UNPARSED)),
        unparsed=tuple(kind for kind in kinds if kind.event.startswith(UNPARSED)),
        attributes=tuple(attributes),
        reading=lines.reading,
        remarks=(*lines.remarks(len(lengths)), *lines.skips.messages()),
    )


def _kinds(lines: LogLines, counts: Counter[int], first: dict[int, Place]) -> list[EventKind]:
    """The kinds by their final names, the most frequent first, each with its first record."""
    totals: Counter[str] = Counter()
    places: dict[str, Place] = {}
    for code, count in counts.items():
        name = lines.names.name(code)
        totals[name] += count
        places[name] = min(places.get(name, first[code]), first[code])
    texts = lines.records.texts(places.values())
    return [
        EventKind(
            name, count, lines.files.names[place.source], place.line, place.record, texts.get(place, "")[:SHOWN_TEXT]
        )
        for name, count in totals.most_common()
        for place in [places[name]]
    ]
