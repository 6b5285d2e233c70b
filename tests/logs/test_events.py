import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.errors import DataError
from trine.log_formats.log_event import LogEvent
from trine.logs.events import NEW, EventNames
from trine.logs.templates import TemplateMiner

part = st.sampled_from(["GET ", "/", "/a", "/b7", ".html", " 200", "x"]) | st.text(max_size=3)
event = st.one_of(
    st.lists(part, max_size=5).map(lambda parts: LogEvent(tuple(parts))),
    st.text(max_size=20).map(lambda text: LogEvent(text, mined=True)),
    st.sampled_from(["open", "close", "user a logs in", ""]).map(LogEvent),
)


def learned(events: list[LogEvent]) -> EventNames:
    names = EventNames()
    for event in events:
        names.code(event)
    names.settle()
    return names


def loaded(events: list[LogEvent]) -> EventNames:
    return EventNames.from_json(learned(events).to_json())


def name(names: EventNames, event: LogEvent) -> str:
    return names.name(names.code(event))


def text(line: str) -> LogEvent:
    return LogEvent(line, mined=True)


def test_text_is_named_by_its_template_parts_by_their_places_and_names_as_they_are() -> None:
    posts = [LogEvent(("GET ", "/blog", f"/post-{i}", " 200")) for i in range(20)]
    names = EventNames()
    codes = [names.code(event) for event in [*posts, text("took 5 ms"), text("took 7 ms"), LogEvent("execve")]]
    names.settle()
    assert {names.name(code) for code in codes[:20]} == {"GET /blog/<*> 200"}
    assert [names.name(code) for code in codes[20:]] == ["took <*>", "took <*>", "execve"]


def test_codes_of_merged_templates_have_the_name_of_what_they_became() -> None:
    names = EventNames()
    codes = [names.code(text(f"session opened for {user} now")) for user in ("ann", "bob", "cyd", "dan", "eve")]
    assert {names.name(code) for code in codes} == {"session opened for <*> now"}


def test_new_events_are_named_by_their_own_text() -> None:
    names = loaded([text("service started"), LogEvent(("list", " pods")), LogEvent("open")])
    new = [
        text("reverse shell to 10.0.0.9 opened"),
        LogEvent(("list", " secrets")),
        LogEvent("ptrace"),
        text("reverse shell to 10.0.0.7 opened"),
    ]
    assert [name(names, event) for event in new] == [
        "reverse shell to <*> opened",
        "list secrets",
        "ptrace",
        "reverse shell to <*> opened",
    ]
    assert names.code(new[0]) == names.code(new[3]) != names.code(new[1])


def test_known_events_keep_their_codes_and_names_when_loaded() -> None:
    events = [text("service started"), LogEvent(("list", " pods")), LogEvent("open")]
    first, second = learned(events), loaded(events)
    assert [first.code(event) for event in events] == [second.code(event) for event in events]
    assert [name(second, event) for event in events] == ["service started", "list pods", "open"]


def test_further_new_events_share_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trine.logs.events._MAX_NAMES", 3)
    names = loaded([text("started"), LogEvent("open")])
    assert [name(names, LogEvent(f"n{i}")) for i in range(5)] == ["n0", "n1", "n2", NEW, NEW]
    assert name(names, text("quite new")) == NEW
    assert name(names, text("started")) == "started"
    assert name(names, LogEvent("open")) == "open"


def test_what_could_not_be_learned_is_no_new_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trine.logs.events._MAX_NAMES", 2)
    names = EventNames()
    names.templates.max_templates = 1
    names.places.max_events = 1
    events = [text("a b"), text("c d"), LogEvent(("a", " b")), LogEvent(("c", " d")), *map(LogEvent, "xyz")]
    assert [name(names, event) for event in events] == ["a b", "<*>", "a b", "<*>", "x", "y", "<*>"]
    names.settle()
    again = EventNames.from_json(names.to_json())
    assert [name(again, event) for event in events] == ["a b", "<*>", "a b", "<*>", "x", "y", "<*>"]


def test_a_name_of_a_megabyte_is_cut() -> None:
    names = loaded([])
    assert len(name(names, LogEvent("a" * 10**6))) == 200
    assert len(name(names, text("ab " * 10**6))) == 200
    assert len(name(names, LogEvent(("/a" * 10**6,)))) == 200


@given(events=st.lists(event, max_size=30), new=st.lists(event, max_size=10))
def test_every_event_has_a_code_of_64_bits_and_a_name(events: list[LogEvent], new: list[LogEvent]) -> None:
    first, second = learned(events), loaded(events)
    for names in (first, second):
        for one in [*events, *new]:
            code = names.code(one)
            assert 0 <= code < 2**63
            assert names.name(code) == names.name(names.code(one))
    assert [name(first, one) for one in events] == [name(second, one) for one in events]


def test_a_bundle_of_the_former_version_holds_the_templates_only() -> None:
    miner = TemplateMiner()
    miner.add("session opened for 10.0.0.1")
    names = EventNames.from_json(miner.to_json())
    assert name(names, text("session opened for 10.0.0.2")) == "session opened for <*>"
    assert name(names, LogEvent(("GET ", "/", " 200"))) == "GET / 200"


@given(
    state=st.text(max_size=30)
    | st.sampled_from(['{"events": 7}', "[]", "{}", "3", '"events"', '{"events": 1}', '["events"]', "[" * 100_000])
)
def test_a_text_that_is_no_state_is_a_clear_error(state: str) -> None:
    with pytest.raises(DataError, match=r"^(events|templates|places): "):
        EventNames.from_json(state)


def test_new_events_are_not_saved() -> None:
    names = loaded([LogEvent("open")])
    before = names.to_json()
    names.code(LogEvent("ptrace"))
    assert names.to_json() == before
    assert json.loads(before)["names"] == ["open"]
