"""`Engine`: lines in, findings out. Everything between two commits is one batch.

Lines become events of sessions as in the training; the judge says how strange each session is so far; a session whose
p-value is at most the threshold is a finding, which is updated while the session goes on and closed when it ends. The
positions of the sources, the changed states and the findings of a batch are committed together.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from trine.annotations import Float64, Int64
from trine.detect.scorer import Scorer
from trine.live.finding import FindingLine, LiveFinding, finding_id
from trine.live.judge import Judge
from trine.live.open_session import MOST_TEXT, GoingSession, Key, Notable
from trine.live.reader import LiveEvent, LiveReader, SourceFormat
from trine.live.source import Batch, Source
from trine.live.store import Changes, EntityState, Store
from trine.logs.events import EventNames
from trine.logs.sessions import OpenSession
from trine.sequences.vocabulary import EVENT, UNKNOWN

NOTABLE: Final = 2.0
"""Surprisal in nats from which on a line may count."""
DAY: Final = 86_400.0
"""Longest pause of a session that no pause ends, in seconds: longer ones are taken from memory and store."""
SWEEP, SWEPT = 200, 1_000
"""Batches between two looks for sessions that ended while they were not in memory, and most of them at once."""
RATED, RATED_DAYS = 100, 0.04
"""Sessions, and days of the log, from which on the rate of sessions is known."""
UPDATED: Final = 0.5
"""An open finding is reported again when its p-value falls to this share of the reported one, or it ends."""


@dataclass(frozen=True)
class Limits:
    """What the engine keeps to."""

    threshold: float
    """Largest p-value of a finding."""
    per_day: float | None = None
    """Findings on normal activity per day: once the rate of sessions is known, it sets the threshold."""
    most_sessions: int = 100_000
    """Largest number of sessions in memory; others are in the store only."""
    lateness: float = 60.0
    """Seconds by which events of the log may be late: a session ends this long after its gap."""


class Engine:
    """A detector at work on one or more sources."""

    def __init__(self, scorer: Scorer, store: Store, sources: Sequence[Source], limits: Limits, model: str) -> None:
        """model   fingerprint of the model: findings are named after it"""
        self.scorer, self.store, self.limits, self.model = scorer, store, limits, model
        self.judge = Judge(scorer)
        names = EventNames.from_json(scorer.templates) if scorer.templates else EventNames(learn=False)
        self.names, self._codes = names, dict[int, tuple[str, int]]()
        positions = store.positions()
        self.reader = LiveReader(scorer, names, self._recalled)
        self.formats = [SourceFormat(each, positions.get(each.name)) for each in sources]
        """One per source."""
        self.going: dict[Key, GoingSession] = {}
        """The sessions in memory, the one with the oldest event first."""
        self._batches = 0
        known = store.counters()
        self._begun, self._began = known.get("sessions", 0), float(known.get("began", np.inf))
        """Sessions so far, and the time of the first event."""
        self.clock = -np.inf
        """The latest time of all events, in seconds since 1970."""
        gap = scorer.log_settings.gap_seconds
        self._gap = DAY if gap is None else gap

    def batch(self, of: SourceFormat, batches: Sequence[Batch]) -> Changes:
        """What the next lines of a source change. Commit it, then call the batches' `durable`."""
        events = [event for each in batches for event in self.reader.read(of, each.lines)]
        changes = self._changes(of, events)
        changes.positions = {of.source.name: of.position(batches[-1].position)}
        return changes

    def finish(self, of: SourceFormat) -> Changes:
        """What the incomplete records at the end of a source change."""
        return self._changes(of, self.reader.finish(of))

    def end_all(self) -> Changes:
        """End all sessions in memory: for logs that are complete."""
        news = News()
        self._end(list(self.going.values()), news)
        return Changes(forgotten=list(news.forgotten), findings=list(news.findings.values()))

    def _changes(self, of: SourceFormat, events: Sequence[LiveEvent]) -> Changes:
        news, begun, began = News(), self._begun, self._began
        for run in _runs(events):
            self._take(of, run, news)
        self._end_quiet(news)
        states = self._states({event.key for event in events} & self.going.keys())
        self._evict()
        return Changes(
            entities=states,
            forgotten=[key for key in news.forgotten if key not in states],
            findings=list(news.findings.values()),
            counters=self.reader.counted() | self._counted(begun, began),
        )

    @property
    def threshold(self) -> float:
        """Largest p-value of a finding."""
        per_day, days = self.limits.per_day, (self.clock - self._began) / DAY
        if per_day is None or self._begun < RATED or not days > RATED_DAYS:
            return self.limits.threshold
        return min(0.5, per_day * days / self._begun)

    def _counted(self, begun: int, began: float) -> dict[str, int]:
        """Sessions that began since, and the whole second of the first event, as it is added to the store's."""
        counted = {"sessions": self._begun - begun} if self._begun > begun else {}
        if np.isfinite(self._began) and self._began < began:
            counted["began"] = int(self._began) - (int(began) if np.isfinite(began) else 0)
        return counted

    # ---- sessions

    def _recalled(self, key: Key) -> OpenSession | None:
        """Bring a session back from the store, whose entity has a new event."""
        state = self.store.entities([key.text()]).get(key.text())
        if state is None:
            return None
        place = int(self.judge.begin(1)[0])
        session, numbers = GoingSession.unpacked(key, place, state.state)
        self.judge.unpacked(place, numbers)
        self.going[key] = session
        return OpenSession(-1, session.events, *(_seconds(time) for time in session.clock))

    def _take(self, of: SourceFormat, run: Sequence[LiveEvent], news: "News") -> None:
        self._end([self.going[event.key] for event in run if event.begins and event.key in self.going], news)
        of_session: dict[Key, list[LiveEvent]] = {}
        for event in run:
            of_session.setdefault(event.key, []).append(event)
        sessions = [self._session(of, key, events[0]) for key, events in of_session.items()]
        ordered = [event for events in of_session.values() for event in events]
        counts = np.array([len(events) for events in of_session.values()], np.int64)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        before = np.repeat([_seconds(session.last_time) for session in sessions], counts)
        columns = self._columns(ordered, offsets, before)
        places = np.array([session.place for session in sessions], np.int64)
        p, nats, reached = self.judge.add(places, offsets, columns)
        self._note(sessions, ordered, offsets, nats, columns[EVENT])
        for session, events in zip(sessions, of_session.values(), strict=True):
            self._go_on(session, events)
        for i in np.flatnonzero(reached & (p <= self.threshold)):
            self._report(sessions[i], float(p[i]), news)

    def _session(self, of: SourceFormat, key: Key, event: LiveEvent) -> GoingSession:
        session = self.going.pop(key, None)
        if session is None:
            self._begun += 1
            first = [of.source.name, event.file, event.line, event.record]
            session = GoingSession(key, int(self.judge.begin(1)[0]), first, event.time)
        self.going[key] = session  # now the last one
        return session

    def _go_on(self, session: GoingSession, events: Sequence[LiveEvent]) -> None:
        session.events += len(events)
        for event in events:
            session.origins.update(event.origins)
            if event.time is not None:
                session.last_time = event.time
                session.first_time = event.time if session.first_time is None else session.first_time
                self.clock, self._began = max(self.clock, event.time), min(self._began, event.time)

    def _columns(
        self,
        events: Sequence[LiveEvent],
        offsets: Int64[np.ndarray, "bounds"],
        before: Float64[np.ndarray, "events"],
    ) -> dict[str, Int64[np.ndarray, "events"]]:
        """The codes of the events per column; `before`: for each event, the last time of its session so far."""
        vocabulary, codes = self.scorer.vocabulary, self._codes
        for event in events:
            if event.code not in codes:
                name = self.names.name(event.code)
                codes[event.code] = (name, vocabulary.code(name))
        columns = {EVENT: np.array([codes[event.code][1] for event in events], np.int64)}
        if len(vocabulary.values) > 1:
            times = np.array([_seconds(event.time) for event in events])
            gaps = times - np.roll(times, 1)
            gaps[offsets[:-1]] = (times - before)[offsets[:-1]]
            for name in vocabulary.values:
                if name != EVENT:
                    words = [event.words.get(name, "") for event in events]
                    columns[name] = vocabulary.codes_of(name, times, gaps, words).astype(np.int64)
        return columns

    def _note(
        self,
        sessions: Sequence[GoingSession],
        events: Sequence[LiveEvent],
        offsets: Int64[np.ndarray, "bounds"],
        nats: Float64[np.ndarray, "events"],
        codes: Int64[np.ndarray, "events"],
    ) -> None:
        """Keep the lines that may count."""
        never = codes == UNKNOWN
        rank = np.where(never, nats + 100.0, nats)  # never-seen events first
        owners = np.searchsorted(offsets, np.arange(len(events)), side="right") - 1
        for i in np.flatnonzero(never | (nats >= NOTABLE)).tolist():
            session, event = sessions[owners[i]], events[i]
            position = session.events + i - int(offsets[owners[i]])
            line = FindingLine(
                event.file, event.line, event.time, event.text[:MOST_TEXT], self._codes[event.code][0], float(nats[i])
            )
            session.note(Notable(float(rank[i]), position, line))

    # ---- findings

    def _report(self, session: GoingSession, p: float, news: "News", closed: bool = False) -> None:
        """A new finding, or a changed one where there is something new to say."""
        known = session.finding
        if known and not closed and p > UPDATED * known.p_value:
            return
        finding = LiveFinding(
            id=finding_id(self.model, session.key.text(), session.first_event),
            model=self.model,
            entity=session.key.entity,
            source=session.source() or session.key.entity,
            p_value=p,
            first_time=session.first_time,
            last_time=session.last_time,
            events=session.events,
            status="closed" if closed else "open",
            lines=session.lines(),
            members=self.judge.member_p(session.place),
            revision=known.revision + 1 if known else 1,
        )
        session.finding = news.findings[finding.id] = finding

    def _end(self, sessions: Sequence[GoingSession], news: "News") -> None:
        if not sessions:
            return
        places = np.array([session.place for session in sessions], np.int64)
        p = self.judge.p_values_of_ended(places)
        for session, p_value in zip(sessions, p.tolist(), strict=True):
            if session.finding or p_value <= self.threshold:
                least = min(p_value, session.finding.p_value) if session.finding else p_value
                self._report(session, least, news, closed=True)
            news.forgotten.add(session.key.text())
            del self.going[session.key]
        self.judge.free(places)

    def _end_quiet(self, news: "News") -> None:
        """End the sessions that have paused for longer than the gap."""
        ended: list[GoingSession] = []
        for session in self.going.values():
            gap = DAY if session.key.kind == "session" else self._gap
            if session.last_time is None:
                continue
            if self.clock - session.last_time <= gap + self.limits.lateness:
                break
            ended.append(session)
        self._batches += 1
        if self._batches % SWEEP == 0:
            ended += self._quiet_in_store({session.key for session in ended})
        self._end(ended, news)
        for session in ended:
            self.reader.forget(session.key)

    def _quiet_in_store(self, known: set[Key]) -> list[GoingSession]:
        """Sessions that have paused for longer than the gap and are not in memory."""
        quiet = self.store.quiet_entities(self.clock - self._gap - self.limits.lateness, SWEPT)
        keys = [key for key in map(Key.of_text, quiet) if key not in known and key not in self.going]
        return [self.going[key] for key in keys if key.kind != "session" and self._recalled(key)]

    # ---- memory

    def _states(self, keys: Iterable[Key]) -> dict[str, EntityState]:
        sessions = [self.going[key] for key in keys]
        if not sessions:
            return {}
        for session in sessions:
            session.clock = [None if np.isnan(time) else time for time in self.reader.times(session.key)]
        numbers = self.judge.packed(np.array([session.place for session in sessions], np.int64))
        return {
            session.key.text(): EntityState(session.packed(of), session.last_time)
            for session, of in zip(sessions, numbers, strict=True)
        }

    def _evict(self) -> None:
        """Take the sessions with the oldest events from memory; the store has their states."""
        while len(self.going) > self.limits.most_sessions:
            key = next(iter(self.going))
            session = self.going.pop(key)
            self.judge.free(np.array([session.place], np.int64))
            self.reader.forget(key)


@dataclass
class News:
    """What a batch brings about."""

    findings: dict[str, LiveFinding] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)
    """Keys of sessions that have ended."""


def _runs(events: Sequence[LiveEvent]) -> list[list[LiveEvent]]:
    """The events in runs in which each entity has one session: a further one of an entity begins a new run."""
    runs: list[list[LiveEvent]] = [[]]
    seen: set[Key] = set()
    for event in events:
        if event.begins and event.key in seen:
            runs.append([])
            seen = set()
        seen.add(event.key)
        runs[-1].append(event)
    return [run for run in runs if run]


def _seconds(time: float | None) -> float:
    return np.nan if time is None else time
