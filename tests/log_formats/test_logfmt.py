import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.log_formats.log_event import FormatSettings, LogEvent
from trine.log_formats.logfmt import Logfmt

TEN = 1714557600.0  # 2024-05-01 10:00:00 UTC


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            r'time=2024-05-01T10:00:00Z level=INFO msg="user \"ann\" left" component=shop user=ann',
            LogEvent('user "ann" left', True, TEN, {"user": "ann", "process": "shop"}, {"level": "info"}),
        ),
        (
            'at=info method=GET path="/blog/5?x=1" host=shop.example request_id=abc fwd="1.2.3.4, 5.6.7.8" dyno=web.1 '
            "connect=1ms service=2ms status=200 bytes=1548",
            LogEvent(
                ("GET ", "/blog", "/<*>", "?", " 200"),
                False,
                None,
                {"address": "1.2.3.4", "host": "shop.example", "process": "web.1"},
                {"level": "info", "status": "200"},
            ),
        ),
        (
            'date=2024-05-01 time=10:00:00 logid="0000000013" type="traffic" subtype="forward" level="notice" '
            'srcip=10.1.100.11 user="bob" action="deny"',
            LogEvent(
                "traffic forward deny", False, TEN, {"user": "bob", "address": "10.1.100.11"}, {"level": "notice"}
            ),
        ),
        (
            "ts=2024-05-01T10:00:00.5Z caller=main.go:12 level=warn msg=slow remote=1.2.3.4:55",
            LogEvent("slow", True, TEN + 0.5, {"address": "1.2.3.4"}, {"level": "warn"}),
        ),
        (
            "2024-05-01T10:00:00Z event=login user=ann remote=[2001:db8::1]:55",
            LogEvent("login", False, TEN, {"user": "ann", "address": "2001:db8::1"}, {}),
        ),
        ("a=1 b=2", LogEvent("a=1 b=2", True, None, {}, {})),
        (
            'level=info msg="got ${jndi:ldap://x}"',
            LogEvent(
                "got ${jndi:ldap://x} {scheme,template}", True, None, {}, {"level": "info", "marks": "scheme,template"}
            ),
        ),
    ],
)
def test_pairs_give_message_request_or_names(line: str, expected: LogEvent) -> None:
    assert Logfmt().parse(line) == expected


@pytest.mark.parametrize("line", ["", "one=1", "hello a=1 b=2", "Oct 11 22:14:15 web1 app: a=1 b=2", "a = 1"])
def test_lines_of_fewer_pairs_are_of_another_format(line: str) -> None:
    assert Logfmt().parse(line) is None


def test_settings_name_event_entity_and_time() -> None:
    settings = FormatSettings(event=("verb", "thing"), entity="tenant", time="at")
    line = "at=2024-05-01T10:00:00Z tenant=t1 verb=get thing=item time=5"
    assert Logfmt(settings).entity == "tenant"
    assert Logfmt(settings).parse(line) == LogEvent("get item", False, TEN, {"tenant": "t1"}, {})
    assert Logfmt(settings).parse("verb=get a=1") == LogEvent("get no thing", False, None, {}, {})


@given(line=st.text(max_size=120) | st.text(st.sampled_from('ab="\\ ,;\t1'), max_size=60))
def test_no_line_breaks_logfmt(line: str) -> None:
    for text in (line, f"a=1 {line}", f'a=1 b="{line}'):
        event = Logfmt().parse(text)
        assert event is None or event.event


@pytest.mark.parametrize("filling", ["a", "a=", "a=1 ", '"', "\\", 'a="', " ", "a=\\"])
def test_a_huge_line_takes_no_time(filling: str) -> None:
    Logfmt().parse(filling * (300_000 // len(filling)))
    Logfmt().parse("a=1 b=" + filling * (300_000 // len(filling)))
