import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.datasets.lines import Skips
from trine.log_formats.log_event import FormatSettings, Line
from trine.log_formats.syslog_formats import Syslog
from trine.log_formats.text_formats import Pattern
from trine.log_formats.web_formats import Access
from trine.logs.events import EventNames
from trine.logs.sessions import UNPARSED, Cut, OpenSession, SessionEvent, Sessions

PATTERN = r"(?P<time>\d*) (?P<user>\w*) (?P<event>\w+)(?: (?P<level>\w+))?"
DAY = 86_400
lines_of_users = st.lists(
    st.tuples(st.integers(0, 5), st.none() | st.integers(0, 60)).map(
        lambda pair: f"{'' if pair[1] is None else 1_700_000_000 + pair[1]} u{pair[0]} event"
    ),
    max_size=40,
)


def make(pattern: str = PATTERN, entity: str | None = None, **settings: object) -> Sessions:
    return Sessions(Pattern(pattern, FormatSettings(entity=entity)), Skips("a.log"), **settings)


def cut(gap: float | None = 1800, seconds: float | None = None, events: int | None = None) -> Cut:
    return Cut(gap, seconds, events)


def read(sessions: Sessions, lines: list[str]) -> list[SessionEvent]:
    events = [event for number, line in enumerate(lines, 1) for event in sessions.read(Line(0, number, line))]
    return [*events, *sessions.finish()]


def at(second: float, rest: str) -> str:
    return f"{1_700_000_000 + second} {rest}"


def named(sessions: Sessions, events: list[SessionEvent]) -> list[str]:
    return [sessions.names.name(event.event) for event in events]


def seconds(events: list[SessionEvent]) -> list[float]:
    return [event.time - 1_700_000_000 for event in events]


def test_a_time_that_is_given_is_used_where_a_line_says_none() -> None:
    sessions = make(cut=cut(60))
    sessions.times = {(0, line): 1_700_000_000.0 + second for line, second in ((1, 0), (2, 1_000), (3, 5), (4, 200))}
    events = read(sessions, [" ann in", " ann in", at(1_010, "ann in"), " ann in"])
    assert seconds(events) == [0, 1_000, 1_010, 200]  # the time in the line goes before the one that is given
    assert [event.session for event in events] == [0, 1, 1, 2]
    assert sessions.reading.without_time == 0
    assert math.isnan(sessions.read(Line(0, 5, " ann in"))[0].time)


def test_a_line_becomes_an_event_of_a_session() -> None:
    sessions = make()
    (event,) = sessions.read(Line(3, 7, at(0, "ann login warn")))
    assert (event.source, event.line, event.session, event.begins, event.entity) == (3, 7, 0, True, "ann")
    assert (sessions.names.name(event.event), event.time) == ("login", 1_700_000_000)
    assert dict(event.attributes) == {"level": "warn"}
    (event,) = sessions.read(Line(3, 9, at(1, "ann logout")))
    assert (event.line, event.session, event.begins) == (9, 0, False)


def test_a_session_is_an_entity_until_a_gap() -> None:
    lines = [at(0, "ann a"), at(10, "bob b"), at(20, "ann c"), at(621, "ann d"), at(611, "bob e")]
    events = read(make(cut=cut(600)), lines)
    assert [event.session for event in events] == [0, 1, 0, 2, 3]
    assert [event.begins for event in events] == [True, True, False, True, True]
    assert [event.session for event in read(make(cut=cut(601)), lines)] == [0, 1, 0, 0, 1]
    assert {event.session for event in read(make(cut=cut(None)), lines)} == {0, 1}


def test_a_pause_next_to_an_unknown_time_is_no_gap() -> None:
    events = read(make(cut=cut(5)), [at(0, "ann a"), " ann b", at(1000, "ann c"), at(2000, "ann d")])
    assert [event.session for event in events] == [0, 0, 0, 1]
    assert math.isnan(events[1].time)


