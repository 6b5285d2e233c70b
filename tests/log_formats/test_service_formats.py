from trine.log_formats.log_event import HEADER, Format, Header, Line, LogEvent
from trine.log_formats.service_formats import MAX_RECORD, Cluster, Dmesg, MysqlSlow, Samba


def events(reader: Format, text: str) -> list[tuple[int, LogEvent | Header | None]]:
    joiner, found = reader.joiner, []
    assert joiner is not None
    for number, line in enumerate(text.splitlines(), 1):
        found += [(record.number, reader.parse(record.text)) for record in joiner.feed(Line(0, number, line))]
    return found + [(record.number, reader.parse(record.text)) for record in joiner.finish()]


def test_queries_of_one_second_share_their_time_and_are_events_of_their_own() -> None:
    text = """\
# Time: 240501 10:00:00
# User@Host: shop[shop] @ web1 [192.0.2.1]
# Query_time: 12.5  Lock_time: 0.0 Rows_sent: 1  Rows_examined: 900000
SET timestamp=1714557600;
SELECT * FROM orders WHERE id IN (7, 8) AND name = 'O''Hara';
# User@Host: root[root] @ localhost []
# Query_time: 3.0  Lock_time: 0.0 Rows_sent: 0  Rows_examined: 0
SET timestamp=1714557600;
DROP TABLE orders;
/usr/sbin/mysqld, Version: 8.0.36 (MySQL Community Server - GPL). started with:"""
    select, drop, start = events(MysqlSlow(), text)
    assert select == (
        1,
        LogEvent(
            "SELECT * FROM orders WHERE id IN (?, ?) AND name = ?;",
            True,
            1714557600.0,
            {"user": "shop", "address": "192.0.2.1"},
            {"query_time": "1e1", "rows_examined": "1e5"},
        ),
    )
    assert drop == (
        6,
        LogEvent(
            "DROP TABLE orders;", True, 1714557600.0, {"user": "root"}, {"query_time": "1e0", "rows_examined": "0"}
        ),
    )
    assert start == (10, HEADER)


def test_a_record_without_end_takes_bounded_memory() -> None:
    reader = MysqlSlow()
    text = "\n".join(["# Time: 240501 10:00:00", *["INSERT INTO t VALUES (1)" * 40] * 500])
    joiner = reader.joiner
    records = [
        record for number, line in enumerate(text.split("\n"), 1) for record in joiner.feed(Line(0, number, line))
    ]
    (record,) = (*records, *joiner.finish())
    assert len(record.text) < 2 * MAX_RECORD


def test_samba_names_the_user_the_address_and_the_function() -> None:
    text = """\
[2024/05/01 10:00:00.000000,  2, pid=811, effective(0, 0), real(0, 0)] ../../source3/auth/auth.c:345(auth_check_ntlm)
  auth_check_ntlm:  Authentication for user [root] -> [root] FAILED with error NT_STATUS_NO_SUCH_USER
[2024/05/01 10:00:01,  0] smbd/service.c:make_connection(794)
  192.0.2.3 (192.0.2.3) couldn't find service admin$"""
    (_, first), (number, second) = events(Samba(), text)
    assert isinstance(first, LogEvent)
    assert isinstance(second, LogEvent)
    assert first.entities == {"process": "811", "user": "root"}
    assert str(first.event).startswith("auth_check_ntlm: Authentication for user [root]")
    assert (number, second.time, second.entities) == (3, 1714557601.0, {"address": "192.0.2.3"})
    assert second.event == "make_connection: 192.0.2.3 (192.0.2.3) couldn't find service admin$"


def test_times_of_the_kernel_are_seconds_since_the_start() -> None:
    for text in ("[   12.000001] usb 1-1: new device", "<6>[   12.000001] usb 1-1: new device"):
        event = Dmesg().parse(text)
        assert event == LogEvent("usb 1-1: new device", True, 12.000001)
    event = Dmesg().parse("kern  :warn  : [   12.000001][    T1] usb 1-1: new device")
    assert event == LogEvent("usb 1-1: new device", True, 12.000001, {}, {"level": "warn"})
    assert Dmesg().parse("[2024-05-01 10:00:00] no kernel") is None


def test_the_label_of_a_line_of_a_cluster_is_no_part_of_its_event() -> None:
    line = "1117869872 2005.06.04 R04-M1 2005-06-04-00.24.32.432192 R04-M1 RAS APP FATAL ciod: failed to read"
    labelled, other = Cluster().parse(f"APPREAD {line}"), Cluster().parse(f"- {line}")
    assert labelled == other
    assert labelled == LogEvent(
        "RAS APP FATAL: ciod: failed to read",
        True,
        1117869872.0,
        {"host": "R04-M1"},
        {"level": "fatal", "facility": "RAS APP"},
    )
