"""From a raw log to sequences of events: lines -> time, entity, event, attributes -> sessions.

- The format is named, an own regular expression, or guessed from the first thousand lines; `Reading` says which.
- Free text becomes an event by its template; a `TemplateMiner` of a fitted detector can be given to know them again.
- A session is all that one entity did, cut where nothing happened for `gap_seconds`; a session id alone is never cut.
- Memory a line is a few numbers; the texts are gone as soon as they are read.
"""

from array import array
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, Int64, Shaped

from trine.datasets.lines import Skips, text_lines
from trine.errors import DataError, UsageError
from trine.sequences.formats import FORMATS, Pattern, guess_format
from trine.sequences.log_event import ENTITIES, Format, LogEvent
from trine.sequences.table import Attribute, Codes, SequenceTable, fingerprint
from trine.sequences.templates import TemplateMiner

GUESS_LINES = 1000


@dataclass(frozen=True)
class Reading:
    """A log that was read: its sessions, how it was understood, and the templates of its free texts."""

    table: SequenceTable
    format: str
    guessed: bool
    entity: str | None
    miner: TemplateMiner


def read_log(
    path: Path,
    *,
    format: str | None = None,  # noqa: A002  (the name of the option)
    pattern: str | None = None,
    entity: str | None = None,
    gap_seconds: float | None = 1800.0,
    miner: TemplateMiner | None = None,
    learn: bool = True,
) -> Reading:
    """The sessions of a log, plain or .gz.

    Without `entity`, the format's own. With `learn` off, texts of no known template are all one event.
    Raises `UsageError` for an unknown format, entity or pattern, `DataError` if the log is empty, damaged or mostly of
    another format.
    """
    if entity is not None and entity not in ENTITIES:
        raise UsageError(f"entity {entity!r}: choose one of {', '.join(ENTITIES)}")
    skips = Skips(path.name)
    lines = text_lines(path, skips)
    first = list(islice(lines, GUESS_LINES))
    reader = format_of([line for _, line in first], format, pattern)
    miner = miner or TemplateMiner()
    columns = _Columns(entity or reader.entity, miner, learn)
    for number, line in chain(first, lines):
        event = reader.parse(line)
        if event is not None:
            columns.add(number, event, skips)
        elif line.strip():
            skips.add(f"not of the format {reader.name}, left out", f"line {number}")
    _require_events(columns, reader, skips)
    gap = None if columns.entity == "session" else gap_seconds
    return Reading(columns.table(path.name, gap, skips), reader.name, not (format or pattern), columns.entity, miner)


def format_of(first: list[str], name: str | None = None, pattern: str | None = None) -> Format:
    """The format of that name or pattern, else the one guessed from the `first` lines."""
    if pattern:
        return Pattern(pattern)
    name = name or guess_format(first)
    if name not in FORMATS:
        raise UsageError(f"format {name!r}: choose one of {', '.join(FORMATS)}, or give a pattern")
    return FORMATS[name]()


def _require_events(columns: "_Columns", reader: Format, skips: Skips) -> None:
    if len(columns.events) >= max(1, skips.left_out):
        return
    if not len(columns.events) and not skips.messages():
        raise DataError(f"{skips.source}: the log is empty; give one with events in it")
    said = skips.messages()[0] if skips.messages() else ""
    counts = f"{len(columns.events)} lines are events of the format {reader.name}, {skips.left_out} are not"
    raise DataError(f"{skips.source}: {counts} ({said}); name the format and the entity, or give a pattern")


