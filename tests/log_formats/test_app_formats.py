import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.log_formats.app_formats import AppLog
from trine.log_formats.log_event import LogEvent

TEN = 1714557600.0  # 2024-05-01 10:00:00 UTC


@pytest.mark.parametrize(
    ("line", "time", "event", "entities"),
    [
        ("2024-05-01 10:00:00,500 INFO  [main] com.acme.Foo - text", TEN + 0.5, "info com.acme.Foo: text", {}),
        (
            "2024-05-01 10:00:00,500 [http-nio-80-exec-1] WARN com.acme.Foo - user ann from 1.2.3.4",
            TEN + 0.5,
            "warning com.acme.Foo: user ann from 1.2.3.4",
            {"user": "ann", "address": "1.2.3.4"},
        ),
        (
            "2024-05-01 10:00:00,500 INFO [main] org.a.b.MRApp: Created app",
            TEN + 0.5,
            "info org.a.b.MRApp: Created app",
            {},
        ),
        (
            "2024-05-01T10:00:00.500Z  INFO 77 --- [shop] [           main] o.s.b.w.TomcatServer  : started",
            TEN + 0.5,
            "info o.s.b.w.TomcatServer: started",
            {"process": "77"},
        ),
        (
            "2024-05-01 10:00:00.500  INFO 77 --- [           main] o.a.core.StandardEngine  : started",
            TEN + 0.5,
            "info o.a.core.StandardEngine: started",
            {"process": "77"},
        ),
        ("2024-05-01 10:00:00,500 - my.logger - INFO - text here", TEN + 0.5, "info my.logger: text here", {}),
        ("INFO:root:text here", None, "info root: text here", {}),
        ("[2024-05-01 10:00:00,500] {file.py:12} INFO - text", TEN + 0.5, "info: text", {}),
        ("[2024-05-01 10:00:00 +0000] [123] [INFO] Booting worker", TEN, "info: Booting worker", {"process": "123"}),
        ("2024-05-01 10:00:00.500 | INFO     | shop:buy:12 - text", TEN + 0.5, "info shop:buy:12: text", {}),
        ("[2024-05-01 10:00:00,500: WARNING/MainProcess] late", TEN + 0.5, "warning MainProcess: late", {}),
        ("2024-05-01 12:00:00.500 +02:00 [INF] text", TEN + 0.5, "info: text", {}),
        ("2024-05-01 10:00:00.5000|ERROR|Shop.Cart|text", TEN + 0.5, "error Shop.Cart: text", {}),
        ("2024/05/01 10:00:00 text of go", TEN, "text of go", {}),
        ("2024/05/01 10:00:00.500000 main.go:23: text", TEN + 0.5, "text", {}),
        ('2024-05-01T10:00:00.500Z\tINFO\tshop\tcart.go:12\ttext\t{"a":1}', TEN + 0.5, 'info shop: text\t{"a":1}', {}),
        ("[2024-05-01T10:00:00Z WARN  my_crate::module] text", TEN, "warning my_crate::module: text", {}),
        (
            "2024-05-01T10:00:00.500Z DEBUG my_crate::module: text field=1",
            TEN + 0.5,
            "debug my_crate::module: text field=1",
            {},
        ),
        ("I, [2024-05-01T10:00:00.500000 #77]  INFO -- : text", TEN + 0.5, "info: text", {"process": "77"}),
        ("E, [2024-05-01T10:00:00.500000 #77] ERROR -- shop: text", TEN + 0.5, "error shop: text", {"process": "77"}),
        (
            "2024-05-01 10:00:00.500 UTC [77] LOG:  text here: more",
            TEN + 0.5,
            "info: text here: more",
            {"process": "77"},
        ),
        (
            "2024-05-01 10:00:00 UTC [77] ann@shop ERROR:  no table",
            TEN,
            "error: no table",
            {"process": "77", "user": "ann"},
        ),
        (
            "2024-05-01 10:00:00 UTC [77-1] user=ann,db=shop,app=psql,client=1.2.3.4 FATAL:  no",
            TEN,
            "fatal: no",
            {"process": "77", "user": "ann", "address": "1.2.3.4"},
        ),
        (
            "2024-05-01T10:00:00.500000Z 0 [System] [MY-010116] [Server] starting",
            TEN + 0.5,
            "info: [MY-010116] [Server] starting",
            {"process": "0"},
        ),
        (
            "2024-05-01T10:00:00.500000Z 8 [Note] Access denied for user 'root'@'1.2.3.4'",
            TEN + 0.5,
            "notice: Access denied for user 'root'@'1.2.3.4'",
            {"process": "8", "user": "root", "address": "1.2.3.4"},
        ),
        ("77:M 01 May 2024 10:00:00.500 * Ready to accept", TEN + 0.5, "notice: Ready to accept", {"process": "77"}),
        (
            "2024-05-01T10:00:00.500+0000 I  NETWORK  [listener] connection accepted from 1.2.3.4:5 #1",
            TEN + 0.5,
            "info: NETWORK  [listener] connection accepted from 1.2.3.4:5 #1",
            {"address": "1.2.3.4"},
        ),
        (
            "01-May-2024 10:00:00.500 SEVERE [main] org.apache.catalina.Server.start failed to start",
            TEN + 0.5,
            "error org.apache.catalina.Server.start: failed to start",
            {},
        ),
        (
            "[2024-05-01T10:00:00,500][INFO ][o.e.n.Node        ] [node-1] up",
            TEN + 0.5,
            "info o.e.n.Node: [node-1] up",
            {},
        ),
        ("24/05/01 10:00:00 INFO executor.Backend: Registered", TEN, "info executor.Backend: Registered", {}),
        ("2024-05-01 10:00:00, Info                  CBS    Loaded stack", TEN, "info: CBS    Loaded stack", {}),
        ("info: Microsoft.Hosting.Lifetime[14]", None, "info: Microsoft.Hosting.Lifetime[14]", {}),
    ],
)
def test_logs_of_applications_give_level_logger_and_message(
    line: str, time: float | None, event: str, entities: dict[str, str]
) -> None:
    read = AppLog().parse(line)
    assert read is not None
    assert (read.time, read.event, read.mined, read.entities) == (time, event, True, entities)


