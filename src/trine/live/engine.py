"""`Engine`: lines in, findings out. Everything between two commits is one batch.

Lines become events of sessions as in the training; the judge says how strange each session is so far; a session whose
p-value is at most the threshold is a finding, which is updated while the session goes on and closed when it ends. The
positions of the sources, the changed states and the findings of a batch are committed together.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

import numpy as np

from trine.annotations import Float64, Int64
from trine.detect.scorer import Scorer
from trine.live.finding import ExpectedEvents, FindingLine, LiveFinding, finding_id
from trine.live.judge import NOTABLE, Judge, Likeliest
from trine.live.open_session import MOST_TEXT, GoingSession, Key, Notable
from trine.live.reader import LiveEvent, LiveReader, SourceFormat
from trine.live.realised import bin_of
from trine.live.source import Batch, Source
from trine.live.store import BEGAN, FOUND, Changes, EntityState, Store
from trine.logs.events import EventNames
from trine.logs.sessions import OpenSession
from trine.sequences.vocabulary import EVENT, UNKNOWN

DAY: Final = 86_400.0
"""Longest pause of a session that no pause ends, in seconds: longer ones are taken from memory and store."""
SWEEP, SWEPT = 200, 1_000
"""Batches between two looks for sessions that ended while they were not in memory, and most that end at once."""
RATED, RATED_DAYS = 100, 0.04
"""Sessions, and days of the log, from which on the rate of sessions is known."""
Part = tuple[GoingSession, list[LiveEvent]]
"""A session and its next events."""
MOST_LINES, FEWEST_LINES = 60_000, 10_000
"""Lines that are judged together where so many have arrived: a session is written once for all of them. Of 10,000 busy
sessions, a third more lines per second are judged at 60,000 than at 20,000."""
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
        self._begun, self._began = known.get("sessions", 0), float(known.get(BEGAN, np.inf))
        """Sessions so far, and the time of the first event."""
        self.clocks: dict[str, float] = {}
        """How far each source has come in the time of its log, in seconds since 1970."""
        gap = scorer.log_settings.gap_seconds
        self._gap = DAY if gap is None else gap

    @property
    def lines_at_once(self) -> int:
        """Lines to take next: not many more than there is room for sessions, as each line may begin one."""
        return min(MOST_LINES, max(FEWEST_LINES, self.limits.most_sessions - len(self.going)))

    def batch(self, of: SourceFormat, batches: Sequence[Batch]) -> Changes:
        """What the next lines of a source change. Commit it, then call the batches' `durable`."""
        times = {line: time for each in batches for line, time in each.times.items()}
        events = self.reader.read(of, [line for each in batches for line in each.lines], times)
        changes = self._changes(of, events)
        changes.positions = {of.source.name: of.position(batches[-1].position)}
        return changes

    def finish(self, of: SourceFormat) -> Changes:
        """What the incomplete records at the end of a source change."""
        return self._changes(of, self.reader.finish(of))

    def end_some(self) -> Changes | None:
        """End some sessions, in memory or in the store: for logs that are complete. None once there are none.

        Commit it before the next call.
        """
        if not self.going:
            self._recalled([Key.of_text(text) for text in self.store.some_entities(SWEPT)])
        sessions, news = list(islice(self.going.values(), SWEPT)), News()
        self._end(sessions, news)
        for session in sessions:
            self.reader.forget(session.key)
        return self._told(news) if sessions else None

    def _changes(self, of: SourceFormat, events: Sequence[LiveEvent]) -> Changes:
        news, begun, began = News(), self._begun, self._began
        self._take(of, events, news)
        self._go_by(of, events)
        self._end_quiet(of, news)
        states = self._states({event.key for event in events} & self.going.keys())
        self._evict()
        changes = self._told(news)
        changes.entities = states
        changes.forgotten = [key for key in news.forgotten if key not in states]
        changes.counters |= self.reader.counted() | self._counted(begun, began)
        return changes

    def _told(self, news: "News") -> Changes:
        """Sessions that ended, and findings."""
        return Changes(
            forgotten=list(news.forgotten),
            findings=list(news.findings.values()),
            counters={FOUND: news.found} if news.found else {},
            p_values=dict(Counter(map(bin_of, news.p_values))),
            target=None if self.limits.per_day is None else self.threshold,
        )

    @property
    def threshold(self) -> float:
        """Largest p-value of a finding."""
        per_day, days = self.limits.per_day, (max(self.clocks.values(), default=-np.inf) - self._began) / DAY
        if per_day is None or self._begun < RATED or not days > RATED_DAYS:
            return self.limits.threshold
        return min(0.5, per_day * days / self._begun)

    def _counted(self, begun: int, began: float) -> dict[str, int]:
        """Sessions that began since, and the whole second of the first event, as it is added to the store's."""
        counted = {"sessions": self._begun - begun} if self._begun > begun else {}
        if np.isfinite(self._began) and self._began < began:
            counted[BEGAN] = int(self._began) - (int(began) if np.isfinite(began) else 0)
        return counted

    # ---- sessions

    def _recalled(self, keys: Sequence[Key]) -> dict[Key, OpenSession]:
        """Bring sessions back from the store, whose entities have new events."""
        texts = {key.text(): key for key in keys}
        states, recalled = self.store.entities(list(texts)), dict[Key, OpenSession]()
        for place, (text, state) in zip(self.judge.begin(len(states)).tolist(), states.items(), strict=True):
            key = texts[text]
            session, numbers = GoingSession.unpacked(key, place, state.state)
            self.judge.unpacked(place, numbers)
            self.going[key] = session
            recalled[key] = OpenSession(-1, session.events, *(_seconds(time) for time in session.clock))
        return recalled

    def _take(self, of: SourceFormat, events: Sequence[LiveEvent], news: "News") -> None:
        if not events:
            return
        parts, over = self._sessions(of, events)
        sessions, ordered = [session for session, _ in parts], [event for _, part in parts for event in part]
        counts = np.array([len(part) for _, part in parts], np.int64)
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        before = np.repeat([_seconds(session.last_time) for session in sessions], counts)
        columns = self._columns(ordered, offsets, before)
        places = np.array([session.place for session in sessions], np.int64)
        p, nats, reached = self.judge.add(places, offsets, columns)
        self._note(sessions, ordered, offsets, nats, columns[EVENT])
        for session, part in parts:
            self._go_on(session, part)
        self._report({sessions[i]: float(p[i]) for i in np.flatnonzero(reached & (p <= self.threshold))}, news)
        self._end(over, news)

    def _sessions(self, of: SourceFormat, events: Sequence[LiveEvent]) -> tuple[list[Part], list[GoingSession]]:
        """The sessions of these events, each with its events, and those of all sessions that others follow on."""
        parts: dict[Key, Part] = {}
        done: list[Part] = []
        over: list[GoingSession] = []
        fresh: list[GoingSession] = []
        for event in events:
            key = event.key
            session = self.going.pop(key, None)
            if event.begins and session is not None:
                over.append(session)
                if key in parts:
                    done.append(parts.pop(key))
                session = None
            if session is None:
                first = [of.source.name, event.file, event.line, event.record]
                session = GoingSession(key, -1, first, event.time)
                fresh.append(session)
            self.going[key] = session  # now the last one
            if key in parts:
                parts[key][1].append(event)
            else:
                parts[key] = (session, [event])
        for session, place in zip(fresh, self.judge.begin(len(fresh)).tolist(), strict=True):
            session.place = place
        self._begun += len(fresh)
        return done + list(parts.values()), over

    def _go_on(self, session: GoingSession, events: Sequence[LiveEvent]) -> None:
        session.events += len(events)
        for event in events:
            session.origins.update(event.origins)
            if event.time is not None:
                session.last_time = event.time
                session.first_time = event.time if session.first_time is None else session.first_time
                self._began = min(self._began, event.time)

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
            if session.keeps(float(rank[i])):
                name, text = self._codes[event.code][0], event.text[:MOST_TEXT]
                expected = self._named(self.judge.expected(i))
                contexts = [] if expected else self.judge.contexts_before(i)
                line = FindingLine(event.file, event.line, event.time, text, name, float(nats[i]), expected)
                position = session.events + i - int(offsets[owners[i]])
                session.note(Notable(float(rank[i]), position, line.as_text(), contexts))

    def _named(self, likeliest: Likeliest) -> ExpectedEvents:
        """Expected events by their names."""
        pairs = zip(*(of.tolist() for of in likeliest), strict=True)
        return tuple((self.scorer.vocabulary.name(code), round(p, 4)) for code, p in pairs)

    # ---- findings

    def _report(self, p_values: dict[GoingSession, float], news: "News", closed: bool = False) -> None:
        """New findings, and changed ones where there is something new to say."""
        told = [
            session
            for session, p in p_values.items()
            if closed or session.finding is None or p <= UPDATED * session.finding.p_value
        ]
        if not told:
            return
        places = np.array([session.place for session in told], np.int64)
        for session, members in zip(told, self.judge.member_p(places), strict=True):
            known = session.finding
            finding = LiveFinding(
                id=finding_id(self.model, session.name, session.first_event),
                model=self.model,
                entity=session.key.entity,
                source=session.source() or session.key.entity,
                p_value=p_values[session],
                first_time=session.first_time,
                last_time=session.last_time,
                events=session.events,
                status="closed" if closed else "open",
                lines=session.lines(lambda contexts: self._named(self.judge.expected_in(contexts))),
                members=members,
                revision=known.revision + 1 if known else 1,
            )
            session.finding = news.findings[finding.id] = finding

    def _end(self, sessions: Sequence[GoingSession], news: "News") -> None:
        if not sessions:
            return
        places = np.array([session.place for session in sessions], np.int64)
        ended = self.judge.p_values_of_ended(places).tolist()
        least = {
            session: min(p, session.finding.p_value) if session.finding else p
            for session, p in zip(sessions, ended, strict=True)
        }
        news.p_values += ended
        strange = {session: p for session, p in least.items() if session.finding or p <= self.threshold}
        self._report(strange, news, closed=True)
        news.found += len(strange)
        for session in sessions:
            news.forgotten.add(session.name)
            if self.going.get(session.key) is session:
                del self.going[session.key]
        self.judge.free(places)

    def _go_by(self, of: SourceFormat, events: Sequence[LiveEvent]) -> None:
        """Set the clock of a source: to the latest time of that of its files which has come least far.

        It goes back when the clock of the log was set back, and sources that are behind others have their own.
        """
        latest: dict[str, float] = {}
        for event in events:
            if event.time is not None:
                latest[event.file] = max(event.time, latest.get(event.file, event.time))
        if latest:
            self.clocks[of.source.name] = min(latest.values())

    def _end_quiet(self, of: SourceFormat, news: "News") -> None:
        """End the sessions of a source that have paused for longer than the gap."""
        ended: list[GoingSession] = []
        clock = self.clocks.get(of.source.name, -np.inf) - self.limits.lateness
        for session in self.going.values():
            if session.last_time is None or session.first_source != of.source.name:
                continue
            if clock - session.last_time <= (DAY if session.key.kind == "session" else self._gap):
                break
            ended.append(session)
        self._batches += 1
        if self._batches % SWEEP == 0:
            ended += self._quiet_in_store(of, clock - self._gap, {session.key for session in ended})
        self._end(ended, news)
        for session in ended:
            self.reader.forget(session.key)

    def _quiet_in_store(self, of: SourceFormat, before: float, known: set[Key]) -> list[GoingSession]:
        """Sessions of a source without an event since a time, which are not in memory."""
        keys = map(Key.of_text, self.store.quiet_entities(before, SWEPT))
        kept = [key for key in keys if key not in known and key not in self.going and key.kind != "session"]
        recalled = [self.going[key] for key in self._recalled(kept)]
        return [session for session in recalled if session.first_source == of.source.name]

    # ---- memory

    def _states(self, keys: Iterable[Key]) -> dict[str, EntityState]:
        sessions = [self.going[key] for key in keys]
        if not sessions:
            return {}
        for session in sessions:
            session.clock = [None if np.isnan(time) else time for time in self.reader.times(session.key)]
        numbers = self.judge.packed(np.array([session.place for session in sessions], np.int64))
        return {
            session.name: EntityState(session.packed(of), session.last_time)
            for session, of in zip(sessions, numbers, strict=True)
        }

    def _evict(self) -> None:
        """Take the sessions with the oldest events from memory; the store has their states."""
        places: list[int] = []
        while len(self.going) > self.limits.most_sessions:
            key = next(iter(self.going))
            places.append(self.going.pop(key).place)
            self.reader.forget(key)
        if places:
            self.judge.free(np.array(places, np.int64))


@dataclass
class News:
    """What a batch brings about."""

    findings: dict[str, LiveFinding] = field(default_factory=dict)
    forgotten: set[str] = field(default_factory=set)
    """Keys of sessions that have ended."""
    p_values: list[float] = field(default_factory=list)
    """p-value of each of them."""
    found: int = 0
    """Number of them with a finding."""


def _seconds(time: float | None) -> float:
    return np.nan if time is None else time
