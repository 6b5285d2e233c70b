from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.log_formats.json_formats import Json
from trine.log_formats.log_event import HEADER, Format, FormatSettings, Header, Line, LogEvent
from trine.log_formats.logfmt import Logfmt
from trine.log_formats.registry import guess_format
from trine.log_formats.syslog_formats import Syslog
from trine.log_formats.table_formats import Csv, RowJoiner, W3c, Zeek

ROWS = """time,user,action,src_ip,note
2024-05-01T10:00:00Z,ann,login,10.0.0.9,"two
lines, ""quoted\"\""
2024-05-01T10:00:01Z,bob,logout,10.0.0.8,x"""


def events(reader: Format, text: str) -> Iterator[tuple[int, LogEvent | Header | None]]:
    lines = [Line(0, number, line) for number, line in enumerate(text.split("\n"), 1)]
    joiner = reader.joiner
    for line in lines:
        for record in joiner.feed(line) if joiner else [line]:
            yield record.number, reader.parse(record.text)
    for record in joiner.finish() if joiner else ():
        yield record.number, reader.parse(record.text)


def test_columns_are_guessed_by_their_names_and_a_cell_may_take_lines() -> None:
    header, ann, bob = events(Csv(), ROWS)
    assert header == (1, HEADER)
    assert ann == (2, LogEvent("login", False, 1714557600.0, {"user": "ann", "address": "10.0.0.9"}))
    assert bob == (4, LogEvent("logout", False, 1714557601.0, {"user": "bob", "address": "10.0.0.8"}))


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_settings_name_columns(delimiter: str) -> None:
    settings = FormatSettings(event=("op", "res"), entity="who", time="at")
    text = "at,who,op,res\n2024-05-01 10:00:00,ann,open,\n".replace(",", delimiter)
    _, (number, event), (_, blank) = events(Csv(settings), text)
    assert number == 2
    assert blank is None
    assert event == LogEvent(("open", " -"), False, 1714557600.0, {"who": "ann"})


def test_a_table_without_names_has_numbered_columns() -> None:
    settings = FormatSettings(event=("column3",), entity="column2", time="column1")
    reader = Csv(settings)
    assert list(events(reader, "1714557600,ann,login\n1714557601,ann,logout")) == [
        (1, LogEvent("login", False, 1714557600.0, {"column2": "ann"})),
        (2, LogEvent("logout", False, 1714557601.0, {"column2": "ann"})),
    ]
    assert reader.fields() == ("column1", "column2", "column3")


def test_a_row_of_another_length_is_not_read_and_a_repeated_header_is_one() -> None:
    found = [
        event for _, event in events(Csv(), "time,action\n1714557600,a\n1714557600,a,b\ntime,action\n1714557600,c")
    ]
    assert [event.event if isinstance(event, LogEvent) else event for event in found] == [
        HEADER,
        "a",
        None,
        HEADER,
        "c",
    ]


def test_a_stray_quote_hides_no_row() -> None:
    text = 'time,action,who\n"1714557600,a,x\n1714557601,b,y\n1714557602,"c"",z\n1714557603,d,w'
    found = list(events(Csv(), text))
    assert [number for number, _ in found] == [1, 2, 3, 4, 5]
    named = [event.event for _, event in found if isinstance(event, LogEvent)]
    assert named == ["b", "d"]


def test_a_quoted_cell_without_an_end_is_given_as_it_is() -> None:
    joiner = RowJoiner()
    lines = [Line(0, 1, 'a,"b'), Line(0, 2, "c,d")]
    assert [*joiner.feed(lines[0]), *joiner.feed(lines[1]), *joiner.finish()] == lines


def test_a_day_and_a_time_are_one_time() -> None:
    _, (_, event) = events(Csv(), "date,time,event\n2024-05-01,10:00:00,start")
    assert isinstance(event, LogEvent)
    assert event.time == 1714557600.0


