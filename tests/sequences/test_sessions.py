import gzip
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trine.errors import DataError, TrineError, UsageError
from trine.sequences.formats import FORMATS, Pattern, guess_format
from trine.sequences.log_event import seconds
from trine.sequences.sessions import read_log
from trine.sequences.table import SequenceTable

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
anywhere = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def write(path: Path, lines: list[str] | bytes) -> Path:
    path.write_bytes(lines if isinstance(lines, bytes) else ("\n".join(lines) + "\n").encode())
    return path


def words_of(table: SequenceTable, i: int) -> list[str]:
    return [table.vocabulary[code] for code in table.sequence(i)]


# --- formats


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
    ("said", "expected"),
    [
        ("1700000000.5", 1700000000.5),
        ("1700000000500", 1700000000.5),
        ("1970-01-01T00:01:00Z", 60),
        ("00:01:01.5", 61.5),
    ]
    + [(said, None) for said in ("", "soon", "99:99:99/x", "2024-13-01T00:00:00", "9" * 400)],
)
def test_a_time_is_seconds_or_unknown(said: str, expected: float | None) -> None:
    assert seconds(said) == expected


# --- sessions


def test_a_session_is_an_entity_until_a_gap(tmp_path: Path) -> None:
    lines = [f"{time} {who} does {what}" for time, who, what in [
        ("1700000000", "ann", "login"), ("1700000010", "bob", "login"), ("1700000020", "ann", "read"),
        ("1700009000", "ann", "logout"),
    ]]  # fmt: skip
    pattern = r"(?P<time>\d+) (?P<user>\w+) does (?P<event>\w+)"
    reading = read_log(write(tmp_path / "a.log", lines), pattern=pattern, gap_seconds=600)
    table = reading.table
    assert (reading.format, reading.guessed, reading.entity) == ("pattern", False, "user")
    assert table.names.tolist() == ["ann", "bob", "ann#2"]
    assert [words_of(table, i) for i in range(3)] == [["login", "read"], ["login"], ["logout"]]
    assert table.times is not None
    assert table.times.tolist() == [1700000000, 1700000020, 1700000010, 1700009000]
    assert len(read_log(tmp_path / "a.log", pattern=pattern, gap_seconds=None).table) == 2


def test_attributes_survive_into_the_table(tmp_path: Path) -> None:
    table = read_log(write(tmp_path / "a.log", EXAMPLES["strace"]), format="strace").table
    result = table.attributes["result"]
    assert table.names.tolist() == ["4242", "4243", "0"]
    assert [result.values[code] for code in result.codes] == ["ENOENT", "", "ok", "", ""]


def test_free_text_becomes_its_final_template(tmp_path: Path) -> None:
    users = ["ann", "bob", "cyd", "dan", "eve"]
    lines = [f"Dec 10 06:55:4{i} web1 sshd[{i}]: Invalid login {user} here" for i, user in enumerate(users)]
    reading = read_log(write(tmp_path / "a.log", lines))
    assert (reading.format, reading.guessed) == ("syslog", True)
    assert reading.table.vocabulary == ("sshd: Invalid login <*> here",)
    again = read_log(tmp_path / "a.log", miner=reading.miner, learn=False)
    assert again.table.vocabulary == reading.table.vocabulary
    assert again.table.fingerprint == reading.table.fingerprint


@anywhere
@given(who=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 50)), min_size=1, max_size=30), gap=st.integers(1, 20))
def test_sessions_hold_every_event_once_and_in_order(tmp_path: Path, who: list[tuple[int, int]], gap: int) -> None:
    lines = [f"{1000 + time} u{user} e{number}" for number, (user, time) in enumerate(who)]
    pattern = r"(?P<time>\d+) (?P<user>\w+) (?P<event>\w+)"
    table = read_log(write(tmp_path / "a.log", lines), pattern=pattern, gap_seconds=gap).table
    sequences = [words_of(table, i) for i in range(len(table))]
    assert sorted(word for sequence in sequences for word in sequence) == sorted(f"e{i}" for i in range(len(who)))
    for i, sequence in enumerate(sequences):
        numbers = [int(word[1:]) for word in sequence]
        assert numbers == sorted(numbers)
        assert {f"u{who[number][0]}" for number in numbers} == {table.names[i].split("#")[0]}
        times = np.asarray(table.times)[table.offsets[i] : table.offsets[i + 1]]
        assert ((np.diff(times) >= 0) & (np.diff(times) <= gap)).all()


