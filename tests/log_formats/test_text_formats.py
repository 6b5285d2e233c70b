import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.errors import UsageError
from trine.log_formats.log_event import FormatSettings, LogEvent
from trine.log_formats.text_formats import Pattern, Plain, is_continuation, payload, statement, text_event


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("something happened to disk 7", LogEvent("something happened to disk 7", True)),
        (
            "2024-05-01 10:00:00,500 - user ann left from 10.0.0.7",
            LogEvent("user ann left from 10.0.0.7", True, 1714557600.5, {"user": "ann", "address": "10.0.0.7"}),
        ),
        ("[2024-05-01T10:00:00Z] ready", LogEvent("ready", True, 1714557600.0)),
        ("[Wed May  1 10:00:00 2024] usb 1-1: new", LogEvent("usb 1-1: new", True, 1714557600.0)),
        ("1714557600 ready", LogEvent("ready", True, 1714557600.0)),
        ("5 disks failed", LogEvent("5 disks failed", True)),
        (
            "got ../../etc/x",
            LogEvent("got ../../etc/x {traversal}", True, None, {}, {"marks": "traversal"}),
        ),
    ],
)
def test_plain_text_is_the_line_without_the_time_at_its_beginning(line: str, expected: LogEvent) -> None:
    assert Plain().parse(line) == expected


@pytest.mark.parametrize("line", ["", "   ", "2024-05-01 10:00:00"])
def test_a_line_without_text_is_no_event_of_plain(line: str) -> None:
    assert Plain().parse(line) is None


@pytest.mark.parametrize(
    "line",
    [
        "",
        "    at com.acme.Shop.buy(Shop.java:7)",
        "\tat com.acme.Shop.buy(Shop.java:7)",
        "at com.acme.Shop.buy(Shop.java:7)",
        "Caused by: java.io.IOException: closed",
        "... 23 more",
        "Traceback (most recent call last):",
        '  File "a.py", line 3, in f',
        "ValueError: no such item",
        "java.lang.IllegalStateException: closed",
        "During handling of the above exception, another exception occurred:",
        "}",
        "  },",
        "])",
        "--- End of inner exception stack trace ---",
        "goroutine 1 [running]:",
    ],
)
def test_lines_of_a_stack_trace_belong_to_the_line_before(line: str) -> None:
    assert is_continuation(line)


@pytest.mark.parametrize(
    "line",
    [
        "ready",
        "at 10 o'clock all is well",
        "user ann left",
        "Error while reading",
        "} else",
        "caused by a cable",
        "2024-05-01 x",
    ],
)
def test_an_ordinary_line_belongs_to_none(line: str) -> None:
    assert not is_continuation(line)


def test_the_statement_of_a_record_leaves_out_the_frames() -> None:
    java = "no stock\njava.lang.IllegalStateException: none\n\tat com.acme.Shop.buy(Shop.java:7)\n\t... 23 more"
    python = (
        'failed\nTraceback (most recent call last):\n  File "a.py", line 3, in f\n    return g(x)\nValueError: no item'
    )
    assert statement(java) == "no stock java.lang.IllegalStateException: none"
    assert statement(python) == "failed Traceback (most recent call last): ValueError: no item"
    assert statement("one\n  rm -rf /") == "one rm -rf /"


def test_what_is_named_comes_before_what_the_text_says() -> None:
    event = text_event("user ann left", 5.0, {"user": "bob"}, {"level": "info"})
    assert event == LogEvent("user ann left", True, 5.0, {"user": "bob"}, {"level": "info"})


def test_free_text_is_no_payload() -> None:
    assert payload("hello") is None
    assert payload("") is None


@pytest.mark.parametrize("pattern", ["(", "(?P<time>x)"])
def test_a_pattern_that_cannot_work_is_wrong_use(pattern: str) -> None:
    with pytest.raises(UsageError, match="pattern"):
        Pattern(pattern)


def test_a_pattern_names_the_event_the_entity_and_attributes() -> None:
    pattern = Pattern(r"(?P<time>\d+) (?P<user>\w+) (?P<event>\w+) (?P<level>\w+)?")
    assert pattern.entity == "user"
    assert pattern.parse("1700000000 ann login ") == LogEvent("login", False, 1.7e9, {"user": "ann"}, {})
    assert pattern.parse("1700000000 ann login info") == LogEvent(
        "login", False, 1.7e9, {"user": "ann"}, {"level": "info"}
    )
    assert pattern.parse("nothing of that form") is None


def test_a_message_of_a_pattern_is_mined() -> None:
    assert Pattern(r"(?P<host>\w+): (?P<message>.+)").parse("web1: disk 7 full") == LogEvent(
        "disk 7 full", True, None, {"host": "web1"}, {}
    )


def test_any_group_can_be_the_event_the_entity_or_the_time() -> None:
    settings = FormatSettings(event=("verb", "thing"), entity="tenant", time="at")
    pattern = Pattern(r"(?P<at>\S+) (?P<tenant>\w+) (?P<verb>\w+) (?P<thing>\w+) (?P<code>\d+)", settings)
    assert pattern.entity == "tenant"
    assert pattern.parse("2024-05-01T10:00:00Z t1 get item 200") == LogEvent(
        "get item", False, 1714557600.0, {"tenant": "t1"}, {"code": "200"}
    )


@pytest.mark.parametrize(
    "settings", [FormatSettings(event=("x",)), FormatSettings(entity="x"), FormatSettings(time="x")]
)
def test_a_setting_that_names_no_group_is_refused(settings: FormatSettings) -> None:
    with pytest.raises(UsageError, match=r"no group \(\?P<x>…\)"):
        Pattern(r"(?P<event>\w+)", settings)


@given(line=st.text(max_size=200))
def test_no_line_breaks_plain(line: str) -> None:
    event = Plain().parse(line)
    assert event is None or event.event
    assert isinstance(is_continuation(line), bool)
    assert "\n" not in statement(line)


@pytest.mark.parametrize("filling", ["a", " ", "\n", "a\n", " at x\n", "}", "1", "."])
def test_a_huge_line_takes_no_time(filling: str) -> None:
    line = filling * (1_000_000 // len(filling))
    Plain().parse(line)
    is_continuation(line)
    is_continuation(f"at {line}")