ZEEK = """#separator \\x09
#set_separator\t,
#empty_field\t(empty)
#unset_field\t-
#path\tconn
#open\t2024-05-01-10-00-00
#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\tservice\tduration\torig_bytes\tconn_state
#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tinterval\tcount\tstring
1714557600.627931\tCHhAvVGS1DHFjwGM9\t10.0.0.9\t45965\t10.0.0.1\t443\ttcp\tssl\t35.5\t13516\tSF
1714557601.0\tC5VoWQz890uMGQ80i\t10.0.0.8\t8\t10.0.0.1\t0\ticmp\t-\t-\t-\tOTH
#close\t2024-05-01-11-00-00
#path\tdns
#fields\tts\tuid\tid.orig_h\tproto\tquery\tqtype_name\trcode_name
1714557602.0\tCdns\t10.0.0.9\tudp\texample.com\tA\tNXDOMAIN
#path\thttp
#fields\tts\tuid\tid.orig_h\tmethod\thost\turi\tuser_agent\tstatus_code
1714557603.0\tChttp\t10.0.0.9\tGET\t10.0.0.1\t/?x='\tcurl/8.0\t200
#path\tssh
#fields\tts\tuid\tid.orig_h\tauth_success\tdirection
1714557604.0\tCssh\t10.0.0.9\tF\tINBOUND
1714557604.0\tCssh\t10.0.0.9"""


def test_zeek_is_read_by_its_headers_also_by_those_in_the_middle() -> None:
    found = [event for _, event in events(Zeek(), ZEEK)]
    read = [event for event in found if isinstance(event, LogEvent)]
    assert [event.event for event in read] == [
        ("conn", " tcp", " ssl", " SF"),
        ("conn", " icmp", " -", " OTH"),
        ("dns", " udp", " A", " NXDOMAIN"),
        ("http", " GET", " 200"),
        ("ssh", " F", " INBOUND"),
    ]
    assert [event.time for event in read][::2] == [1714557600.627931, 1714557602.0, 1714557604.0]
    assert read[0].entities["address"] == "10.0.0.9"
    assert read[0].entities["session"] == "CHhAvVGS1DHFjwGM9"
    assert read[3].attributes["requested"] == "address"
    assert "target" in read[3].attributes
    assert found[-1] is None
    assert found.count(HEADER) == 15


def test_settings_name_fields_of_zeek() -> None:
    reader = Zeek(FormatSettings(event=("conn_state",), entity="id.resp_h"))
    first = next(event for _, event in events(reader, ZEEK) if isinstance(event, LogEvent))
    assert (first.event, first.entities["id.resp_h"]) == ("SF", "10.0.0.1")


IIS = """#Software: Microsoft Internet Information Services 10.0
#Version: 1.0
#Date: 2024-05-01 10:00:00
#Fields: date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) sc-status time-taken
2024-05-01 10:00:00 10.0.0.1 GET /shop/cart.aspx - 80 ann 10.0.0.9 Mozilla/5.0+(Windows+NT) 200 15
2024-05-01 10:00:01 10.0.0.1 POST /login id=1' 80 - 10.0.0.8 curl/8.0 500 15
2024-05-01 10:00:01 10.0.0.1 POST"""


def test_a_log_of_iis_gives_web_requests() -> None:
    *headers, first, second, broken = (event for _, event in events(W3c(), IIS))
    assert headers == [HEADER] * 4
    assert isinstance(first, LogEvent)
    assert first.event == ("GET ", "/shop", "/cart", ".aspx", " 200")
    assert first.time == 1714557600.0
    assert first.entities == {"address": "10.0.0.9", "user": "ann", "host": "10.0.0.1"}
    assert isinstance(second, LogEvent)
    assert second.event[:2] == ("POST ", "/login")
    assert second.event[2].startswith("?{")
    assert second.event[3:] == (" 500",)
    assert broken is None


def test_cloudfront_and_the_firewall_of_windows_are_w3c_logs() -> None:
    cloudfront = (
        "#Version: 1.0\n#Fields: date time c-ip cs-method cs(Host) cs-uri-stem sc-status cs(User-Agent)\n"
        + "2024-05-01 10:00:00 10.0.0.9 GET d1.cloudfront.net /a.png 200 curl".replace(" ", "\t")
    )
    firewall = "#Fields: date time action protocol src-ip dst-ip\n2024-05-01 10:00:00 DROP UDP 10.0.0.9 10.0.0.1"
    (*_, (_, web)), (*_, (_, dropped)) = events(W3c(), cloudfront), events(W3c(), firewall)
    assert isinstance(web, LogEvent)
    assert (web.event, web.time, web.entities["address"]) == (("GET ", "/a", ".png", " 200"), 1714557600.0, "10.0.0.9")
    assert dropped == LogEvent("DROP", False, 1714557600.0, {"address": "10.0.0.9"})


