"""The journal of a systemd-journald that the test starts, read by cursor."""

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.following import Follower
from trine.errors import DataError
from trine.live import journal_source
from trine.live.journal_source import JournalSource

DAEMON = Path("/lib/systemd/systemd-journald")


class Journal:
    """A journal with a namespace of its own."""

    def __init__(self) -> None:
        self.follower: Follower | None = None
        self.namespace = f"trine{os.getpid()}"
        self.socket = Path(f"/run/systemd/journal.{self.namespace}/socket")
        self.process = subprocess.Popen([DAEMON, self.namespace], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 10
        while not self.socket.exists() and time.monotonic() < end and self.process.poll() is None:
            time.sleep(0.02)
        if not self.socket.exists():
            self.close()
            pytest.skip("systemd-journald does not start here")

    def write(self, message: bytes) -> None:
        """An entry by the native protocol, which takes any bytes."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            content = b"MESSAGE\n" + len(message).to_bytes(8, "little") + message + b"\nPRIORITY=6\n"
            client.sendto(content, str(self.socket))

    def write_large(self, message: bytes) -> None:
        """An entry that no datagram holds: in a sealed piece of memory whose handle is sent."""
        memory = os.memfd_create("entry", os.MFD_ALLOW_SEALING)
        os.write(memory, b"MESSAGE=" + message + b"\n")
        fcntl.fcntl(memory, fcntl.F_ADD_SEALS, 0xF)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as client:
            client.connect(str(self.socket))
            socket.send_fds(client, [b""], [memory])
        os.close(memory)

    def follow(self) -> Follower:
        self.follower = Follower(lambda: JournalSource([f"--namespace={self.namespace}"]))
        return self.follower

    def close(self) -> None:
        if self.follower is not None:
            self.follower.kill()
        self.process.terminate()
        self.process.wait(10)
        shutil.rmtree(self.socket.parent, ignore_errors=True)
        for parent in ("/var/log/journal", "/run/log/journal"):
            for folder in Path(parent).glob(f"*.{self.namespace}"):
                shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def journal() -> Iterator[Journal]:
    if os.geteuid() != 0 or not DAEMON.exists() or shutil.which("journalctl") is None:
        pytest.skip("a journal of its own needs root, systemd-journald and journalctl")
    opened = Journal()
    yield opened
    opened.close()


def messages(follower: Follower) -> list[str]:
    entries = [json.loads(text) for text in follower.texts]
    return [entry["MESSAGE"] for entry in entries if entry.get("_TRANSPORT") == "journal"]


def until(follower: Follower, count: int, seconds: float = 15) -> list[str]:
    end = time.monotonic() + seconds
    while len(messages(follower)) < count and time.monotonic() < end:
        follower.poll()
        time.sleep(0.02)
    return messages(follower)


def test_entries_are_read_from_the_beginning_and_go_on_behind_the_cursor(journal):
    for i in range(20):
        journal.write(b"entry %d" % i)
    follower = journal.follow()
    assert until(follower, 20) == [f"entry {i}" for i in range(20)]
    journal.write(b"entry 20")
    assert until(follower, 21)[-1] == "entry 20"
    follower.kill()
    for i in range(21, 60):  # more than the ten with which `journalctl --follow` begins by itself
        journal.write(b"entry %d" % i)
    follower.start()
    journal.write(b"entry 60")
    assert until(follower, 61) == [f"entry {i}" for i in range(61)]


def test_what_was_not_committed_is_read_again(journal):
    for i in range(50):
        journal.write(b"entry %d" % i)
    follower = journal.follow()
    until(follower, 10)
    journal.write(b"entry 50")
    for _ in range(20):
        follower.poll(commit=False)
        time.sleep(0.02)
    follower.kill()
    follower.start()
    assert until(follower, 51) == [f"entry {i}" for i in range(51)]


def test_a_journalctl_that_is_killed_is_started_again(journal, monkeypatch):
    monkeypatch.setattr(journal_source, "_PAUSE", 0.05)
    journal.write(b"before")
    follower = journal.follow()
    until(follower, 1)
    os.kill(follower.source._process.pid, signal.SIGKILL)
    journal.write(b"after")
    assert until(follower, 2) == ["before", "after"]
    assert "journalctl ended" in follower.reasons


def test_any_bytes_in_an_entry_are_read(journal):
    journal.write(b"line one\nline two \xff\xfe \x00 \x1b[31m")
    journal.write(b"after")
    follower = journal.follow()
    found = until(follower, 2)
    assert bytes(found[0]) == b"line one\nline two \xff\xfe \x00 \x1b[31m"  # journalctl writes such text as numbers
    assert found[1] == "after"


def test_an_entry_of_ten_megabytes_is_one_line(journal):
    journal.write_large(b"x" * 10_000_000)
    journal.write(b"after")
    follower = journal.follow()
    assert [len(message) for message in until(follower, 2)] == [10_000_000, 5]


def test_without_journalctl_it_is_said(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(DataError, match="no journalctl on this machine"):
        JournalSource()
