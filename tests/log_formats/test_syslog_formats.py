import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.errors import UsageError
from trine.log_formats import text_formats
from trine.log_formats.log_event import HEADER, Format, FormatSettings, LogEvent
from trine.log_formats.syslog_formats import Syslog, Syslog5424, SyslogFormat, SyslogIso

AUTH = "Failed password for root from 10.0.0.9 port 22 ssh2"
WHO = {"user": "root", "address": "10.0.0.9"}


def event_of(format_: type[Format], line: str) -> LogEvent:
    event = format_().parse(line)
    assert isinstance(event, LogEvent)
    return event


@pytest.mark.parametrize(
    ("line", "event", "entities", "attributes"),
    [
        (
            f"Oct 11 22:14:15 web1 sshd[7]: {AUTH}",
            f"sshd: {AUTH}",
            {"host": "web1", "process": "sshd[7]", **WHO},
            {"program": "sshd"},
        ),
        (
            "<34>Oct 11 22:14:15 mymachine su: 'su root' failed on /dev/pts/8",
            "su: 'su root' failed on /dev/pts/8",
            {"host": "mymachine", "process": "su"},
            {"program": "su", "severity": "critical"},
        ),
        (
            "Oct  1 22:14:15.123456 web1 postfix/smtpd[77]: connect from unknown[1.2.3.4]",
            "postfix/smtpd: connect from unknown[1.2.3.4]",
            {"host": "web1", "process": "postfix/smtpd[77]", "address": "1.2.3.4"},
            {"program": "postfix/smtpd"},
        ),
        (
            "Oct 11 22:14:15 web1 su(pam_unix)[7]: session opened for user ann by (uid=0)",
            "su(pam_unix): session opened for user ann by (uid=0)",
            {"host": "web1", "process": "su(pam_unix)[7]", "user": "ann"},
            {"program": "su(pam_unix)"},
        ),
        (
            "Oct 11 22:14:15 web1 systemd-user@1000[1]: started",
            "systemd-user@1000: started",
            {"host": "web1", "process": "systemd-user@1000[1]"},
            {"program": "systemd-user@1000"},
        ),
        (
            "Oct 11 22:14:15 web1 /usr/sbin/cron[7]: started",
            "/usr/sbin/cron: started",
            {"host": "web1", "process": "/usr/sbin/cron[7]"},
            {"program": "/usr/sbin/cron"},
        ),
        (
            "Jul  4 23:22:09 mac Microsoft Word[7]: Cocoa error",
            "Microsoft Word: Cocoa error",
            {"host": "mac", "process": "Microsoft Word[7]"},
            {"program": "Microsoft Word"},
        ),
        ("Oct 11 22:14:15 sshd[7]: text", "sshd: text", {"process": "sshd[7]"}, {"program": "sshd"}),
        (
            "Oct 11 22:14:15 kernel: [  123.456789] usb: new",
            "kernel: usb: new",
            {"process": "kernel"},
            {"program": "kernel"},
        ),
        ("Oct 11 22:14:15 web1 last message repeated 3 times", "last message repeated 3 times", {"host": "web1"}, {}),
        ("Oct 11 22:14:15 web1 -- MARK --", "-- MARK --", {"host": "web1"}, {}),
        (
            "Oct 11 2024 22:14:15 fw : %ASA-6-302013: Built inbound TCP connection for outside:1.2.3.4/5",
            "%ASA-6-302013: Built inbound TCP connection for outside:1.2.3.4/5",
            {"host": "fw", "process": "%ASA", "address": "1.2.3.4"},
            {"program": "%ASA-6-302013"},
        ),
        (
            "<189>29: *Mar  1 18:46:11: %SYS-5-CONFIG_I: Configured from console by vty2 (10.34.195.36)",
            "%SYS-5-CONFIG_I: Configured from console by vty2 (10.34.195.36)",
            {"process": "%SYS", "address": "10.34.195.36"},
            {"program": "%SYS-5-CONFIG_I", "severity": "notice"},
        ),
        (
            "Oct 11 22:14:15 gw kernel: [1.5] [UFW BLOCK] MAC=aa:bb:cc:dd:ee:ff SRC=1.2.3.4 DST=5.6.7.8 SPT=5 DPT=23",
            "kernel: [UFW BLOCK] MAC=aa:bb:cc:dd:ee:ff SRC=1.2.3.4 DST=5.6.7.8 SPT=5 DPT=23",
            {"host": "gw", "process": "kernel", "address": "1.2.3.4"},
            {"program": "kernel", "port": "23"},
        ),
        (
            "Oct 11 22:14:15 sun sshd[7]: [ID 800047 auth.info] Accepted password for ann from 1.2.3.4 port 5 ssh2",
            "sshd: Accepted password for ann from 1.2.3.4 port 5 ssh2",
            {"host": "sun", "process": "sshd[7]", "user": "ann", "address": "1.2.3.4"},
            {"program": "sshd"},
        ),
        (
            "Oct 11 22:14:15 web1 sshd[7]: Invalid user ${jndi:ldap://x/a} from 1.2.3.4 port 5",
            "sshd: Invalid user ${jndi:ldap://x/a} from 1.2.3.4 port 5 {scheme,template}",
            {"host": "web1", "process": "sshd[7]", "user": "${jndi:ldap://x/a}", "address": "1.2.3.4"},
            {"program": "sshd", "marks": "scheme,template"},
        ),
    ],
)
def test_bsd_syslog_in_all_variants(
    line: str, event: str, entities: dict[str, str], attributes: dict[str, str]
) -> None:
    read = event_of(Syslog, line)
    assert read.time is not None
    assert read == LogEvent(event, True, read.time, entities, attributes)


