import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.errors import UsageError
from trine.logs.formats import FORMATS, Pattern, format_of, guess_format
from trine.logs.log_event import seconds

EXAMPLES = {
    "audit": [
        "type=SYSCALL msg=audit(1364481363.243:24287): arch=c000003e syscall=2 success=no exit=-13 pid=3538 auid=1000 "
        'ses=1 comm="cat" exe="/bin/cat"',
        'type=USER_LOGIN msg=audit(1364481364.1:24288): pid=1 uid=0 ses=2 msg=\'op=login acct="root" '
        'exe="/usr/sbin/sshd" '
        "hostname=? addr=10.0.0.7 terminal=ssh res=failed'",
    ],
    "strace": [
        '[pid  4242] 1700000000.100000 openat(AT_FDCWD, "/etc/passwd", O_RDONLY) = -1 ENOENT (No such file)',
        "4243 1700000000.200000 read(3,  <unfinished ...>",
        '4243 1700000000.300000 <... read resumed>"", 4096) = 0',
        "--- SIGCHLD {si_signo=SIGCHLD} ---",
        "4243 1700000000.400000 +++ exited with 0 +++",
    ],
    "web": [
        '10.0.0.1 - ann [10/Oct/2000:13:55:36 -0700] "GET /blog/2024/may.html?x=1 HTTP/1.0" 200 26 "http://a/" "Moz"',
        '10.0.0.2 - - [10/Oct/2000:13:55:37 -0700] "\\x16\\x03" 400 0',
    ],
    "json": [
        '{"time": "2024-05-01T10:00:00Z", "user": "ann", "action": "login", "result": "ok"}',
        '{"ts": 1714557600, "host": "web1", "message": "Accepted password for ann from 10.0.0.1", "level": "info"}',
    ],
    "syslog5424": [
        "<34>1 2003-10-11T22:14:15.003Z web1 su 77 ID47 [a@1 b=\"c\"] 'su root' failed for ann on /dev/pts/8"
    ],
    "syslog-iso": ["2024-05-01T10:00:00.123456+02:00 web1 sshd[7]: Invalid user admin from 10.0.0.9"],
    "syslog": ["Dec 31 23:59:59 web1 sshd[7]: Failed password for root from 10.0.0.9 port 22 ssh2"],
    "plain": ["something happened to disk 7"],
}


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_format_is_guessed_from_its_lines(name: str) -> None:
    assert guess_format(EXAMPLES[name] * 5) == name


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_an_example_that_it_reads(name: str) -> None:
    assert all(FORMATS[name]().parse(line) is not None for line in EXAMPLES[name])


@given(line=st.text(max_size=120) | st.sampled_from([line for lines in EXAMPLES.values() for line in lines]))
@pytest.mark.parametrize("name", FORMATS)
def test_no_line_breaks_a_format(name: str, line: str) -> None:
    event = FORMATS[name]().parse(line)
    assert event is None or event.event


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("filling", ["a-", "1:", '"', "=", "[", "a=b ", "\\", " "])
def test_a_long_line_takes_no_time(name: str, filling: str) -> None:
    for line in EXAMPLES[name]:
        FORMATS[name]().parse(line + filling * (1_000_000 // len(filling)))
        FORMATS[name]().parse(line[: len(line) // 2] + filling * (100_000 // len(filling)))


def test_strace_gives_calls_processes_times_and_results() -> None:
    events = [FORMATS["strace"]().parse(line) for line in EXAMPLES["strace"]]
    assert [event and event.event for event in events] == ["openat", "read", "resumed", "SIGCHLD", "exited"]
    assert events[0] is not None
    assert (events[0].entities, events[0].time) == ({"process": "4242"}, 1700000000.1)
    assert events[0].attributes == {"result": "ENOENT"}


def test_audit_gives_who_and_the_outcome() -> None:
    call, login = (FORMATS["audit"]().parse(line) for line in EXAMPLES["audit"])
    assert call is not None
    assert login is not None
    assert (call.event, call.entities["session"], call.attributes["command"]) == ("SYSCALL:2:no", "1", "cat")
    assert (login.event, login.entities["user"], login.entities["address"]) == (
        "USER_LOGIN:login:failed",
        "root",
        "10.0.0.7",
    )


def test_web_gives_the_kind_of_request() -> None:
    page, noise = (FORMATS["web"]().parse(line) for line in EXAMPLES["web"])
    assert page is not None
    assert noise is not None
    assert (page.event, page.entities, page.time) == (
        "GET /blog/.html 200",
        {"address": "10.0.0.1", "user": "ann"},
        971211336.0,
    )
    assert noise.event == "? / 400"


def test_syslog_gives_host_process_user_and_address() -> None:
    event = FORMATS["syslog"]().parse(EXAMPLES["syslog"][0])
    assert event is not None
    assert event.entities == {"host": "web1", "process": "sshd[7]", "user": "root", "address": "10.0.0.9"}


def test_a_new_year_goes_forward_in_syslog() -> None:
    syslog = FORMATS["syslog"]()
    old, new = (syslog.parse(f"{day} web1 a: b") for day in ("Dec 31 23:59:59", "Jan  1 00:00:01"))
    assert old is not None
    assert new is not None
    assert (new.time or 0) - (old.time or 0) == 2


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1700000000.5", 1700000000.5),
        ("1700000000500", 1700000000.5),
        ("1970-01-01T00:01:00Z", 60),
        ("00:01:01.5", 61.5),
    ]
    + [(text, None) for text in ("", "soon", "99:99:99/x", "2024-13-01T00:00:00", "9" * 400)],
)
def test_a_time_is_seconds_or_unknown(text: str, expected: float | None) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("pattern", ["(", "(?P<time>x)"])
def test_a_pattern_that_cannot_work_is_wrong_use(pattern: str) -> None:
    with pytest.raises(UsageError, match="pattern"):
        Pattern(pattern)


def test_a_pattern_names_the_event_the_entity_and_attributes() -> None:
    pattern = Pattern(r"(?P<time>\d+) (?P<user>\w+) (?P<event>\w+) (?P<level>\w+)?")
    event = pattern.parse("1700000000 ann login ")
    assert event is not None
    assert (pattern.entity, event.event, event.mined, event.time) == ("user", "login", False, 1.7e9)
    assert (event.entities, event.attributes) == ({"user": "ann"}, {})
    assert pattern.parse("nothing of that form") is None


def test_a_format_is_named_given_as_a_pattern_or_guessed() -> None:
    assert format_of(EXAMPLES["web"]).name == "web"
    assert format_of(EXAMPLES["web"], "plain").name == "plain"
    assert format_of(EXAMPLES["web"], "plain", r"(?P<event>\w+)").name == "pattern"
    with pytest.raises(UsageError, match="format 'nothing': choose one of audit"):
        format_of([], "nothing")