@pytest.mark.skipif("TRINE_DATA" not in os.environ, reason="TRINE_DATA names no folder of data sets")
@pytest.mark.parametrize("entity", ["process", "address"])
def test_a_raw_ssh_log_becomes_sessions(entity: str) -> None:
    path = Path(os.environ["TRINE_DATA"]) / "ssh" / "openssh_2k_loghub.log.gz"
    if not path.exists():
        pytest.skip("the log is not there")
    reading = read_log(path, entity=entity)
    assert (reading.format, reading.guessed) == ("syslog", True)
    assert "sshd: Failed password for <*> from <*> port <*>" in reading.table.vocabulary
    assert len(reading.table.vocabulary) < 30
    assert len(reading.table) > 30


# --- bad input


@anywhere
@given(raw=st.binary(max_size=300))
@pytest.mark.parametrize("name", [None, *FORMATS])
def test_arbitrary_bytes_end_in_a_table_or_a_named_error(tmp_path: Path, name: str | None, raw: bytes) -> None:
    path = write(tmp_path / "a.log", raw)
    try:
        said = str(len(read_log(path, format=name).table))
    except TrineError as error:
        said = str(error)
    assert said.isdigit() or "a.log" in said


def test_an_empty_log_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.log: the log is empty"):
        read_log(write(tmp_path / "a.log", b""))


def test_a_log_of_another_format_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="0 lines are events of the format strace, 1 are not"):
        read_log(write(tmp_path / "a.log", EXAMPLES["plain"]), format="strace")


def test_a_few_lines_of_another_format_are_left_out_by_name(tmp_path: Path) -> None:
    table = read_log(write(tmp_path / "a.log", EXAMPLES["syslog"] * 9 + EXAMPLES["web"])).table
    assert len(table.events) == 9
    assert table.skipped == ("a.log: not of the format syslog, left out (2: line 10, line 11)",)


def test_a_truncated_gz_is_a_clear_error(tmp_path: Path) -> None:
    whole = gzip.compress("\n".join(f"{i * i} things" for i in range(20_000)).encode())
    with pytest.raises(DataError, match="cut off or damaged"):
        read_log(write(tmp_path / "a.log.gz", whole[: len(whole) // 2]))


def test_a_line_of_10_mb_is_left_out_by_name(tmp_path: Path) -> None:
    table = read_log(write(tmp_path / "a.log", b"one\n" + b"x" * 10_000_000 + b"\nthree\n")).table
    assert len(table.events) == 2
    assert "longer than 1,048,576 bytes, left out (1: line 2)" in table.skipped[0]


def test_invalid_utf_8_is_kept_and_counted(tmp_path: Path) -> None:
    table = read_log(write(tmp_path / "a.log", b"caf\xe9 opens\n")).table
    assert "not UTF-8" in table.skipped[0]


def test_times_that_run_backwards_are_held_and_counted(tmp_path: Path) -> None:
    table = read_log(write(tmp_path / "a.log", ["1700000005 a", "1700000003 b", "1700000006 c"])).table
    assert table.times is not None
    assert table.times.tolist() == [1700000005, 1700000005, 1700000006]
    assert table.skipped == ("a.log: times run backwards, held at the latest so far (1: by 2 s)",)


def test_lines_without_the_entity_are_counted(tmp_path: Path) -> None:
    lines = ["Dec 10 06:55:46 web1 a: b", *EXAMPLES["syslog"] * 2]
    table = read_log(write(tmp_path / "a.log", lines), entity="address").table
    assert table.skipped == ("a.log: no address, in no session (1: line 1)",)


@pytest.mark.parametrize("pattern", ["(", "(?P<time>x)"])
def test_a_pattern_that_cannot_work_is_wrong_use(pattern: str) -> None:
    with pytest.raises(UsageError, match="pattern"):
        Pattern(pattern)


def test_an_unknown_format_or_entity_is_wrong_use(tmp_path: Path) -> None:
    path = write(tmp_path / "a.log", ["x"])
    with pytest.raises(UsageError, match="choose one of audit"):
        read_log(path, format="nothing")
    with pytest.raises(UsageError, match="choose one of host"):
        read_log(path, entity="planet")