def test_bsd_syslog_with_a_year_has_its_time() -> None:
    assert event_of(Syslog, "Oct 11 2024 22:14:15 web1 sshd[7]: x").time == 1728684855.0
    assert event_of(Syslog, "Oct 11 22:14:15 2024 web1 sshd[7]: x").time == 1728684855.0


def test_a_new_year_goes_forward() -> None:
    log = Syslog()
    old, new = (log.parse(f"{day} web1 a: b") for day in ("Dec 31 23:59:59", "Jan  1 00:00:01"))
    assert isinstance(old, LogEvent)
    assert isinstance(new, LogEvent)
    assert (new.time or 0) - (old.time or 0) == 2


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "2024-05-01T12:00:00.5+02:00 web1 sshd[7]: Invalid user admin from 10.0.0.9",
            LogEvent(
                "sshd: Invalid user admin from 10.0.0.9",
                True,
                1714557600.5,
                {"host": "web1", "process": "sshd[7]", "user": "admin", "address": "10.0.0.9"},
                {"program": "sshd"},
            ),
        ),
        (
            "<13>2024-05-01T10:00:00+0000 web1 systemd[1]: Started x.",
            LogEvent(
                "systemd: Started x.",
                True,
                1714557600.0,
                {"host": "web1", "process": "systemd[1]"},
                {"program": "systemd", "severity": "notice"},
            ),
        ),
        (
            "2024-05-01T10:00:00.000000+00:00 heroku[router]: at=info",
            LogEvent("heroku: at=info", True, 1714557600.0, {"process": "heroku[router]"}, {"program": "heroku"}),
        ),
        (
            "2024-05-01T10:00:00Z web1 kernel: [  1.2] text",
            LogEvent("kernel: text", True, 1714557600.0, {"host": "web1", "process": "kernel"}, {"program": "kernel"}),
        ),
        (
            "2024-05-01 10:00:00 web1 last message repeated 2 times",
            LogEvent("last message repeated 2 times", True, 1714557600.0, {"host": "web1"}, {}),
        ),
    ],
)
def test_syslog_with_iso_times(line: str, expected: LogEvent) -> None:
    assert event_of(SyslogIso, line) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "<34>1 2003-10-11T22:14:15.003Z web1 su 77 ID47 [a@1 b=\"c\"] 'su root' failed on /dev/pts/8",
            LogEvent(
                "su: 'su root' failed on /dev/pts/8",
                True,
                1065910455.003,
                {"host": "web1", "process": "su[77]"},
                {"program": "su", "severity": "critical", "id": "ID47"},
            ),
        ),
        (
            '120 <165>1 2003-10-11T22:14:15Z - evntslog - - [a@32473 iut="3" note="x]y" user="ann" src="1.2.3.4"]'
            '[origin ip="9.9.9.9"] \ufeffAn event',
            LogEvent(
                "evntslog: An event",
                True,
                1065910455.0,
                {"user": "ann", "address": "1.2.3.4", "process": "evntslog"},
                {"program": "evntslog", "severity": "notice"},
            ),
        ),
        (
            '<165>1 2003-10-11T22:14:15Z web1 app - ID1 [first@1 a="3"][second@1 b="high"]',
            LogEvent(
                "app: ID1 first@1 second@1",
                True,
                1065910455.0,
                {"host": "web1", "process": "app"},
                {"program": "app", "severity": "notice", "id": "ID1"},
            ),
        ),
        ("<0>1 - - - - - - text", LogEvent("text", True, None, {}, {"severity": "emergency"})),
    ],
)
def test_syslog_of_rfc_5424(line: str, expected: LogEvent) -> None:
    assert event_of(Syslog5424, line) == expected


def test_a_payload_of_cef_is_the_event() -> None:
    cef = "CEF:0|V|P|1|100|worm stopped|10|src=10.0.0.2 suser=ann"
    event = event_of(Syslog, f"Oct 11 2024 22:14:15 fw {cef}")
    assert (event.event, event.time) == (("V P ", "100", ": worm stopped"), 1728684855.0)
    assert event.entities == {"host": "fw", "user": "ann", "address": "10.0.0.2"}
    assert event_of(SyslogIso, f"2024-05-01T10:00:00Z fw {cef}").event == event.event
    assert event_of(Syslog5424, f"<14>1 2024-05-01T10:00:00Z fw - - - - {cef}").event == event.event


