import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.datasets.lines import Skips
from trine.errors import UsageError
from trine.logs.formats import Pattern
from trine.logs.sessions import SessionEvent, Sessions
from trine.logs.templates import OTHER, TemplateMiner
from trine.logs.text_formats import Syslog

PATTERN = r"(?P<time>\d*) (?P<user>\w*) (?P<event>\w+)(?: (?P<level>\w+))?"
lines_of_users = st.lists(
    st.tuples(st.integers(0, 5), st.none() | st.integers(0, 60)).map(
        lambda pair: f"{'' if pair[1] is None else 1_000 + pair[1]} u{pair[0]} event"
    ),
    max_size=40,
)


def make(pattern: str = PATTERN, **settings: object) -> Sessions:
    return Sessions(Pattern(pattern), Skips("a.log"), **settings)


def read(sessions: Sessions, lines: list[str]) -> list[SessionEvent]:
    events = [sessions.read(number, line) for number, line in enumerate(lines, 1)]
    return [event for event in events if event is not None]


def test_a_line_becomes_an_event_of_a_session() -> None:
    sessions = make()
    assert sessions.read(7, "1000 ann login warn") == SessionEvent(
        7, 0, True, "ann", "login", 1000.0, {"level": "warn"}
    )
    assert sessions.read(9, "1001 ann logout") == SessionEvent(9, 0, False, "ann", "logout", 1001.0, {})


def test_a_session_is_an_entity_until_a_gap() -> None:
    lines = ["1000 ann a", "1010 bob b", "1020 ann c", "1621 ann d", "1611 bob e"]
    events = read(make(gap_seconds=600), lines)
    assert [event.session for event in events] == [0, 1, 0, 2, 3]
    assert [event.begins for event in events] == [True, True, False, True, True]
    assert [event.session for event in read(make(gap_seconds=601), lines)] == [0, 1, 0, 0, 1]
    assert {event.session for event in read(make(gap_seconds=None), lines)} == {0, 1}


def test_a_pause_next_to_an_unknown_time_is_no_gap() -> None:
    events = read(make(gap_seconds=5), ["1000 ann a", " ann b", "2000 ann c", "3000 ann d"])
    assert [event.session for event in events] == [0, 0, 0, 1]
    assert math.isnan(events[1].time)


def test_a_session_named_by_an_id_is_never_divided() -> None:
    sessions = make(r"(?P<time>\d+) (?P<session>\w+) (?P<event>\w+)")
    assert [event.session for event in read(sessions, ["1000 s1 a", "99000 s1 b"])] == [0, 0]


def test_the_entity_is_that_of_the_format_unless_it_is_named() -> None:
    line = "Dec 31 23:59:59 web1 sshd[7]: Failed password for root from 10.0.0.9 port 22 ssh2"
    names = {None: "sshd[7]", "host": "web1", "user": "root", "address": "10.0.0.9"}
    for entity, name in names.items():
        event = Sessions(Syslog(), Skips("a.log"), entity=entity).read(1, line)
        assert event is not None
        assert event.entity == name
    with pytest.raises(UsageError, match="entity 'planet': choose one of host, user"):
        make(entity="planet")


def test_a_log_without_entities_is_one_session() -> None:
    events = read(make(r"(?P<event>\w+)"), ["a", "b"])
    assert [(event.entity, event.session, event.begins) for event in events] == [("", 0, True), ("", 0, False)]


def test_times_are_held_at_the_latest_of_the_entity_and_steps_back_are_counted() -> None:
    sessions = make()
    events = read(sessions, ["1005 ann a", "1001 bob b", "1003 ann c", "1004 ann d", "1006 ann e"])
    assert [event.time for event in events] == [1005, 1001, 1005, 1005, 1006]
    assert sessions.skips.messages() == ("a.log: times run backwards, held at the latest so far (1: line 3 by 2 s)",)


def test_a_step_back_across_an_unknown_time_is_held_and_counted() -> None:
    sessions = make()
    events = read(sessions, ["1005 ann a", " ann b", "1003 ann c"])
    assert [event.time for event in events if not math.isnan(event.time)] == [1005, 1005]
    assert sessions.skips.messages() == ("a.log: times run backwards, held at the latest so far (1: line 3 by 2 s)",)


