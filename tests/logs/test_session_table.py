import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typing_extensions import override

from trine.datasets.lines import Skips
from trine.log_formats.log_event import Entity, Format, FormatSettings, Line, LogEvent
from trine.logs.events import EventNames
from trine.logs.session_table import SessionCollector
from trine.logs.sessions import Cut, Sessions
from trine.sequences.table import SequenceTable, source_and_line

START = 1_700_000_000


class Listed(Format):
    """A format whose lines are indices into a list of events."""

    name = "listed"
    default_entity: Entity | None = None

    def __init__(self, events: list[LogEvent], entity: str | None) -> None:
        super().__init__(FormatSettings(entity=entity))
        self.events = events

    @override
    def parse(self, text: str) -> LogEvent | None:
        return self.events[int(text)]


names = st.sampled_from(["open", "read", "close"])
log_events = st.builds(
    LogEvent,
    event=names,
    mined=st.just(False),
    time=st.none() | st.integers(0, 12).map(lambda second: float(START + second)),
    entities=st.dictionaries(st.sampled_from(["user", "session"]), st.sampled_from(["a", "b"]), max_size=2),
    attributes=st.dictionaries(st.sampled_from(["level", "status"]), st.sampled_from(["x", "y"])),
)


def collected(
    events: list[LogEvent], entity: str | None = None, gap: float | None = None, **kept: object
) -> SequenceTable:
    event_names = EventNames()
    sessions = Sessions(Listed(events, entity), Skips("a.log"), cut=Cut(gap), names=event_names)
    collector = SessionCollector(event_names, **kept)
    for number in range(len(events)):
        collector.add_all(sessions.read(Line(0, number + 1, str(number))))
    event_names.settle()
    return collector.table("a.log", sources=("a.log",))


@given(events=st.lists(log_events, min_size=1, max_size=30), entity=st.sampled_from([None, "user", "session"]))
def test_a_table_holds_every_event_once_with_its_line(events: list[LogEvent], entity: str | None) -> None:
    table = collected(events, entity)
    assert table.positions is not None
    lines = [source_and_line(int(position))[1] for position in table.positions]
    assert sorted(lines) == list(range(1, len(events) + 1))
    assert [table.vocabulary[code] for code in table.events] == [events[line - 1].event for line in lines]
    for name, column in table.attributes.items():
        assert [column.values[code] for code in column.codes] == [
            events[line - 1].attributes.get(name, "") for line in lines
        ]


@given(events=st.lists(log_events, min_size=1, max_size=30))
def test_the_events_of_a_session_keep_their_order_and_name_one_owner(events: list[LogEvent]) -> None:
    table = collected(events, "user")
    assert table.positions is not None
    assert table.owners is not None
    for i in range(len(table)):
        positions = table.positions[table.offsets[i] : table.offsets[i + 1]]
        assert (np.diff(positions) > 0).all()
        owners = {events[source_and_line(int(p))[1] - 1].entities.get("user", "") for p in positions}
        assert owners == {table.owners[i]}


@pytest.mark.parametrize(
    ("entities", "expected"),
    [(["a", "b", "a", "a"], ["a", "b", "a#2", "a#3"]), (["", "", ""], ["1", "2", "3"])],
)
def test_the_sessions_of_an_entity_are_numbered_from_the_second_on(entities: list[str], expected: list[str]) -> None:
    events = [LogEvent("e", time=START + 100.0 * i, entities={"user": entity}) for i, entity in enumerate(entities)]
    assert collected(events, "user", 1.0).names.tolist() == expected


def test_an_event_is_the_final_template_of_its_text() -> None:
    events = [LogEvent(f"user {name} logs in", mined=True) for name in ("ann", "bob", "cyd", "dan", "eve")]
    assert collected(events).vocabulary == ("user <*> logs in",)


def test_events_are_coded_in_the_order_of_the_sessions_and_not_of_the_lines() -> None:
    events = [LogEvent(name, entities={"user": user}) for name, user in (("x", "a"), ("y", "b"), ("z", "a"))]
    table = collected(events, "user")
    assert table.vocabulary == ("x", "z", "y")
    assert table.events.tolist() == [0, 1, 2]


def test_a_column_that_comes_late_is_unknown_before() -> None:
    events = [LogEvent("x"), LogEvent("y", attributes={"level": "low"})]
    level = collected(events).attributes["level"]
    assert [level.values[code] for code in level.codes] == ["", "low"]


def test_only_the_attributes_that_are_asked_for_are_kept() -> None:
    events = [LogEvent("x", attributes={"level": "low", "status": "200"})]
    assert set(collected(events, attributes=("status",)).attributes) == {"status"}
    assert not collected(events, attributes=()).attributes


def test_a_session_knows_the_first_entity_of_each_kind() -> None:
    events = [
        LogEvent("x", entities={"user": "ann"}),
        LogEvent("x", entities={"user": "ann", "address": "192.0.2.1"}),
        LogEvent("x", entities={"user": "ann", "address": "192.0.2.2"}),
        LogEvent("x", entities={"user": "bob"}),
    ]
    table = collected(events, "user")
    assert table.entities["user"].tolist() == ["ann", "bob"]
    assert table.entities["address"].tolist() == ["192.0.2.1", ""]