@pytest.mark.parametrize("kind", [Csv, Zeek, W3c])
@given(text=st.text(alphabet='",;\t|#\nab1-F: ', max_size=80) | st.text(max_size=40))
def test_no_text_breaks_a_table_and_no_line_is_lost(kind: type[Format], text: str) -> None:
    for _, event in events(kind(), text):
        assert event is None or event == HEADER or isinstance(event, LogEvent)
    joiner = RowJoiner()
    records = [record for number, line in enumerate(text.split("\n")) for record in joiner.feed(Line(0, number, line))]
    whole = "\n".join(record.text for record in (*records, *joiner.finish()))
    assert [line for line in whole.split("\n") if line.strip()] == [line for line in text.split("\n") if line.strip()]


@pytest.mark.parametrize("kind", [Csv, Zeek, W3c])
@pytest.mark.parametrize("filling", ['"', ",", '",', '""', "\t", " ", "#", "a"])
def test_a_long_line_takes_no_time(kind: type[Format], filling: str) -> None:
    text = filling * (300_000 // len(filling))
    assert len(list(events(kind(), f"time,action\n1714557600,{text}\n{text}\n1714557600,a"))) >= 3


def test_a_column_of_exactly_the_name_of_the_entity_comes_before_the_kind() -> None:
    settings = FormatSettings(event=("act",), entity="user")
    _, (_, event) = events(Csv(settings), "time,user,act\n2024-05-01 10:00:00,ann,open")
    assert event == LogEvent("open", False, 1714557600.0, {"user": "ann"})
    settings = FormatSettings(event=("act",), entity="session")
    _, (_, event) = events(Csv(settings), "time,session,session_id,act\n2024-05-01 10:00:00,s1,7,open")
    assert isinstance(event, LogEvent)
    assert event.entities["session"] == "s1"
    _, (_, event) = events(Csv(settings), "time,session_id,act\n2024-05-01 10:00:00,7,open")
    assert isinstance(event, LogEvent)
    assert event.entities["session"] == "7"
    settings = FormatSettings(event=("act",), entity="address")
    _, (_, event) = events(W3c(settings), "#Fields: date time address c-ip act\n2024-05-01 10:00:00 9.9.9.9 1.1.1.1 a")
    assert isinstance(event, LogEvent)
    assert event.entities["address"] == "9.9.9.9"


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_table_without_a_named_event_is_guessed_and_its_rows_are_texts(delimiter: str) -> None:
    rows = [f"2024-05-01 10:00:{second:02},ann,{'open' if second % 2 else 'close'},4" for second in range(40)]
    lines = [line.replace(",", delimiter) for line in ("time,user,act,place", *rows)]
    assert guess_format([Line(0, number, line) for number, line in enumerate(lines, 1)]).name == "csv"
    header, (_, event), *_ = events(Csv(), "\n".join(lines))
    assert header == (1, HEADER)
    assert event == LogEvent("close 4", True, 1714557600.0, {"user": "ann"})


def test_lines_of_a_program_with_commas_are_no_table() -> None:
    lines = ["2024-05-01 10:00:00,123 INFO web: begun, ready"] * 40
    for first in ("starting, please wait", "starting up the server now, please wait, loading", *lines[:1]):
        given = [Line(0, number, line) for number, line in enumerate((first, *lines), 1)]
        assert guess_format(given).name == "app"


def test_fields_of_the_settings_that_no_record_had_are_missing() -> None:
    reader = Csv(FormatSettings(event=("act", "nope"), time="when"))
    list(events(reader, "time,user,act\n2024-05-01 10:00:00,ann,open"))
    assert reader.missing_fields() == ("nope", "when")
    fields = Json(FormatSettings(event=("a", "b.nope", "b.c")))
    assert fields.missing_fields() == ("a", "b.nope", "b.c")
    list(events(fields, '{"a": "x"}\n{"b": {"c": "y"}}'))
    assert fields.missing_fields() == ("b.nope",)
    pairs = Logfmt(FormatSettings(event=("a", "nope")))
    list(events(pairs, "a=1 b=2"))
    assert pairs.missing_fields() == ("nope",)
    assert Syslog().missing_fields() == ()