def test_lines_that_are_no_event_of_a_session_are_counted() -> None:
    sessions = make(r"(?P<event>\w+) of(?: (?P<user>\w+))?")
    (event,) = read(sessions, ["", "nothing like it", "login of ann", "login of"])
    assert (event.line, event.entity, event.event) == (3, "ann", "login")
    assert sessions.skips.messages() == (
        "a.log: not of the format pattern, left out (1: line 2)",
        "a.log: no user, in no session (1: line 4)",
    )


def test_free_text_is_the_id_of_its_template() -> None:
    miner = TemplateMiner()
    pattern = r"(?P<message>.+)"
    users = ("ann", "bob", "cyd", "dan", "eve")
    events = read(make(pattern, miner=miner), [f"Invalid login {user} here" for user in users])
    ids = [event.event for event in events if isinstance(event.event, int)]
    assert len(ids) == len(users)
    assert {miner.resolve(template) for template in ids} == {min(ids)}
    known, new = read(make(pattern, miner=miner, learn=False), ["Invalid login fay here", "something else"])
    assert (known.event, new.event, len(miner)) == (min(ids), OTHER, 1)


def test_a_miner_that_knows_nothing_yet_is_the_one_that_learns() -> None:
    miner = TemplateMiner()
    read(make(r"(?P<message>.+)", miner=miner), ["something happens"])
    assert len(miner) == 1


# --- the bound on entities


def test_the_entity_idle_longest_is_closed_first_and_begins_a_new_session() -> None:
    lines = ["1000 ann a", "1001 bob b", "1002 ann c", "1003 cyd d", "1004 ann e", "1005 bob f"]
    events = read(make(max_entities=2), lines)
    assert [(event.entity, event.session) for event in events] == [
        ("ann", 0),
        ("bob", 1),
        ("ann", 0),
        ("cyd", 2),
        ("ann", 0),
        ("bob", 3),
    ]


def test_a_closed_entity_forgets_its_latest_time() -> None:
    sessions = make(max_entities=1)
    assert [event.time for event in read(sessions, ["1005 ann a", "1006 bob b", "1003 ann c"])] == [1005, 1006, 1003]
    assert not sessions.skips.messages()


@given(lines=lines_of_users, gap=st.integers(1, 20))
def test_a_bound_that_is_never_reached_changes_nothing(lines: list[str], gap: int) -> None:
    free, bounded = make(gap_seconds=gap), make(gap_seconds=gap, max_entities=6)
    assert repr(read(free, lines)) == repr(read(bounded, lines))


@given(lines=lines_of_users, gap=st.integers(1, 20), bound=st.none() | st.integers(1, 3))
def test_sessions_are_numbered_as_they_begin_and_hold_one_entity_without_gaps(
    lines: list[str], gap: int, bound: int | None
) -> None:
    events = read(make(gap_seconds=gap, max_entities=bound), lines)
    assert [event.line for event in events] == list(range(1, len(lines) + 1))
    beginnings = [event.session for event in events if event.begins]
    assert beginnings == list(range(len(beginnings)))
    for number in beginnings:
        session = [event for event in events if event.session == number]
        assert len({event.entity for event in session}) == 1
        assert [event.begins for event in session] == [True] + [False] * (len(session) - 1)
        times = np.array([event.time for event in session])
        assert not (np.diff(times) > gap).any()
        assert (np.diff(times[~np.isnan(times)]) >= 0).all()


def test_memory_does_not_grow_with_the_number_of_lines() -> None:
    sessions = make(max_entities=10)

    def grown(first: int, last: int) -> int:
        before = tracemalloc.get_traced_memory()[0]
        for number in range(first, last):
            sessions.read(number, f"{1_000 + number} user{number} event")
        return tracemalloc.get_traced_memory()[0] - before

    tracemalloc.start()
    try:
        grown(0, 500)
        assert grown(500, 2_500) < 5_000
    finally:
        tracemalloc.stop()