class _Columns:
    """What is kept of each line: numbers."""

    def __init__(self, entity: str | None, miner: TemplateMiner, learn: bool) -> None:
        self.entity = entity
        self._miner = miner
        self._template_of = miner.add if learn else miner.match
        self._names = Codes()
        self.events = array("q")
        """A template's id, or −1 − the code of an event's name."""
        self._who = Codes()
        self._times = array("d")
        self._attributes: dict[str, Codes] = {}

    def add(self, number: int, event: LogEvent, skips: Skips) -> None:
        """Keep one event; one that says nothing of the entity belongs to no session."""
        who = event.entities.get(self.entity) if self.entity else ""
        if who is None:
            skips.add(f"no {self.entity}, in no session", f"line {number}")
            return
        for name in event.attributes:
            if name not in self._attributes:
                self._attributes[name] = Codes([""] * len(self.events))
        for name, codes in self._attributes.items():
            codes.add([event.attributes.get(name, "")])
        if event.mined:
            self.events.append(self._template_of(event.event))
        else:
            self.events.append(-1 - self._names.places[event.event])
        self._who.add([who])
        self._times.append(np.nan if event.time is None else event.time)

    def table(self, name: str, gap: float | None, skips: Skips) -> SequenceTable:
        """The events grouped by who, in order, cut at gaps; the sessions in the order in which they began."""
        who = self._who.array()
        order = np.argsort(who, kind="stable")
        times = np.frombuffer(self._times, np.float64)[order]
        begins = np.diff(who[order], prepend=-1) != 0
        times = _forward(times, begins, skips)
        if gap is not None:
            begins |= np.diff(times, prepend=np.nan) > gap
        starts = np.flatnonzero(begins)
        place = np.argsort(order[starts], kind="stable")  # sessions by their first line
        lengths = np.diff(starts, append=len(order))[place]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        flat = np.repeat(starts[place] - offsets[:-1], lengths) + np.arange(len(order))
        lines = order[flat]
        codes, vocabulary = self._vocabulary(lines)
        count = len(starts)
        said = np.array(list(self._who.places), object)[who[lines[offsets[:-1]]]]
        table = SequenceTable(
            name=name,
            fingerprint="",
            events=codes,
            offsets=offsets,
            vocabulary=vocabulary,
            names=_numbered(said),
            kinds=np.full(count, "", object),
            labels=np.full(count, -1, np.int8),
            splits=np.full(count, "", object),
            times=None if np.isnan(times).all() else times[flat],
            attributes={
                column: Attribute(values.array()[lines], tuple(values.places))
                for column, values in self._attributes.items()
            },
            skipped=skips.messages(),
        )
        return fingerprint(table)

    def _vocabulary(self, lines: Int64[np.ndarray, " events"]) -> tuple[np.ndarray, tuple[str, ...]]:
        """Event codes by first appearance. Templates that were merged meanwhile are what they became."""
        names = list(self._names.places)
        texts = {template.id: template.text for template in self._miner.templates()}
        raw, inverse = np.unique(np.frombuffer(self.events, np.int64)[lines], return_inverse=True)
        tokens = Codes()
        first = np.full(len(raw), len(lines))
        np.minimum.at(first, inverse, np.arange(len(lines)))
        code_of = np.empty(len(raw), np.int32)
        for i in np.argsort(first, kind="stable"):
            event = int(raw[i])
            token = names[-1 - event] if event < 0 else texts.get(self._miner.resolve(event), "<*>")
            code_of[i] = tokens.places[token]
        return code_of[inverse], tuple(tokens.places)


def _forward(
    times: Float64[np.ndarray, " events"], begins: Bool[np.ndarray, " events"], skips: Skips
) -> Float64[np.ndarray, " events"]:
    """Times held at the latest so far of the same entity; unknown ones stay unknown."""
    back = np.flatnonzero((np.diff(times, prepend=np.inf) < 0) & ~begins)
    for i in back:
        skips.add("times run backwards, held at the latest so far", f"by {times[i - 1] - times[i]:g} s")
    if not len(back):
        return times
    held = np.concatenate([np.fmax.accumulate(part) for part in np.split(times, np.flatnonzero(begins)[1:])])
    return np.where(np.isnan(times), np.nan, held)


def _numbered(names: Shaped[np.ndarray, " sequences"]) -> Shaped[np.ndarray, " sequences"]:
    """Names told apart: the second session of `sshd[7]` is `sshd[7]#2`."""
    seen: dict[str, int] = {}
    numbered = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        numbered.append(name or f"{seen[name]}" if seen[name] == 1 or not name else f"{name}#{seen[name]}")
    return np.array(numbered, object)