def test_a_session_named_by_an_id_is_never_divided_by_a_pause() -> None:
    sessions = make(r"(?P<time>\d+) (?P<session>\w+) (?P<event>\w+)")
    assert [event.session for event in read(sessions, [at(0, "s1 a"), at(DAY, "s1 b")])] == [0, 0]


def test_a_window_of_time_ends_a_session_at_its_multiples() -> None:
    lines = [f"{1_700_000_100 + second} x" for second in (0, 500, 799, 800, 1_000)]
    events = read(make(r"(?P<time>\d+) (?P<event>\w+)", cut=cut(1e9, seconds=900)), lines)
    assert 1_700_000_900 - 1_700_000_100 == 800
    assert 1_700_000_900 % 900 != 0, "windows begin at multiples of their length, not at the first event"
    borders = [(1_700_000_100 + second) // 900 for second in (0, 500, 799, 800, 1_000)]
    assert [event.session for event in events] == [border - borders[0] for border in borders]


def test_a_window_of_events_ends_a_session() -> None:
    events = read(make(r"(?P<event>\w+)", cut=cut(events=2)), ["a", "b", "c", "d", "e"])
    assert [event.session for event in events] == [0, 0, 1, 1, 2]


def test_the_entity_is_that_of_the_format_unless_it_is_named() -> None:
    line = "Dec 31 23:59:59 web1 sshd[7]: Failed password for root from 10.0.0.9 port 22 ssh2"
    names = {None: "sshd[7]", "host": "web1", "user": "root", "address": "10.0.0.9"}
    for entity, name in names.items():
        (event,) = Sessions(Syslog(FormatSettings(entity=entity)), Skips("a.log")).read(Line(0, 1, line))
        assert event.entity == name


def test_a_log_without_entities_is_one_session() -> None:
    events = read(make(r"(?P<event>\w+)"), ["a", "b"])
    assert [(event.entity, event.session, event.begins) for event in events] == [("", 0, True), ("", 0, False)]


def test_times_are_held_at_the_latest_of_the_entity_and_steps_back_are_counted() -> None:
    sessions = make()
    lines = [at(5, "ann a"), at(1, "bob b"), at(3, "ann c"), at(4, "ann d"), at(6, "ann e")]
    events = read(sessions, lines)
    assert seconds(events) == [5, 1, 5, 5, 6]
    assert [event.written for event in events] == [1_700_000_000 + second for second in (5, 1, 3, 4, 6)]
    assert sessions.skips.messages() == ("a.log: times run backwards, held at the latest so far (1: line 3 by 2 s)",)


def test_a_step_back_by_more_than_the_gap_begins_a_new_session() -> None:
    sessions = make()
    events = read(sessions, [at(DAY, "ann a"), at(0, "ann b"), at(5, "ann c")])
    assert [event.session for event in events] == [0, 1, 1]
    assert seconds(events) == [DAY, 0, 5]
    assert "a new session begins (1: line 2)" in sessions.skips.messages()[0]


# --- nothing is lost


def test_a_line_that_does_not_have_the_format_is_an_event_of_its_own() -> None:
    sessions = make(r"(?P<event>\w+) of(?: (?P<user>\w+))?")
    events = read(sessions, ["", "nothing like it", "login of ann", "login of"])
    assert [event.line for event in events] == [2, 3, 4]
    assert named(sessions, events) == [f"{UNPARSED} nothing like it", "login", "login"]
    reading = sessions.reading
    assert (reading.lines, reading.events, reading.unparsed, reading.blank) == (4, 2, 1, 1)
    assert reading.without_entity == 2
    assert len({event.session for event in events}) == 2, "events that name no entity have a session of their own"


def test_an_unparsed_line_belongs_to_the_entity_that_it_names() -> None:
    sessions = make(r"(?P<address>[\d.]+) (?P<event>\w+)$")
    events = read(sessions, ["192.0.2.7 get", '"?" from 192.0.2.7 [odd]', "192.0.2.8 get"])
    assert [event.entity for event in events] == ["192.0.2.7", "192.0.2.7", "192.0.2.8"]
    assert [event.session for event in events] == [0, 0, 1]


def test_an_event_without_the_entity_belongs_to_the_one_that_its_process_named() -> None:
    sessions = Sessions(Syslog(FormatSettings(entity="address")), Skips("auth.log"))
    lines = [
        "Dec 10 06:55:46 web1 sshd[7]: Accepted password for ann from 192.0.2.7 port 22 ssh2",
        "Dec 10 06:55:47 web1 sshd[8]: Invalid user x from 192.0.2.8 port 22",
        "Dec 10 06:55:48 web1 sshd[7]: pam_unix(sshd:session): session opened for user ann by (uid=0)",
    ]
    assert [event.entity for event in read(sessions, lines)] == ["192.0.2.7", "192.0.2.8", "192.0.2.7"]


def test_lines_of_a_stack_trace_belong_to_the_line_before() -> None:
    sessions = Sessions(Syslog(), Skips("a.log"))
    lines = [
        "Dec 10 06:55:46 web1 app[7]: request failed",
        "java.lang.IllegalStateException: no disk",
        "\tat org.example.Disk.read(Disk.java:42)",
        "Caused by: java.io.IOException: gone",
        "\t... 23 more",
        "Dec 10 06:55:47 web1 app[7]: request served",
    ]
    read(sessions, lines)
    reading = sessions.reading
    assert (reading.events, reading.lines) == (2, 6)
    assert reading.continued + reading.unparsed == 4
    assert reading.continued >= 3


REQUEST = '192.0.2.7 - - [10/Oct/2000:13:55:36 -0700] "GET /shell.php HTTP/1.1" 200 12'
LOGIN = "Dec 10 06:55:46 web1 sshd[7]: Accepted password for ann from 192.0.2.7 port 22 ssh2"


@pytest.mark.parametrize("before", [" ", "    ", "\t", "\ufeff", "\0", "\r", " \0\t\u2028"])
def test_an_indented_line_of_the_format_is_an_event_of_its_own(before: str) -> None:
    sessions = Sessions(Access(), Skips("access.log"))
    first, second = read(sessions, [REQUEST, before + REQUEST])
    assert dict(second.entities) == {"address": "192.0.2.7"}
    assert second.event != first.event
    assert "{indented}" in sessions.names.name(second.event)
    assert (sessions.reading.events, sessions.reading.continued, sessions.reading.unaccounted) == (2, 0, 0)
    sessions = Sessions(Syslog(), Skips("auth.log"))
    first, second = read(sessions, [LOGIN, before + LOGIN])
    assert second.entities["address"] == "192.0.2.7"
    assert "{indented}" in sessions.names.name(second.event)
    assert (sessions.reading.events, sessions.reading.continued, sessions.reading.unaccounted) == (2, 0, 0)


def test_no_line_continues_a_record_of_an_access_log() -> None:
    sessions = Sessions(Access(), Skips("access.log"))
    read(sessions, [REQUEST, "    at 192.0.2.9 something was written", "Caused by: nobody"])
    reading = sessions.reading
    assert (reading.events, reading.unparsed, reading.continued, reading.unaccounted) == (1, 2, 0, 0)


def test_a_record_goes_on_for_200_lines_at_most() -> None:
    sessions = Sessions(Syslog(), Skips("auth.log"))
    read(sessions, [LOGIN, *["    more"] * 150, LOGIN, *["    more"] * 201])
    reading = sessions.reading
    assert (reading.events, reading.unparsed, reading.continued, reading.unaccounted) == (2, 1, 350, 0)


def test_a_share_of_continued_lines_unlike_that_in_training_is_worth_a_warning() -> None:
    sessions = Sessions(Syslog(), Skips("auth.log"))
    read(sessions, [LOGIN, "    more", "    more", "    more"])
    reading = sessions.reading
    assert reading.continued_share == 0.75
    assert reading.warnings(0.0) == reading.warnings(0.0, 0.7) == []
    (warning,) = reading.warnings(0.0, 0.0)
    assert warning.startswith("75 % of the lines continue the record before, in training 0 %")


@given(lines=st.lists(st.text(max_size=40), max_size=30))
def test_every_line_is_accounted_for(lines: list[str]) -> None:
    sessions = make()
    events = read(sessions, lines)
    reading = sessions.reading
    assert len(events) == reading.events + reading.unparsed
    assert (reading.lines, reading.unaccounted) == (len(lines), 0)


def test_the_lines_of_an_earlier_call_are_left_out_and_counted() -> None:
    sessions = make()
    sessions.skip(Line(0, 1, at(0, "ann a")))
    events = list(sessions.read(Line(0, 2, at(1, "ann b"))))
    assert [event.line for event in events] == [2]
    assert (sessions.reading.lines, sessions.reading.left_out) == (2, 1)


def test_free_text_has_the_name_of_its_template() -> None:
    names = EventNames()
    pattern = r"(?P<message>.+)"
    users = ("ann", "bob", "cyd", "dan", "eve")
    events = read(make(pattern, names=names), [f"Invalid login {user} here" for user in users])
    names.settle()
    assert {names.name(event.event) for event in events} == {"Invalid login <*> here"}
    fitted = EventNames.from_json(names.to_json())
    again = make(pattern, names=fitted)
    known, new = named(again, read(again, ["Invalid login fay here", "something else"]))
    assert (known, new) == ("Invalid login <*> here", "something else")


# --- the bound on entities


def test_the_entity_idle_longest_is_closed_first_and_begins_a_new_session() -> None:
    lines = [at(second, rest) for second, rest in enumerate(("ann a", "bob b", "ann c", "cyd d", "ann e", "bob f"))]
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
    assert seconds(read(sessions, [at(5, "ann a"), at(6, "bob b"), at(3, "ann c")])) == [5, 6, 3]
    assert not sessions.skips.messages()


@given(lines=lines_of_users, gap=st.integers(1, 20))
def test_a_bound_that_is_never_reached_changes_nothing(lines: list[str], gap: int) -> None:
    free, bounded = make(cut=cut(gap)), make(cut=cut(gap), max_entities=6)
    assert repr(read(free, lines)) == repr(read(bounded, lines))


@given(lines=lines_of_users, gap=st.integers(1, 20), bound=st.none() | st.integers(1, 3))
def test_sessions_are_numbered_as_they_begin_and_hold_one_entity_without_gaps(
    lines: list[str], gap: int, bound: int | None
) -> None:
    events = read(make(cut=cut(gap), max_entities=bound), lines)
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
            for _ in sessions.read(Line(0, number, at(number, f"user{number} event"))):
                pass
        return tracemalloc.get_traced_memory()[0] - before

    tracemalloc.start()
    try:
        grown(0, 500)
        assert grown(500, 1_000) < 20_000
    finally:
        tracemalloc.stop()


def test_sessions_from_elsewhere_go_on_and_are_asked_for_together() -> None:
    asked = []

    def recall(keys):
        asked.append([entity for _, entity in keys])
        return {key: OpenSession(7, 2) for key in keys if key[1] == "web1"}

    lines = [f"Jan  1 00:00:0{i} {host} sshd[1]: Connection opened" for i, host in enumerate(("web1", "web2", "web1"))]
    sessions = Sessions(Syslog(FormatSettings(entity="host")), Skips("log"), recall=recall)
    events = sessions.read_all([Line(0, number, text) for number, text in enumerate(lines, 1)])
    assert [(event.entity, event.begins) for event in events] == [("web1", False), ("web2", True), ("web1", False)]
    sessions.read(Line(0, 4, lines[0]))
    assert asked == [["web1", "web2"]]