def test_a_registered_payload_is_the_event(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(text: str) -> LogEvent | None:
        return LogEvent("login", entities={"user": json.loads(text)["user"]}) if text.startswith("{") else None

    monkeypatch.setattr(text_formats, "PAYLOADS", [read])
    for said in ('{"user": "ann"}', '@cee: {"user": "ann"}'):
        event = event_of(Syslog, f"Oct 11 22:14:15 web1 app[7]: {said}")
        assert (event.event, event.mined) == ("app: login", False)
        assert event.entities == {"host": "web1", "process": "app[7]", "user": "ann"}


@pytest.mark.parametrize("format_", [Syslog, SyslogIso])
def test_what_journalctl_says_between_the_lines(format_: type[Format]) -> None:
    assert (
        format_().parse("-- Logs begin at Mon 2024-01-01 00:00:00 UTC, end at Tue 2024-01-02 00:00:00 UTC. --")
        is HEADER
    )
    assert format_().parse("-- No entries --") is HEADER
    assert format_().parse("-- Reboot --") == LogEvent("reboot")
    assert format_().parse("-- x") is None


@pytest.mark.parametrize(
    ("format_", "line"),
    [
        (Syslog, "hello"),
        (Syslog, "2024-05-01T10:00:00Z web1 a: b"),
        (SyslogIso, "2024-05-01 10:00:00 INFO prog: text"),
        (SyslogIso, "2024-05-01 10:00:00,123 my.logger: text"),
        (SyslogIso, "2024-05-01T10:00:00Z just some words"),
        (SyslogIso, "2024-05-01 10:00:00.123 UTC [1234] LOG:  text"),
        (Syslog5424, "<34>Oct 11 22:14:15 web1 su: x"),
    ],
)
def test_other_lines_are_of_another_format(format_: type[Format], line: str) -> None:
    assert format_().parse(line) is None


def test_settings_that_cannot_be_applied_are_refused() -> None:
    with pytest.raises(UsageError, match="--event action"):
        Syslog(FormatSettings(event=("action",)))
    assert Syslog(FormatSettings(entity="host")).entity == "host"


@given(
    host=st.from_regex(r"\A(?:[\w.:\[\]-]{1,12}|INFO|ERROR)\Z"),
    tag=st.from_regex(r"\A(?:[\w./\[\]:%-]{1,12}|CEF|INFO)\Z"),
    tail=st.sampled_from([": text", " text", "[7]: text", ":", "[x]: a: b"]),
)
def test_the_usual_head_is_read_as_any_other(host: str, tag: str, tail: str) -> None:
    for format_, time in ((Syslog, "Oct 11 22:14:15"), (SyslogIso, "2024-05-01T10:00:00.5Z")):
        slow = type("Slow", (format_,), {"_usual": SyslogFormat._usual})
        line = f"{time} {host} {tag}{tail}"
        assert format_().parse(line) == slow().parse(line)


HEADS = (
    "Oct 11 22:14:15 web1 sshd[7]: ",
    "<34>Oct 11 22:14:15 ",
    "2024-05-01T10:00:00Z web1 a: ",
    "2024-05-01T10:00:00Z ",
    "<34>1 2003-10-11T22:14:15.003Z web1 su 77 ID47 ",
    "<34>1 - - - - - ",
    "",
)


@given(tail=st.text(max_size=120) | st.text(st.sampled_from('ab []:"\\=-<>%{}.0'), max_size=60), cut=st.integers(0, 60))
@pytest.mark.parametrize("format_", [Syslog, SyslogIso, Syslog5424])
def test_no_line_breaks_syslog(format_: type[Format], tail: str, cut: int) -> None:
    for head in HEADS:
        for line in (head + tail, head[:cut] + tail):
            event = format_().parse(line)
            assert event is None or event is HEADER or (isinstance(event, LogEvent) and event.event)


@given(tail=st.text(max_size=120))
def test_a_line_with_a_head_is_never_lost(tail: str) -> None:
    event = event_of(Syslog, f"Oct 11 22:14:15 web1 sshd[7]: {tail}")
    assert event.entities["process"] == "sshd[7]"


@pytest.mark.parametrize("filling", ["a", "a[", "]", ":", " ", '"', "\\", "[a ", "a-", "1:"])
@pytest.mark.parametrize("format_", [Syslog, SyslogIso, Syslog5424])
def test_a_huge_line_takes_no_time(format_: type[Format], filling: str) -> None:
    for head in HEADS:
        format_().parse(head + filling * (300_000 // len(filling)))
