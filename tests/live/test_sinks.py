"""Findings reach every sink, also after it was down; nothing that a sink does stops the others."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.live.findings import finding
from trine.errors import UsageError
from trine.live import delivery
from trine.live.circumstances import Circumstances
from trine.live.delivery import ATTEMPTS, Delivery
from trine.live.sinks import FileSink, SinkDown, StdoutSink, SyslogSink, WebhookSink, parse_sink
from trine.live.store import Changes, Store

HERE = Circumstances(version="1", clock=lambda: 1.8e9)


@pytest.fixture
def store(tmp_path):
    opened = Store.own(tmp_path / "store.db", "model")
    yield opened
    opened.close()


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch):
    monkeypatch.setattr(delivery, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(delivery, "LONGEST_PAUSE", 0.2)


def until(condition: Callable[[], object], seconds: float = 10) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


class Hook:
    """An HTTP server that takes findings as long as `answer` is 200."""

    def __init__(self, port: int = 0) -> None:
        hook = self
        self.answer, self.headers, self.bodies = 200, {}, []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.headers = dict(self.headers)
                if hook.answer == 200:
                    hook.bodies.append(json.loads(body))
                self.send_response(hook.answer)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *words: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@contextmanager
def hook(port: int = 0) -> Iterator[Hook]:
    opened = Hook(port)
    try:
        yield opened
    finally:
        opened.close()


@contextmanager
def delivering(store: Store, *sinks: object) -> Iterator[Delivery]:
    started = Delivery(store, sinks)  # type: ignore[arg-type]
    try:
        yield started
    finally:
        started.stop(1.0)


def test_findings_are_printed_within_a_second(store, capfd):
    with delivering(store, StdoutSink("json", HERE)) as brought:
        began = time.monotonic()
        store.commit(Changes(findings=[finding()]))
        brought.wake()
        until(lambda: brought.sent["stdout"])
        assert time.monotonic() - began < 1.0
    assert json.loads(capfd.readouterr().out)["id"] == finding().id


def test_a_file_gets_a_line_per_state_and_can_be_rotated(store, tmp_path):
    path = tmp_path / "alerts.jsonl"
    sink = FileSink(path, None, HERE)
    with delivering(store, sink) as brought:
        store.commit(Changes(findings=[finding()]))
        until(lambda: brought.sent[sink.name] == 1)
        path.rename(tmp_path / "alerts.jsonl.1")
        store.commit(Changes(findings=[finding(revision=2, status="closed")]))
        until(lambda: brought.sent[sink.name] == 2)
    assert [json.loads(line)["status"] for line in path.read_text().splitlines()] == ["closed"]
    assert path.stat().st_mode & 0o077 == 0


def test_a_torn_last_line_of_a_file_does_not_spoil_the_next(tmp_path):
    path = tmp_path / "alerts.jsonl"
    path.write_text('{"id": "torn')
    FileSink(path, None, HERE).send([finding()])
    assert json.loads(path.read_text().splitlines()[1])["id"] == finding().id


def test_a_file_on_a_full_disk_gets_whole_lines_once_there_is_space(store, small_disk):
    disk = small_disk("64k")
    (disk / "ballast").write_bytes(b"x" * 60_000)
    sink = FileSink(disk / "alerts.jsonl", None, HERE)
    with delivering(store, sink) as brought:
        store.commit(Changes(findings=[finding(event=i) for i in range(30)]))
        until(lambda: brought.down)
        assert (disk / "alerts.jsonl").read_text().count("\n") == len((disk / "alerts.jsonl").read_text().splitlines())
        (disk / "ballast").unlink()
        until(lambda: brought.sent[sink.name] == 30)
    assert len({json.loads(line)["id"] for line in (disk / "alerts.jsonl").read_text().splitlines()}) == 30


def test_a_webhook_gets_findings_with_their_id(store):
    with hook() as server, delivering(store, WebhookSink(f"http://127.0.0.1:{server.port}/a?token=x", "ocsf", HERE)):
        store.commit(Changes(findings=[finding()]))
        until(lambda: server.bodies)
        assert server.bodies[0]["class_uid"] == 2004
        assert server.headers["Idempotency-Key"] == f"{finding().id}-1"


def test_a_webhook_that_is_down_gets_everything_later_and_stops_nothing(store, tmp_path):
    with hook() as server:
        port = server.port
    path = tmp_path / "alerts.jsonl"
    sinks = WebhookSink(f"http://127.0.0.1:{port}/", None, HERE), FileSink(path, None, HERE)
    with delivering(store, *sinks) as brought:
        for i in range(20):
            store.commit(Changes(findings=[finding(event=i)]))
        until(lambda: brought.sent[sinks[1].name] == 20)
        until(lambda: list(brought.down) == [sinks[0].name])
        with hook(port) as server:
            until(lambda: len(server.bodies) == 20)
            assert len({body["id"] for body in server.bodies}) == 20
            until(lambda: not brought.down)
    assert store.waiting() == {}


@pytest.mark.parametrize("answer", [503, 429, 502])
def test_a_server_that_asks_to_wait_never_makes_a_dead_letter(store, answer):
    with hook() as server:
        server.answer = answer
        with delivering(store, WebhookSink(f"http://127.0.0.1:{server.port}/", None, HERE)) as brought:
            store.commit(Changes(findings=[finding()]))
            time.sleep(0.5)
            assert brought.down
            server.answer = 200
            until(lambda: server.bodies)
    assert store.dead_letters() == []


def test_what_is_refused_again_and_again_is_a_dead_letter_and_the_others_arrive(store):
    with hook() as server:
        server.answer = 400
        sink = WebhookSink(f"http://127.0.0.1:{server.port}/", None, HERE)
        with delivering(store, sink):
            store.commit(Changes(findings=[finding(event=1)]))
            until(store.dead_letters)
            server.answer = 200
            store.commit(Changes(findings=[finding(event=2)]))
            until(lambda: server.bodies)
    assert store.dead_letters() == [(sink.name, finding(event=1).id, "answered 400 Bad Request")]
    assert [body["id"] for body in server.bodies] == [finding(event=2).id]
    assert ATTEMPTS > 3


def test_a_redirect_is_not_followed(store):
    with hook() as server:
        server.answer = 302
        with delivering(store, WebhookSink(f"http://127.0.0.1:{server.port}/", None, HERE)):
            store.commit(Changes(findings=[finding()]))
            until(store.dead_letters)
        assert server.bodies == []


def test_what_was_not_sent_before_the_end_is_sent_after_the_next_start(store):
    with hook() as server:
        port = server.port
    with delivering(store, WebhookSink(f"http://127.0.0.1:{port}/", None, HERE)) as brought:
        store.commit(Changes(findings=[finding()]))
        until(lambda: brought.down)
    with hook(port) as server, delivering(store, WebhookSink(f"http://127.0.0.1:{port}/", None, HERE)):
        until(lambda: server.bodies)


def test_a_sink_that_still_has_to_get_findings_and_is_no_longer_named_is_said(store, tmp_path, caplog):
    with delivering(store, FileSink(tmp_path / "absent" / "alerts", None, HERE)) as brought:
        store.commit(Changes(findings=[finding()]))
        until(lambda: brought.down)
    assert "name this --sink again" not in caplog.text
    with delivering(store, FileSink(tmp_path / "alerts", None, HERE)):
        pass
    assert f"1 finding still to be sent to file:{tmp_path}/absent/alerts: name this --sink again" in caplog.text


KILLED = """
import sys, time
from pathlib import Path
from tests.live.findings import finding
from trine.live.circumstances import Circumstances
from trine.live.delivery import Delivery
from trine.live.sinks import FileSink
from trine.live.store import Changes, Store
store = Store.own(Path(sys.argv[1]), "model")
delivery = Delivery(store, [FileSink(Path(sys.argv[2]), None, Circumstances(version="1"))])
number = store.counters().get("findings", 0)
print("begins", flush=True)
while number < int(sys.argv[3]):
    store.commit(Changes(findings=[finding(event=number)], counters={"findings": 1}))
    number += 1
    delivery.wake()
