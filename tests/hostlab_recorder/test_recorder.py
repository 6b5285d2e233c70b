import contextlib
import gzip
import importlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest

from trine.datasets.catalogue import CATALOGUE

ROOT = Path(__file__).resolve().parents[2]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

laboratory = importlib.import_module("hostlab_recorder.laboratory")
misuse = importlib.import_module("hostlab_recorder.misuse")
record = importlib.import_module("hostlab_recorder.record")
trace = importlib.import_module("hostlab_recorder.trace")


def can_trace() -> bool:
    strace = shutil.which("strace")
    return (
        bool(strace and shutil.which("bash"))
        and not subprocess.run([strace, "-f", "-o", os.devnull, "true"], capture_output=True, check=False).returncode
    )


traced = pytest.mark.skipif(not can_trace(), reason="strace or bash is missing, or tracing is not allowed here")
KINDS = trace.Kinds(Path("/tmp/hostlab-a/site"), frozenset({5000, 5001}))


def call(name: str, arguments: str):
    return trace.Call(1, 0.0, name, arguments)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/tmp/hostlab-a/site/etc/credentials", "etc"),
        ("/tmp/hostlab-a/site/upload/x.txt", "upload"),
        ("/tmp/hostlab-a/site/data/docs/../../home/ada/note1.txt", "home"),
        ("/tmp/hostlab-a/site/data/docs/../../etc/keys", "etc"),
        ("/tmp/hostlab-a/site/etcetera", "tmp"),
        ("/etc/ld.so.cache", "etc"),
        ("/usr/bin/wc", "bin"),
        ("/lib/x86_64-linux-gnu/libc.so.6", "lib"),
        (f"{sys.base_prefix}/lib/python3/json.py", "lib"),
        ("/proc/self/fd", "proc"),
        ("/dev/null", "dev"),
        ("/", "other"),
        ("upload/x.txt", "upload"),
        ("../../elsewhere", "tmp"),
    ],
)
def test_a_path_has_a_coarse_kind(path, kind):
    assert KINDS.of_path(path) == kind


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (
            '3<socket:[1]>, {sa_family=AF_INET, sin_port=htons(5001), sin_addr=inet_addr("127.0.0.1")}, 16',
            "loopback-service",
        ),
        ('3, {sa_family=AF_INET, sin_port=htons(4444), sin_addr=inet_addr("127.0.0.1")}, 16', "loopback-other"),
        ('3, {sa_family=AF_INET, sin_port=htons(5000), sin_addr=inet_addr("10.0.0.1")}, 16', "other"),
        ('3, {sa_family=AF_UNIX, sun_path="/var/run/nscd/socket"}, 110', "unix"),
        ("3, NULL, 0", "none"),
    ],
)
def test_an_address_has_a_coarse_kind(arguments, kind):
    assert KINDS.of_address(arguments) == kind


@pytest.mark.parametrize(
    ("name", "arguments", "event"),
    [
        ("openat", 'AT_FDCWD</tmp/hostlab-a/site>, "home/ada/profile.json", O_RDONLY) = 3</x>', "openat:home"),
        ("openat", 'AT_FDCWD</tmp/hostlab-a/site/etc>, "keys", O_RDONLY) = 3', "openat:etc"),
        ("unlinkat", '4</tmp/hostlab-a/site/upload>, "a\\"b", 0) = 0', "unlinkat:upload"),
        ("execve", '"/usr/bin/wc", ["wc", "-l"], 0x7ff /* 2 vars */) = 0', "execve:bin"),
        ("newfstatat", '3</etc/hosts>, "", {st_mode=S_IFREG|0644}, AT_EMPTY_PATH) = 0', "newfstatat"),
        ("read", '3</etc/hosts>, "/home/x", 4096) = 7', "read"),
        (
            "connect",
            '3, {sa_family=AF_INET, sin_port=htons(1), sin_addr=inet_addr("127.0.0.1")}, 16) = 0',
            "connect:loopback-other",
        ),
    ],
)
def test_an_event_is_the_call_and_the_kind_of_its_main_argument(name, arguments, event):
    assert KINDS.event(call(name, arguments)) == event


LINES = """\
10 100.000000 accept4(3, {sa_family=AF_INET, sin_port=htons(40001), sin_addr=inet_addr("127.0.0.1")}, [16], 0) = 4
10 100.000100 clone(child_stack=NULL, flags=SIGCHLD <unfinished ...>
11 100.000200 read(4<socket:[2]>,  <unfinished ...>
10 100.000300 <... clone resumed>, child_tidptr=0x7f) = 11
10 100.000400 accept4(3<socket:[1]>,  <unfinished ...>
11 100.000500 <... read resumed>"GET /", 64) = 5
11 100.000600 vfork( <unfinished ...>
12 100.000700 execve("/usr/bin/wc", ["wc"], 0x7f /* 1 vars */) = 0
11 100.000800 <... vfork resumed>)         = 12
11 100.000900 wait4(12,  <unfinished ...>
12 100.001000 exit_group(0)                     = ?
12 100.001100 +++ exited with 0 +++
11 100.001200 <... wait4 resumed>, 0, NULL) = 12
10 100.001300 <... accept4 resumed>{sa_family=AF_INET, sin_port=htons(40002), sin_addr=inet_addr("127.0.0.1")}) = 4
10 100.001400 clone(child_stack=NULL, flags=SIGCHLD) = 13
13 100.002400 close(3) = 0
""".splitlines()


