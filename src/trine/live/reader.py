"""`LiveReader`: the lines of sources as events of sessions, which go on over batches and restarts."""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from trine.datasets.lines import Skips
from trine.detect.scorer import Scorer
from trine.live.open_session import Key
from trine.live.source import Source, log
from trine.log_formats.log_event import Format, Line
from trine.log_formats.registry import format_named, format_of
from trine.logs.events import EventNames
from trine.logs.reading import many_unparsed
from trine.logs.sessions import OpenSession, SessionEvent, SessionKey, Sessions
from trine.sequences.vocabulary import ENTITY, EVENT

REMEMBERED: Final = 1_000
"""Lines of a source whose records join lines that are kept: a record is not longer."""
TRIED: Final = 100
"""Lines of a source after which it is looked whether they have the format."""
COUNTED: Final = ("lines", "events", "unparsed", "continued", "blank", "headers", "without_time", "without_entity")
"""Counts of `Reading` that the store adds up."""
Recall = Callable[[Sequence[Key]], Mapping[Key, OpenSession]]


class LiveEvent(NamedTuple):
    """One event of a session."""

    key: Key
    begins: bool
    """Whether it is the first event of its session."""
    code: int
    """Of `EventNames`."""
    time: float | None
    file: str
    line: int
    record: int
    text: str
    origins: Mapping[str, str]
    """Host, user, address, … as far as the event names them."""
    words: Mapping[str, str]
    """Further columns, where the model reads any."""


class SourceFormat:
    """The format of one source's lines, and the lines that incomplete records may consist of."""

    def __init__(self, source: Source, position: Any | None) -> None:
        self.resumed = position is not None
        position = position or {}
        self.source, self.name = source, position.get("format")
        self.format: Format | None = None
        self.lines = self.unparsed = 0
        """Lines since the start, and those without the format."""
        self.tried = False
        self.tail: deque[Line] = deque((Line(*line) for line in position.get("tail", ())), REMEMBERED)
        source.resume(position.get("at"))

    def position(self, at: Any) -> dict[str, Any]:
        """What the store keeps: where the source stands, and how to go on reading."""
        joins = self.format is not None and self.format.joiner is not None
        return {"at": at, "format": self.name, "tail": [list(line) for line in self.tail] if joins else []}


class LiveReader:
    """Reads the lines of all sources, with one set of open sessions.

    recall   gives those of the open sessions of these entities that are not in memory but in the store
    """

    def __init__(self, scorer: Scorer, names: EventNames, recall: Recall) -> None:
        self._settings, self._names = scorer.log_settings, names
        self._sessions: Sessions | None = None
        self._recall = recall
        self._usual = scorer.unparsed_share
        self._worded = set(scorer.vocabulary.values) != {EVENT}
        self._before = dict.fromkeys(COUNTED, 0)

    def read(
        self, of: SourceFormat, lines: Sequence[Line], times: Mapping[tuple[int, int], float] = MappingProxyType({})
    ) -> list[LiveEvent]:
        """The events that these lines complete. Raises `UsageError` for lines that cannot be read as the model says.

        times   by source and number of a line: its time, if it says none and is a record of its own
        """
        if not lines:
            return []
        sessions = self._in_format(of, lines)
        joins = sessions.format.joiner is not None
        if joins:
            of.tail.extend(lines)
        texts = {line[:2]: line.text for line in (of.tail if joins else lines)}
        sessions.file, before = None, sessions.reading.unparsed
        sessions.times = {} if joins else times
        events = [self._event(of.source, event, texts) for event in sessions.read_all(lines)]
        of.lines, of.unparsed = of.lines + len(lines), of.unparsed + sessions.reading.unparsed - before
        if of.lines >= TRIED:
            self._try(of)
        return events

    def finish(self, of: SourceFormat) -> list[LiveEvent]:
        """The events of incomplete records at the end of a source."""
        if of.format is None or self._sessions is None:
            return []
        self._try(of)
        self._sessions.switch(of.format)
        texts = {line[:2]: line.text for line in of.tail}
        of.tail.clear()
        return [self._event(of.source, event, texts) for event in self._sessions.finish()]

    def forget(self, key: Key) -> None:
        """The session of this key has ended, or is in the store only."""
        if self._sessions is not None:
            self._sessions.close(_kind_and_entity(key))

    def times(self, key: Key) -> tuple[float, float, float]:
        """The last time of a session as written, its latest one, and that of its last event; NaN if unknown."""
        assert self._sessions is not None
        session = self._sessions.opened(_kind_and_entity(key))
        return session.raw, session.latest, session.previous

    def counted(self) -> dict[str, int]:
        """What was counted since the last call."""
        if self._sessions is None:
            return {}
        now = {name: int(getattr(self._sessions.reading, name)) for name in COUNTED}
        since = {name: now[name] - self._before[name] for name in COUNTED if now[name] != self._before[name]}
        self._before = now
        return since

    def _in_format(self, of: SourceFormat, lines: Sequence[Line]) -> Sessions:
        settings = self._settings
        if of.format is None:
            if of.name and not settings.pattern:
                of.format = format_named(of.name, settings.fields)
            else:
                of.format, _ = format_of(lines, settings.format, settings.pattern, settings.fields)
                of.name = of.format.name
            of.format.clock.reference = time.time()
            head = of.source.head(lines[0].source)
            of.format.begin(of.source.files[lines[0].source], head or [line.text for line in lines])
            if of.resumed:
                self._replay(of, head)
        if self._sessions is None:
            skips, cut = Skips("live"), settings.cut
            self._sessions = Sessions(of.format, skips, cut=cut, names=self._names, recall=self._open)
        self._sessions.switch(of.format)
        return self._sessions

    def _replay(self, of: SourceFormat, head: Sequence[str]) -> None:
        """Read the names of columns again, and give the joiner the lines of incomplete records.

        The complete records among these are read already.
        """
        assert of.format is not None
        if of.format.joiner is None:
            for text in head:
                of.format.parse(text)
        else:
            for line in of.tail:
                for record in of.format.joiner.feed(line):
                    of.format.parse(record.text)

    def _try(self, of: SourceFormat) -> None:
        """Say once if the lines of a source do not have the format: each of them is an event that was never seen."""
        if not of.tried and many_unparsed(share := of.unparsed / of.lines, self._usual):
            log.warning(
                "%s: %.0f %% of the first %d lines do not have the format %s%s; give logs like those of the training,"
                " and look at these with trine detect check",
                of.source.skips.source, 100 * share, of.lines, of.name,
                "" if self._usual is None else f", in training {100 * self._usual:.2g} %",
            )  # fmt: skip
        of.tried = True

    def _open(self, keys: Sequence[SessionKey]) -> dict[SessionKey, OpenSession]:
        recalled = self._recall([Key(kind or "", entity) for kind, entity in keys])
        return {_kind_and_entity(key): session for key, session in recalled.items()}

    def _event(self, source: Source, event: SessionEvent, texts: Mapping[tuple[int, int], str]) -> LiveEvent:
        assert self._sessions is not None
        key = Key(self._sessions.format.entity or "", event.entity)
        words = {**event.entities, ENTITY: event.entity, **event.attributes} if self._worded else {}
        seconds = None if event.time != event.time else event.time
        text = texts.get((event.source, event.line), "")
        file = source.files[event.source]
        return LiveEvent(
            key, event.begins, event.event, seconds, file, event.line, event.record, text, event.entities, words
        )


def _kind_and_entity(key: Key) -> tuple[str | None, str]:
    return key.kind or None, key.entity