def test_klog_gives_level_process_and_source() -> None:
    read = AppLog().parse("W0501 10:00:00.500000    1234 file.go:12] text")
    assert read is not None
    assert (read.event, read.entities) == ("warning file.go: text", {"process": "1234"})
    assert read.attributes == {"level": "warning", "logger": "file.go"}
    assert read.time is not None
    assert read.time % 86400 == 36000.5


@pytest.mark.parametrize(
    ("line", "event"),
    [
        ("2024-05-01 10:00:00 INFO [CRITICAL BREACH] detected", "info: [CRITICAL BREACH] detected"),
        ("2024-05-01 10:00:00 error opening file", "error opening file"),
        ("2024-05-01 10:00:00 5 items of x", "5 items of x"),
        ("2024-05-01 10:00:00 ERROR Connection: closed", "error Connection: closed"),
        ("2024-05-01 10:00:00 INFO", "info: empty"),
        ("[10.30 16:49:06] chrome.exe - proxy.a.example:5070 open", "chrome.exe: proxy.a.example:5070 open"),
        ("2024-05-01 10:00:00 INFO [IPC handler 2 on 9000] org.a.b.C: text", "info org.a.b.C: text"),
        ("03-17 16:13:38.811  1702  2395 D WindowManager: text", "debug WindowManager: text"),
        ("2024-05-01 10:00:00 [ERROR] a: [x] b", "error a: [x] b"),
    ],
)
def test_nothing_of_the_message_is_taken_for_its_head(line: str, event: str) -> None:
    read = AppLog().parse(line)
    assert read is not None
    assert read.event == event


@pytest.mark.parametrize("line", ["", "just text", "Information about x", "    at a.b(C.java:1)", "5 items"])
def test_lines_without_a_time_and_a_level_are_of_another_format(line: str) -> None:
    assert AppLog().parse(line) is None


def test_a_stack_trace_is_part_of_its_event() -> None:
    record = (
        "2024-05-01 10:00:00 ERROR com.acme.Shop - no stock\njava.lang.Exception: none\n\tat com.acme.A.b(A.java:7)"
    )
    assert AppLog().parse(record) == LogEvent(
        "error com.acme.Shop: no stock java.lang.Exception: none",
        True,
        TEN,
        {},
        {"level": "error", "logger": "com.acme.Shop"},
    )


HEADS = ("", "2024-05-01 10:00:00 ", "2024-05-01 10:00:00,1 INFO ", "INFO:", "I, [", "77:M 01 May 2024 10:00:00.500 * ")


@given(tail=st.text(max_size=120) | st.text(st.sampled_from("aA []|:-.{}#1\tINFO"), max_size=60))
def test_no_line_breaks_the_logs_of_applications(tail: str) -> None:
    for head in HEADS:
        event = AppLog().parse(head + tail)
        assert event is None or event.event


@pytest.mark.parametrize("filling", ["a", " ", "[", "[a] ", "a.", "1 ", "-", "|", ":", "{", "a:"])
def test_a_huge_line_takes_no_time(filling: str) -> None:
    for head in HEADS:
        AppLog().parse(head + filling * (300_000 // len(filling)))
