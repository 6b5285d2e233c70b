"""What the words of the command mean."""

from pathlib import Path

import pytest

from tests.live.following import Follower
from trine.errors import DataError, UsageError
from trine.live.file_source import FileSource
from trine.live.source import Source
from trine.live.sources import parse_source, parse_sources


@pytest.mark.parametrize(
    ("word", "kind", "name"),
    [
        ("/var/log/auth.log", "FileSource", "/var/log/auth.log"),
        ("/var/log/*.log", "FileSource", "/var/log/*.log"),
        ("-", "StdinSource", "-"),
        ("/dev/stdin", "StdinSource", "-"),
        ("syslog+udp://:0", "SyslogSource", "syslog+udp://127.0.0.1:0"),
        ("syslog+tcp://0.0.0.0:0", "SyslogSource", "syslog+tcp://0.0.0.0:0"),
        ("http://:0", "HttpSource", "http://127.0.0.1:0"),
    ],
)
def test_a_word_is_a_source_and_servers_listen_on_loopback_unless_told(word, kind, name, monkeypatch):
    if kind == "HttpSource":
        pytest.importorskip("uvicorn", reason="the extra `live` is not installed")
        pytest.importorskip("starlette", reason="the extra `live` is not installed")
    with Path("/dev/null").open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        source = parse_source(word)
    assert type(source).__name__ == kind
    assert source.name == name
    assert isinstance(source, Source)
    source.close()
    assert source.ended


def test_parts_of_the_journal_are_chosen_by_options(monkeypatch, tmp_path):
    (tmp_path / "journalctl").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert parse_source("journald:").name == "journald:"
    assert parse_source("journald:?unit=ssh.service&priority=4").name == "journald:--unit=ssh.service --priority=4"


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("", "empty word"),
        ("nats://host:1", "nats://host:1: no source; give a file"),
        ("kafka://host:1/logs", "kafka://host:1/logs: a topic is read alone"),
        ("syslog+tpc://host:1", r"did you mean 'syslog\+tcp'"),
        ("syslog+tcp://host:port", "Port could not be cast"),
        ("syslog+tls://:0", "needs \\?cert=FILE&key=FILE"),
        ("syslog+udp://:0?cert=x", "no option 'cert' here"),
        ("/dev/null", "a named pipe or a device"),
        ("journald:?units=ssh", "did you mean 'unit'"),
    ],
)
def test_a_wrong_word_is_said(word, said):
    with pytest.raises(UsageError, match=said):
        parse_source(word)


@pytest.mark.parametrize("word", ["http://:0", "syslog+udp://:0", "journald:"])
def test_what_has_no_end_is_not_read_once(word):
    with pytest.raises(UsageError, match="has no end, and --once reads to the end"):
        parse_source(word, follow=False)


def test_a_standard_input_that_is_closed_is_said(monkeypatch):
    monkeypatch.setattr("sys.stdin", None)
    with pytest.raises(DataError, match="the standard input is closed"):
        parse_source("-")


def test_a_file_that_is_not_there_is_awaited_unless_it_is_read_once(tmp_path):
    FileSource([str(tmp_path / "a.log")]).resume(None)
    with pytest.raises(DataError, match=r"a\.log: no such file"):
        FileSource([str(tmp_path / "a.log")], follow=False).resume(None)


def test_a_source_given_twice_is_refused():
    with pytest.raises(UsageError, match=r"a.log: given twice"):
        parse_sources(["a.log", "b.log", "a.log"])


def test_files_that_are_not_followed_end(tmp_path):
    (tmp_path / "a.log").write_text("one\ntwo")
    follower = Follower(lambda: FileSource([str(tmp_path / "a.log")], follow=False))
    follower.until(2)
    assert follower.texts == ["one", "two"]
    assert follower.source.ended
    follower.kill()
    follower.start()
    follower.until(3, 0.5)
    assert follower.texts == ["one", "two"]
    assert follower.source.ended