def test_a_session_is_the_process_of_a_connection_and_its_children():
    first, second = trace.Trace(LINES, server=10).sessions(KINDS)
    assert first.port == 40001
    assert first.events == ["read", "vfork", "execve:bin", "wait4", "exit_group"]
    assert first.processes == [0, 0, 1, 0, 1]
    assert first.times == pytest.approx([0, 0.0004, 0.0005, 0.0007, 0.0008], abs=1e-6)
    assert (second.port, second.events) == (40002, ["close"])


def test_a_port_that_two_connections_had_is_left_out():
    again = [line.replace("40002", "40001") for line in LINES]
    assert list(trace.Trace(again, server=10).sessions(KINDS)) == []


def test_a_process_number_used_twice_is_an_error():
    with pytest.raises(ValueError, match="born twice"):
        trace.Trace([line.replace("= 13", "= 11") for line in LINES], server=10)


def listening(processes: set[int]) -> list[str]:
    """The hexadecimal addresses that these processes listen on."""
    inodes = {
        link.readlink().name if "socket" not in str(link.readlink()) else str(link.readlink())[8:-1]
        for process in processes
        for link in Path(f"/proc/{process}/fd").iterdir()
        if link.is_symlink()
    }
    rows = [
        line.split() for table in ("tcp", "tcp6") for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    ]
    return [row[1].split(":")[0] for row in rows if row[3] == "0A" and row[9] in inodes]


@traced
def test_the_laboratory_listens_on_loopback_only_and_answers_no_stranger():
    with laboratory.laboratory(1) as lab:
        own = listening({lab.server, os.getpid()})
        assert len(own) >= 3
        assert set(own) == {"0100007F"}
        with socket.create_connection(("127.0.0.1", lab.port)) as link:
            link.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert link.recv(64).startswith(b"HTTP/1.1 403")


@traced
def test_nothing_is_left_when_the_laboratory_ends_even_by_an_error():
    with contextlib.suppress(KeyError), laboratory.laboratory(1) as lab:
        session, folder, port = lab.tracer.pid, lab.root.parent, lab.port
        raise KeyError
    assert laboratory.members(session) == []
    assert not folder.exists()
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port), timeout=1)


@traced
def test_a_job_that_hangs_is_ended_with_the_laboratory(monkeypatch):
    monkeypatch.setattr(laboratory, "STOP_SECONDS", 1.0)
    with laboratory.laboratory(1) as lab:
        hung = subprocess.Popen(["sleep", "60"], process_group=0)
        link = socket.create_connection(("127.0.0.1", lab.port))
        body = b"report=words&file=x%3B+sleep+60"
        link.sendall(
            b"POST /job/report HTTP/1.1\r\nX-Key: %s\r\nContent-Length: %d\r\n\r\n" % (lab.key.encode(), len(body))
            + body
        )
        time.sleep(0.5)
        session = lab.tracer.pid
        assert len(laboratory.members(session)) >= 4
    link.close()
    assert laboratory.members(session) == []
    assert hung.poll() is None, "a process that the laboratory did not start was ended"
    os.kill(hung.pid, signal.SIGKILL)
    hung.wait()


@traced
def test_a_small_recording_has_every_kind_and_leaves_no_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    dropped: Counter[str] = Counter()
    rows = list(record.record([record.Run("test", 3, normal=6, misuse=1)], dropped))
    assert list((tmp_path / "scratch").iterdir()) == []
    assert Counter(row.kind for row in rows) == {"normal": 6} | dict.fromkeys(misuse.ACTS, 1)
    assert not +dropped
    seen = {row.kind: set(row.session.events) for row in rows}
    assert "connect:loopback-other" in seen["connect_back"]
    assert "execve:tmp" in seen["dropped_executable"]
    assert "openat:home" in seen["bulk_read"]
    assert "execve:bin" in seen["command_injection"] & seen["shell_spawned"]
    assert all(row.session.times == sorted(row.session.times) for row in rows)
    record.write(rows, tmp_path / "a.tsv.gz")
    lines = gzip.decompress((tmp_path / "a.tsv.gz").read_bytes()).decode().splitlines()
    assert lines[0].split("\t") == list(record.COLUMNS)
    for line in lines[1:]:
        events, times, processes = (cell.split(" ") for cell in line.split("\t")[4:])
        assert len(events) == len(times) == len(processes)
        assert float(times[0]) == 0
        assert processes[0] == "0"


def test_the_same_seed_plans_the_same_visits_and_misuse_is_only_where_it_is_asked_for():
    one, two = (record.visits(record.Run("train", 5, 20, 0)) for _ in range(2))
    assert [(visit.kind, visit.steps, visit.seed) for visit in one] == [
        (visit.kind, visit.steps, visit.seed) for visit in two
    ]
    assert {visit.act for visit in one} == {"normal"}


def test_no_folder_of_the_repository_hides_a_named_data_set():
    assert {path.name for path in ROOT.iterdir()} & set(CATALOGUE) == set()
