"""Messages of syslog over UDP, TCP and TLS; rsyslog as the sender, with a log that is rotated."""

import os
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.live.following import Follower
from trine.errors import DataError, UsageError
from trine.live.file_source import FileSource
from trine.live.syslog_source import Frames, SyslogSource
from trine.log_formats.registry import FORMATS

OLD = b"<34>Oct 11 22:14:15 mymachine su[12]: 'su root' failed for lonvick"
NEW = b"<165>1 2003-10-11T22:14:15.003Z mymachine.example.com evntslog 77 ID47 - An event"


@contextmanager
def server(transport: str, **files: Path) -> Iterator[Follower]:
    follower = Follower(lambda: SyslogSource(transport, "127.0.0.1", 0, **files))  # type: ignore[arg-type]
    try:
        yield follower
    finally:
        follower.kill()


def send(follower: Follower, *pieces: bytes) -> None:
    with socket.create_connection(("127.0.0.1", follower.source.port)) as client:
        for piece in pieces:
            client.sendall(piece)
            follower.poll()


def test_datagrams_of_both_standards_arrive_and_are_parsed():
    with server("udp") as follower, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.connect(("127.0.0.1", follower.source.port))
        for message in (OLD, NEW, b"<13>two\nlines \xff\0"):
            client.send(message)
        assert follower.until(3) == [OLD.decode(), NEW.decode(), "<13>two#012lines \\xff"]
        assert "not UTF-8" in follower.reasons
    old, new = FORMATS["syslog"]().parse(OLD.decode()), FORMATS["syslog5424"]().parse(NEW.decode())
    assert old.entities["host"] == "mymachine"
    assert new.entities["process"] == "evntslog[77]"


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_both_framings_on_one_connection_in_pieces_of_any_size(size):
    counted = b"%d %s" % (len(OLD + b"\nmore"), OLD + b"\nmore")
    stream = counted + OLD + b"\n" + b"5 12345" + NEW + b"\0" + b"\n" + OLD + b"\r\n"
    with server("tcp") as follower:
        send(follower, *(stream[start : start + size] for start in range(0, len(stream), size)))
        expected = [OLD.decode() + "#012more", OLD.decode(), "12345", NEW.decode(), OLD.decode()]
        assert follower.until(5) == expected
        assert [number for _, number, _ in follower.lines] == [1, 2, 3, 4, 5]


def test_a_connection_that_closes_in_a_message_keeps_what_came():
    with server("tcp") as follower:
        send(follower, b"<13>no line break")
        follower.until(1)
        send(follower, b"100 <13>not all of it")
        assert follower.until(2) == ["<13>no line break", "<13>not all of it"]
        assert "closed in the middle of a message (1:" in follower.reasons


@pytest.mark.parametrize("head", [b"<13>", b"10000000 <13>"])
def test_a_message_of_ten_megabytes_is_cut_and_the_next_one_is_whole(head):
    with server("tcp") as follower:
        tail = b"" if head[:1] == b"1" else b"\n"
        long = head + b"x" * (10_000_000 - (4 if head[:1] == b"1" else 0)) + tail
        send(follower, *(long[start : start + 50_000] for start in range(0, len(long), 50_000)), b"<13>after\n")
        follower.until(2)
        assert [len(text) for text in follower.texts] == [1 << 16, 9]
        assert follower.texts[1] == "<13>after"
        assert "cut to 65,536 (1:" in follower.reasons


