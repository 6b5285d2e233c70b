import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.log_formats.cef_formats import Cef, cef_payload
from trine.log_formats.log_event import LogEvent


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "CEF:0|Security|threatmanager|1.0|100|worm successfully stopped|10|src=10.0.0.2 dst=2.1.2.2 spt=1232",
            LogEvent(
                ("Security threatmanager ", "100", ": worm successfully stopped"),
                False,
                None,
                {"address": "10.0.0.2"},
                {"severity": "10"},
            ),
        ),
        (
            "Sep 29 08:26:10 fw1 CEF: 0|F5|ASM|14.1|200|Illegal file type|6|rt=1714557600000 suser=ann lee act=blocked "
            r"request=/x?a\=1 msg=a\|b outcome=failure dhost=db1",
            LogEvent(
                ("F5 ASM ", "200", ": Illegal file type", " {shell}"),
                False,
                1714557600.0,
                {"host": "db1", "user": "ann lee"},
                {"severity": "6", "action": "blocked", "outcome": "failure"},
            ),
        ),
        (
            "<14>1 2024-05-01T10:00:00Z - - - - - CEF:0|Palo Alto Networks|Cortex XDR|3.11|XDR|Rare task|6|shost=pc1",
            LogEvent(
                ("Palo Alto Networks Cortex XDR ", "XDR", ": Rare task"),
                False,
                1714557600.0,
                {"host": "pc1"},
                {"severity": "6"},
            ),
        ),
        (
            r"CEF:0|a\|b|c|1|7|name|Low|request=/item?id\=1' or 1\=1 src=1.2.3.4",
            LogEvent(
                ("a|b c ", "7", ": name", " {quotes,sql}"), False, None, {"address": "1.2.3.4"}, {"severity": "Low"}
            ),
        ),
        (
            "LEEF:1.0|Microsoft|MSExchange|4.0 SP1|15345|src=192.0.2.0\tsev=5\tcat=anomaly\tusrName=ann",
            LogEvent(
                ("Microsoft MSExchange ", "15345", ": anomaly"),
                False,
                None,
                {"user": "ann", "address": "192.0.2.0"},
                {"severity": "5"},
            ),
        ),
        (
            "LEEF:2.0|Vendor|Product|1|42|^|src=1.2.3.4^usrName=ann lee^devTime=1714557600000^action=deny",
            LogEvent(
                ("Vendor Product ", "42"),
                False,
                1714557600.0,
                {"user": "ann lee", "address": "1.2.3.4"},
                {"action": "deny"},
            ),
        ),
        (
            "2024-05-01T10:00:00Z fw2 LEEF:2.0|Vendor|Product|1|42|x09|src=1.2.3.4\tcat=login",
            LogEvent(
                ("Vendor Product ", "42", ": login"), False, 1714557600.0, {"host": "fw2", "address": "1.2.3.4"}, {}
            ),
        ),
    ],
)
def test_cef_and_leef_give_signature_time_and_entities(line: str, expected: LogEvent) -> None:
    assert Cef().parse(line) == expected


@pytest.mark.parametrize("line", ["", "CEF:", "CEF:0|a|b", "see CEF: chapter 3", "LEEF:1.0|a|b", "xCEF:0|a|b|c|d|e|f|"])
def test_other_lines_are_of_another_format(line: str) -> None:
    assert Cef().parse(line) is None


def test_a_payload_begins_with_its_name() -> None:
    assert cef_payload("hello CEF:0|a|b|c|d|e|f|") is None
    assert cef_payload("CEF:0|a|b|c|d|e|9|") == LogEvent(("a b ", "d", ": e"), False, None, {}, {"severity": "9"})


@given(tail=st.text(max_size=200) | st.text(st.sampled_from("|=\\ab \t^xnr"), max_size=80))
def test_no_line_breaks_cef(tail: str) -> None:
    for begin in ("", "CEF:0|", "CEF:0|a|b|c|d|e|f|", "LEEF:2.0|", "LEEF:1.0|a|b|c|d|"):
        event = Cef().parse(begin + tail)
        assert event is None or event.event


@pytest.mark.parametrize("filling", ["|", "\\", "a=", "a= ", " ", "ab", "\\="])
def test_a_huge_line_takes_no_time(filling: str) -> None:
    filler = filling * (100_000 // len(filling))
    Cef().parse(f"CEF:0|{filler}")
    Cef().parse(f"CEF:0|a|b|c|d|e|f|{filler}")
    Cef().parse(f"LEEF:2.0|a|b|c|d|{filler}")
