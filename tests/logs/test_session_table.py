"""The incremental sessions against the whole-file algorithm that they replaced, which is kept here as the oracle."""

import re
from array import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trine.datasets.lines import Skips
from trine.logs.log_event import LogEvent
from trine.logs.session_table import SessionCollector
from trine.logs.sessions import Sessions
from trine.sequences.table import Attribute, Codes, SequenceTable, fingerprint
from trine.logs.templates import TemplateMiner


class Oracle:
    """Keeps the columns of the whole log, groups them by entity and cuts the groups at gaps."""

    def __init__(self, entity: str | None, miner: TemplateMiner, learn: bool) -> None:
        self.entity = entity
        self._miner = miner
        self._template_of = miner.add if learn else miner.match
        self._names = Codes()
        self.events = array("q")
        self._who = Codes()
        self._times = array("d")
        self._attributes: dict[str, Codes] = {}

    def add(self, event: LogEvent) -> None:
        who = event.entities.get(self.entity) if self.entity else ""
        if who is None:
            return
        for name in event.attributes:
            if name not in self._attributes:
                self._attributes[name] = Codes([""] * len(self.events))
        for name, codes in self._attributes.items():
            codes.add([event.attributes.get(name, "")])
        if event.mined:
            self.events.append(self._template_of(event.event))
        else:
            self.events.append(-1 - self._names.code_of[event.event])
        self._who.add([who])
        self._times.append(np.nan if event.time is None else event.time)

    def table(self, name: str, gap: float | None, skips: Skips) -> SequenceTable:
        who = self._who.array()
        order = np.argsort(who, kind="stable")
        times = np.frombuffer(self._times, np.float64)[order]
        begins = np.diff(who[order], prepend=-1) != 0
        times = forward(times, begins, skips)
        if gap is not None:
            begins |= np.diff(times, prepend=np.nan) > gap
        starts = np.flatnonzero(begins)
        by_first_line = np.argsort(order[starts], kind="stable")
        lengths = np.diff(starts, append=len(order))[by_first_line]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        flat = np.repeat(starts[by_first_line] - offsets[:-1], lengths) + np.arange(len(order))
        lines = order[flat]
        codes, vocabulary = self._vocabulary(lines)
        count = len(starts)
        entities = np.array(list(self._who.code_of), object)[who[lines[offsets[:-1]]]]
        table = SequenceTable(
            name=name,
            fingerprint="",
            events=codes,
            offsets=offsets,
            vocabulary=vocabulary,
            names=numbered(entities),
            kinds=np.full(count, "", object),
            labels=np.full(count, -1, np.int8),
            splits=np.full(count, "", object),
            times=None if np.isnan(times).all() else times[flat],
            attributes={
                column: Attribute(values.array()[lines], tuple(values.code_of))
                for column, values in self._attributes.items()
            },
            skipped=skips.messages(),
        )
        return fingerprint(table)

    def _vocabulary(self, lines: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
        names = list(self._names.code_of)
        texts = {template.id: template.text for template in self._miner.templates()}
        raw, inverse = np.unique(np.frombuffer(self.events, np.int64)[lines], return_inverse=True)
        tokens = Codes()
        first = np.full(len(raw), len(lines))
        np.minimum.at(first, inverse, np.arange(len(lines)))
        code_of = np.empty(len(raw), np.int32)
        for i in np.argsort(first, kind="stable"):
            event = int(raw[i])
            token = names[-1 - event] if event < 0 else texts.get(self._miner.resolve(event), "<*>")
            code_of[i] = tokens.code_of[token]
        return code_of[inverse], tuple(tokens.code_of)


def forward(times: np.ndarray, begins: np.ndarray, skips: Skips) -> np.ndarray:
    """Times held at the latest known time of the same entity; unknown times stay unknown.

    The one difference from that algorithm: a time is always compared with the last known time, even if unknown
    times lie between the two.
    """
    if not len(times):
        return times
    parts = np.split(times, np.flatnonzero(begins)[1:])
    for part in parts:
        for step in np.diff(part[~np.isnan(part)]):
            if step < 0:
                skips.add("times run backwards, held at the latest so far", f"by {-step:g} s")
    held = np.concatenate([np.fmax.accumulate(part) for part in parts])
    return np.where(np.isnan(times), np.nan, held)


def numbered(names: np.ndarray) -> np.ndarray:
    seen: dict[str, int] = {}
    result = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        result.append(name or f"{seen[name]}" if seen[name] == 1 or not name else f"{name}#{seen[name]}")
    return np.array(result, object)


class Listed:
    """A format whose lines are indices into a list of events."""

    name = "listed"
    entity = None

    def __init__(self, events: list[LogEvent]) -> None:
        self.events = events

    def parse(self, line: str) -> LogEvent | None:
        return self.events[int(line)]


names = st.sampled_from(["open", "read", "user <*> logs in"])
texts = st.builds("user {} logs in".format, st.sampled_from(["ann", "bob", "cyd", "dan", "eve", "fay"]))
times = st.none() | st.integers(0, 12).map(float)
entities = st.sampled_from(["a", "b", "a#2", ""])
log_events = st.builds(
    LogEvent,
    time=times,
    entities=st.dictionaries(st.sampled_from(["user", "session"]), entities, max_size=2),
    attributes=st.dictionaries(st.sampled_from(["level", "status"]), st.sampled_from(["x", "y"])),
    event=names,
) | st.builds(
    LogEvent,
    event=texts,
    mined=st.just(True),
    time=times,
    entities=st.dictionaries(st.just("user"), entities),
)


def incremental(
    events: list[LogEvent], entity: str | None, gap: float | None, miner: TemplateMiner, learn: bool
) -> SequenceTable:
    skips = Skips("a.log")
    sessions = Sessions(Listed(events), skips, entity=entity, gap_seconds=gap, miner=miner, learn=learn)
    collector = SessionCollector(miner)
    for number in range(len(events)):
        if (event := sessions.read(number + 1, str(number))) is not None:
            collector.add(event)
    return collector.table("a.log", skips)


def steps_back(table: SequenceTable) -> int:
    counts = re.findall(r"held at the latest so far \((\d+):", "\n".join(table.skipped))
    return sum(map(int, counts))


@settings(max_examples=200)
@given(
    events=st.lists(log_events, max_size=30),
    entity=st.sampled_from([None, "user", "session"]),
    gap=st.none() | st.integers(1, 5).map(float),
    taught=st.lists(texts, max_size=8),
    learn=st.booleans(),
)
def test_sessions_line_by_line_are_those_of_the_whole_log(events, entity, gap, taught, learn):
    first, second = TemplateMiner(), TemplateMiner()
    for text in taught:
        first.add(text)
        second.add(text)
    oracle, skips = Oracle(entity, first, learn), Skips("a.log")
    for event in events:
        oracle.add(event)
    expected = oracle.table("a.log", None if entity == "session" else gap, skips)
    table = incremental(events, entity, gap, second, learn)
    for column in ("events", "offsets", "labels", "names", "kinds", "splits"):
        assert getattr(table, column).tolist() == getattr(expected, column).tolist(), column
        assert getattr(table, column).dtype == getattr(expected, column).dtype, column
    assert table.vocabulary == expected.vocabulary
    assert (table.times is None) == (expected.times is None)
    assert table.times is None or np.array_equal(table.times, expected.times, equal_nan=True)
    assert {name: (a.codes.tolist(), a.values) for name, a in table.attributes.items()} == {
        name: (a.codes.tolist(), a.values) for name, a in expected.attributes.items()
    }
    assert table.fingerprint == expected.fingerprint
    assert steps_back(table) == steps_back(expected)


@pytest.mark.parametrize(
    ("entities", "expected"),
    [(["a", "b", "a", "a"], ["a", "b", "a#2", "a#3"]), (["", "", ""], ["1", "2", "3"])],
)
def test_the_sessions_of_an_entity_are_numbered_from_the_second_on(entities, expected):
    events = [LogEvent("e", time=100.0 * i, entities={"user": entity}) for i, entity in enumerate(entities)]
    assert incremental(events, "user", 1.0, TemplateMiner(), True).names.tolist() == expected


def test_an_event_is_the_final_template_of_its_text():
    events = [LogEvent(f"user {name} logs in", mined=True) for name in ("ann", "bob", "cyd", "dan", "eve")]
    assert incremental(events, None, None, TemplateMiner(), True).vocabulary == ("user <*> logs in",)


def test_events_are_coded_in_the_order_of_the_sessions_and_not_of_the_lines():
    events = [LogEvent(name, entities={"user": user}) for name, user in (("x", "a"), ("y", "b"), ("z", "a"))]
    table = incremental(events, "user", None, TemplateMiner(), True)
    assert table.vocabulary == ("x", "z", "y")
    assert table.events.tolist() == [0, 1, 2]


def test_a_column_that_comes_late_is_unknown_before():
    events = [LogEvent("x"), LogEvent("y", attributes={"level": "low"})]
    level = incremental(events, None, None, TemplateMiner(), True).attributes["level"]
    assert [level.values[code] for code in level.codes] == ["", "low"]