@pytest.fixture(scope="module")
def certificate(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("tls")
    files = {"certificate": folder / "cert.pem", "key": folder / "key.pem"}
    words = [
        *["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"],
        "-subj",
    ]
    words += ["/CN=localhost"]
    words += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", files["key"], "-out", files["certificate"]]
    try:
        subprocess.run(words, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("openssl is not installed")
    return files


def test_messages_over_tls_and_a_client_without_it(certificate):
    context = ssl.create_default_context(cafile=certificate["certificate"])
    with server("tls", **certificate) as follower:
        address = ("127.0.0.1", follower.source.port)

        def client() -> None:
            with context.wrap_socket(socket.create_connection(address, 10), server_hostname="127.0.0.1") as secure:
                secure.sendall(b"%d %s" % (len(NEW), NEW))
                secure.sendall(b"".join(b"<13>line %d\n" % i for i in range(5000)))

        thread = threading.Thread(target=client)
        thread.start()
        follower.until(5001)
        follower.source.poll(10)
        thread.join(10)
        assert follower.texts == [NEW.decode(), *(f"<13>line {i}" for i in range(5000))]
        send(follower, b"<13>in the clear\n" * 50)
        end = time.monotonic() + 5
        while "TLS connection failed" not in follower.reasons and time.monotonic() < end:
            follower.poll()
        assert "a TLS connection failed, left out (1:" in follower.reasons


def test_wrong_certificates_and_ports_in_use_are_said(tmp_path, certificate):
    with pytest.raises(UsageError, match=r"needs \?cert=FILE&key=FILE"):
        SyslogSource("tls", "127.0.0.1", 0)
    with pytest.raises(UsageError, match="cannot be used"):
        SyslogSource("tls", "127.0.0.1", 0, certificate["key"], tmp_path / "absent")
    with server("tcp") as follower, pytest.raises(DataError, match="cannot listen"):
        SyslogSource("tcp", "127.0.0.1", follower.source.port)
    with pytest.raises(DataError, match="cannot listen"):
        SyslogSource("udp", "no.such.host.invalid", 514)


@settings(max_examples=100)
@given(pieces=st.lists(st.binary(max_size=60) | st.sampled_from([b"12 ", b"\n", b"<13>"]), max_size=12))
def test_the_frames_of_any_bytes_hold_all_of_them_but_counts_and_breaks(pieces):
    frames, whole = Frames(), b"".join(pieces)
    messages = [message for piece in pieces for message, _ in frames.feed(piece)]
    rest = frames.rest()
    once = Frames()
    assert messages == [message for message, _ in once.feed(whole)]
    assert rest == once.rest()
    left = whole
    for message in (*messages, rest):
        assert message in left
        left = left[left.index(message) + len(message) :]


@settings(max_examples=15)
@given(data=st.binary(max_size=3000))
def test_random_bytes_never_stop_the_server(data):
    with server("tcp") as follower:
        send(follower, data)
        for _ in range(3):
            follower.poll()
        send(follower, b"\n<13>still there\n")
        end = time.monotonic() + 5
        while follower.texts[-1:] != ["<13>still there"] and time.monotonic() < end:
            follower.poll()
        assert follower.texts[-1] == "<13>still there"


def test_a_sender_over_tcp_waits_for_a_detector_that_does_not_read():
    with server("tcp") as follower:
        client = socket.create_connection(("127.0.0.1", follower.source.port))
        client.settimeout(0.3)
        sent, waits = 0, False
        with client:
            while not waits and sent < 1_000_000:
                try:
                    client.sendall(b"<13>%d %s\n" % (sent, b"x" * 1000))
                    sent += 1
                except TimeoutError:
                    waits = True
        assert waits
        follower.until(sent, 20)
        assert [text.split()[0] for text in follower.texts[:sent]] == [f"<13>{i}" for i in range(sent)]


CONFIGURATION = """
module(load="imfile" PollingInterval="1")
module(load="imuxsock" SysSock.Use="off")
global(workDirectory="{folder}")
input(type="imfile" File="{folder}/app.log" Tag="app:" reopenOnTruncate="on")
action(type="omfwd" target="127.0.0.1" port="{port}" protocol="tcp" TCP_Framing="octet-counted"
       template="RSYSLOG_SyslogProtocol23Format" action.resumeInterval="1" action.resumeRetryCount="-1")
action(type="omfile" file="{folder}/out.log")
"""


@pytest.fixture
def rsyslog(tmp_path) -> Iterator[tuple[Follower, Path]]:
    program = "/usr/sbin/rsyslogd"
    if not os.access(program, os.X_OK):
        pytest.skip("rsyslog is not installed")
    with server("tcp") as follower:
        (tmp_path / "conf").write_text(CONFIGURATION.format(folder=tmp_path, port=follower.source.port))
        words = [program, "-n", "-f", tmp_path / "conf", "-i", tmp_path / "pid"]
        process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
        try:
            yield follower, tmp_path
        finally:
            process.terminate()
            process.wait(10)


def test_rsyslog_sends_a_rotated_file_over_tcp_and_writes_one_that_is_followed(rsyslog):
    follower, folder = rsyslog
    files = Follower(lambda: FileSource([str(folder / "out.log")]))
    expected = []
    for part in range(3):
        with (folder / "app.log").open("a") as log:
            lines = [f"{part}-{i} event" for i in range(200)]
            log.write("".join(f"{line}\n" for line in lines))
        expected += lines
        follower.until(len(expected), 20)
        (folder / "app.log").rename(folder / f"app.log.{part}")
        deadline = time.monotonic() + 20
        while not (folder / "out.log").exists():  # rsyslog opens it with the first line after the rotation
            assert time.monotonic() < deadline
            time.sleep(0.01)
        (folder / "out.log").rename(folder / f"out.log.{part}")
        os.kill(int((folder / "pid").read_text()), 1)  # HUP: rsyslog opens its files anew
    assert sorted(text.split("- ", 3)[-1].strip() for text in follower.texts) == sorted(expected)
    event = FORMATS["syslog5424"]().parse(follower.texts[0])
    assert event is not None
    assert event.attributes["program"] == "app"
    files.until(len(expected), 20)
    assert sorted(text.rsplit(": ", 1)[-1].strip() for text in files.texts if "event" in text) == sorted(expected)
    files.kill()