delivery.stop(20.0)
store.close()
"""


def test_kill_9_loses_no_finding_on_its_way_to_a_file(tmp_path):
    words = [sys.executable, "-c", KILLED, tmp_path / "store.db", tmp_path / "alerts.jsonl", "150"]
    for delay in (0.02, 0.1, 0.25, None):
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        process.stdout.readline()
        if delay is None:
            assert process.wait(60) == 0
        else:
            time.sleep(delay)
            process.kill()
            process.wait()
        process.stdout.close()
    ids = []
    for line in (tmp_path / "alerts.jsonl").read_text().splitlines():
        with suppress(ValueError):  # a line that was torn by a kill
            ids.append(json.loads(line)["id"])
    assert set(ids) == {finding(event=i).id for i in range(150)}
    assert len(ids) <= 153, "what may have been sent before a kill comes again, and nothing else"


def test_syslog_over_udp_and_over_tcp_with_octet_counting():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", 0))
        udp.settimeout(5)
        sink = SyslogSink("127.0.0.1", udp.getsockname()[1], None, HERE, over_tcp=False)
        sink.send([finding()])
        message = udp.recv(65536).decode()
        sink.close()
    assert message.startswith("<130>1 2027-01-15T08:00:00.000Z ")
    assert "CEF:0|Trine|Trine|1|finding-open|" in message
    with socket.create_server(("127.0.0.1", 0)) as server:
        sink = SyslogSink("127.0.0.1", server.getsockname()[1], None, HERE, over_tcp=True)
        sink.send([finding(), finding(event=2)])
        connection, _ = server.accept()
        sink.close()
        with connection:
            connection.settimeout(5)
            data = b""
            while chunk := connection.recv(65536):
                data += chunk
    length, _, rest = data.partition(b" ")
    assert rest[: int(length)].endswith(finding().lines[0].text.split("=")[1].replace("\x1b", " ").encode()[-4:])
    assert rest[int(length) :].split(b" ", 1)[1].startswith(b"<130>1 ")


def test_a_syslog_server_that_closed_the_connection_is_connected_to_again(store):
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(5)
        sink = SyslogSink("127.0.0.1", server.getsockname()[1], None, HERE, over_tcp=True)
        sink.send([finding()])
        server.accept()[0].close()
        time.sleep(0.1)
        sink.send([finding(event=2)])
        connection, _ = server.accept()
        with connection:
            assert finding(event=2).id in connection.recv(65536).decode()
        sink.close()
    with pytest.raises(SinkDown):
        sink.send([finding()])


def test_rsyslog_takes_the_messages(tmp_path):
    program = "/usr/sbin/rsyslogd"
    if not os.access(program, os.X_OK):
        pytest.skip("rsyslog is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    (tmp_path / "conf").write_text(
        f'module(load="imtcp")\ninput(type="imtcp" address="127.0.0.1" port="{port}")\n'
        f'template(name="raw" type="string" string="%syslogtag% %msg%\\n")\n'
        f'action(type="omfile" file="{tmp_path}/out" template="raw")\n'
    )
    process = subprocess.Popen(
        [program, "-n", "-f", tmp_path / "conf", "-i", tmp_path / "pid"], stderr=subprocess.DEVNULL
    )
    sink = SyslogSink("127.0.0.1", port, None, HERE, over_tcp=True)

    def is_sent() -> bool:
        with suppress(SinkDown):
            sink.send([finding()])
            return True
        return False

    try:
        until(is_sent)
        until(lambda: (tmp_path / "out").exists() and finding().id in (tmp_path / "out").read_text())
        assert "CEF:0|Trine|Trine|1|finding-open|" in (tmp_path / "out").read_text()
    finally:
        sink.close()
        process.terminate()
        process.wait(10)


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("stdout", "stdout"),
        ("stdout#cef", "stdout"),
        ("file:/tmp/a.jsonl#ecs", "file:/tmp/a.jsonl"),
        ("syslog+udp://log.example", "syslog+udp://log.example:514"),
        ("syslog+tcp://[::1]:6514", "syslog+tcp://::1:6514"),
        ("https://user:secret@h.example/hook?token=x#ocsf", "https://h.example/hook"),
    ],
)
def test_a_sink_is_named_by_a_word_and_never_by_its_secrets(word, name):
    assert parse_sink(word, HERE).name == name


@pytest.mark.parametrize("word", ["", "file:", "stdout#xml", "syslog://h", "https://", "http://[::1", "alerts.jsonl"])
def test_a_word_that_means_no_sink_is_said(word):
    with pytest.raises(UsageError, match="--sink"):
        parse_sink(word, HERE)


def test_a_closed_standard_output_is_a_sink_that_is_down(monkeypatch):
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as broken:
        monkeypatch.setattr("sys.stdout", broken)
        with pytest.raises(SinkDown):
            StdoutSink("json", HERE).send([finding()])
        monkeypatch.undo()
        with suppress(BrokenPipeError):
            broken.close()
