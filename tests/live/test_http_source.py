"""Logs over HTTP: every kind of body, answers after the commit, batches that come again, senders as they are."""

import gzip
import itertools
import json
import random
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from tests.live.following import Follower
from trine.errors import DataError
from trine.live import http_bodies, http_source
from trine.log_formats.log_event import Line
from trine.log_formats.registry import FORMATS

pytest.importorskip("uvicorn", reason="the extra `live` is not installed")
pytest.importorskip("starlette", reason="the extra `live` is not installed")

HttpSource = http_source.HttpSource


class Service(Follower):
    """Polls and commits in a thread, as the service does."""

    def __init__(self) -> None:
        self.is_committing, self.is_stopping = True, False
        super().__init__(lambda: HttpSource("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        while not self.is_stopping:
            if not (self.is_committing and self.poll()):
                time.sleep(0.005)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.source.port}"

    def queued(self, batches: int) -> None:
        """Wait until so many batches are in the queue or on their way to the store."""
        self.wait(lambda: len(self.source._in_flight) >= batches)

    def alone(self) -> None:
        """Wait until the server has noticed that all senders went away."""
        self.wait(lambda: not self.source._server.server_state.connections)

    @staticmethod
    def wait(condition: Callable[[], bool]) -> None:
        until = time.monotonic() + 20
        while not condition():
            assert time.monotonic() < until, "it did not happen in 20 seconds"
            time.sleep(0.005)

    def post(self, path: str, body: bytes | str, **headers: str) -> requests.Response:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return requests.post(self.url + path, data=body, headers=names, timeout=20)

    def stop(self) -> None:
        self.is_stopping = True
        self.thread.join()
        self.kill()


@contextmanager
def serving() -> Iterator[Service]:
    service = Service()
    try:
        yield service
    finally:
        service.stop()


@pytest.fixture(scope="module")
def shared() -> Iterator[Service]:
    with serving() as service:
        yield service


RECORDS = [{"message": "one", "n": 1}, {"message": "zwei ü"}]
LINES = [json.dumps(record, separators=(",", ":"), ensure_ascii=False) for record in RECORDS]


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("\n".join(LINES), "application/x-ndjson"),
        ("\r\n".join(LINES) + "\r\n\r\n", "application/json"),
        (json.dumps(RECORDS), "application/json"),
        (json.dumps(RECORDS, indent=2), ""),
        ("".join(LINES), "application/json"),
        ("\n".join(json.dumps(record, indent=1) for record in RECORDS), "application/json"),
    ],
    ids=["lines", "crlf", "array", "indented array", "concatenated", "indented"],
)
def test_json_in_every_shape_that_shippers_send(shared, body, kind):
    before = len(shared.lines)
    answer = shared.post("/", body.encode(), **({"Content_Type": kind} if kind else {}))
    assert (answer.status_code, answer.json()) == (200, {"accepted": 2})
    assert [json.loads(text) for text in shared.texts[before:]] == RECORDS


def test_plain_lines_are_lines(shared):
    before = len(shared.lines)
    text = "[Mon Oct 11 22:14:15 2021] [error] client denied\n{broken\nthird \x1b[31mred\x1b[0m"
    assert shared.post("/", text, Content_Type="text/plain").status_code == 200
    assert shared.texts[before:] == ["[Mon Oct 11 22:14:15 2021] [error] client denied", "{broken", "third red"]


@pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress)])
def test_compressed_bodies(shared, encoding, pack):
    before = len(shared.lines)
    assert shared.post("/", pack("\n".join(LINES).encode()), Content_Encoding=encoding).status_code == 200
    assert shared.texts[before:] == LINES


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/", b"[1, 2", {"Content_Type": "application/json"}, 400),
        ("/", b"\x1f\x8bnot gzip", {"Content_Encoding": "gzip"}, 400),
        ("/", gzip.compress(b"{}" * 1000)[:-12], {"Content_Encoding": "gzip"}, 400),
        ("/", b"x", {"Content_Encoding": "br"}, 415),
        ("/", gzip.compress(b"x" * 200_000_000, 1), {"Content_Encoding": "gzip"}, 413),
        ("/", b"x" * (http_bodies.MAX_BODY + 1), {}, 413),
        ("/v1/logs", b"[]", {"Content_Type": "application/json"}, 400),
        ("/v1/logs", b'{"resourceLogs": 5}', {"Content_Type": "application/json"}, 400),
        ("/v1/logs", b"\xff\xff", {"Content_Type": "application/x-protobuf"}, 400),
        ("/_bulk", b'{"what": {}}\n{}\n', {}, 400),
        ("/_bulk", b'{"index": {}}\n', {}, 400),
        ("/", b"[" * 100_000, {"Content_Type": "application/json"}, 400),
        ("/elsewhere", b"{}", {}, 404),
    ],
    ids=itertools.count(),
)
def test_what_cannot_be_read_is_refused_and_counted(shared, path, body, headers, status):
    before = len(shared.lines)
    answer = shared.post(path, body, **headers)
    assert answer.status_code == status
    assert len(shared.lines) == before
    assert status == 404 or f"refused with {status}, left out" in shared.reasons


def test_long_lines_are_cut_and_bad_bytes_are_kept(shared):
    before = len(shared.lines)
    shared.post("/", b"x" * 10_000_000 + b"\nbad \xff\n")
    assert [len(text) for text in shared.texts[before:]] == [1 << 16, 8]
    assert "cut to 65,536" in shared.reasons
    assert "not UTF-8" in shared.reasons


OTLP = {
    "resourceLogs": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
            "scopeLogs": [
                {
                    "scope": {"name": "auth"},
                    "logRecords": [
                        {"timeUnixNano": "1714557600000000000", "body": {"stringValue": "login of ann failed"}},
                        {"timeUnixNano": "1714557601000000000", "body": {"stringValue": "login of bob failed"}},
                    ],
                }
            ],
        }
    ]
}


def check_otlp(texts: list[str], bodies: list[str], service: str) -> None:
    read = FORMATS["opentelemetry"]()
    events = [event for text in texts for event in [read.parse(text)] if event is not None]
    assert [event.event for event in events] == bodies
    assert {event.entities["process"] for event in events} == {service}
    assert all(event.time and event.time > 1.7e9 for event in events)


def test_otlp_in_json_is_a_line_per_record(shared):
    before = len(shared.lines)
    answer = shared.post("/v1/logs", json.dumps(OTLP), Content_Type="application/json")
    assert (answer.status_code, answer.json()) == (200, {})
    check_otlp(shared.texts[before:], ["login of ann failed", "login of bob failed"], "shop")
    assert shared.lines[-1][0].endswith("/v1/logs")


@pytest.mark.parametrize("compression", ["gzip", "none"])
@pytest.mark.filterwarnings("ignore")
def test_the_opentelemetry_sdk_sends_its_logs(shared, compression):
    pytest.importorskip("opentelemetry.exporter.otlp.proto.http", reason="the OpenTelemetry exporter is not installed")
    before = len(shared.lines)
    words = [sys.executable, "-W", "ignore", "-c", SDK, shared.url, compression]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    bodies = [f"login {i} failed" for i in range(50)]
    check_otlp(shared.texts[before:], bodies, "shop")
    assert "0af7651916cd43dd8448eb211c80319c" in shared.texts[-1]


SDK = """
import logging, sys
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.resources import Resource
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context
import time
url, compression = sys.argv[1:]
exporter = OTLPLogExporter(endpoint=url + "/v1/logs", compression=Compression(compression))
provider = LoggerProvider(resource=Resource.create({"service.name": "shop"}))
provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
logger = provider.get_logger("auth")
span = SpanContext(0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331, False, TraceFlags(1))
context = set_span_in_context(NonRecordingSpan(span))
for i in range(50):
    logger.emit(LogRecord(timestamp=time.time_ns(), context=context, body=f"login {i} failed",
                          severity_number=SeverityNumber.WARN, attributes={"user.id": "ann"}))
assert provider.force_flush()
provider.shutdown()
"""


def test_bulk_requests_are_answered_as_elasticsearch_does(shared):
    before = len(shared.lines)
    about = requests.get(shared.url, timeout=5)
    assert about.headers["X-Elastic-Product"] == "Elasticsearch"
    assert about.json()["version"]["number"] >= "8"
    body = '{"create":{"_index":"a"}}\n' + LINES[0] + '\n{"delete":{"_id":"1"}}\n{"index":{}}\n' + LINES[1] + "\n"
    answer = shared.post("/logs/_bulk", body, Content_Type="application/x-ndjson")
    assert answer.status_code == 200
    assert answer.json()["errors"] is False
    assert [next(iter(item)) for item in answer.json()["items"]] == ["create", "index"]
    assert [item[next(iter(item))]["status"] for item in answer.json()["items"]] == [201, 201]
    assert shared.texts[before:] == LINES


BEAT = {
    "@timestamp": "2026-05-01T10:00:00.500Z",
    "message": "login of ann failed",
    "agent": {"type": "filebeat"},
    "ecs": {"version": "8.0.0"},
    "host": {"name": "web1"},
    "event": {"dataset": "app"},
}
BIT = {"date": 1777629600.5, "log": "login of ann failed", "stream": "stderr"}
VECTOR = {"file": "/a.log", "host": "web1", "message": "login of ann failed", "timestamp": "2026-05-01T10:00:00.5Z"}
SHIPPED = {
    "fluent-bit json": ("/", "application/json", json.dumps([BIT])),
    "fluent-bit json_stream": ("/", "application/json", json.dumps(BIT)),
    "vector": ("/", "application/x-ndjson", json.dumps(VECTOR) + "\n"),
    "filebeat": (
        "/_bulk?filter_path=errors%2Citems.%2A.error%2Citems.%2A.status",
        "application/x-ndjson",
        '{"create":{"_index":"filebeat-8.17.0"}}\n' + json.dumps(BEAT) + "\n",
    ),
}
"""Requests with the shape that each shipper's documentation shows: the programs were not at hand."""


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("chunked", [False, True])
def test_the_requests_of_shippers_are_read_by_the_formats_of_logs(shared, name, chunked):
    before = len(shared.lines)
    path, kind, body = SHIPPED[name]
    data = iter([body[:20].encode(), body[20:].encode()]) if chunked else body.encode()
    assert requests.post(shared.url + path, data=data, headers={"Content-Type": kind}, timeout=10).status_code == 200
    (text,) = shared.texts[before:]
    read = FORMATS["ecs" if name == "filebeat" else "json"]()
    (event,) = (event for record in read.records([Line(0, 1, text)]) if (event := read.parse(record.text)))
    assert event.time == pytest.approx(1_777_629_600.5)
    assert "login of ann failed" in event.event


def test_rsyslog_sends_bulk_requests(shared, tmp_path):
    if not Path("/usr/lib/x86_64-linux-gnu/rsyslog/omelasticsearch.so").exists():
        pytest.skip("rsyslog-elasticsearch is not installed")
    before = len(shared.lines)
    (tmp_path / "conf").write_text(
        f'module(load="imfile")\nmodule(load="omelasticsearch")\nglobal(workDirectory="{tmp_path}")\n'
        f'input(type="imfile" File="{tmp_path}/app.log" Tag="app:" addMetadata="off")\n'
        f'action(type="omelasticsearch" server="127.0.0.1" serverport="{shared.source.port}" bulkmode="on"'
        f' searchIndex="logs" searchType="" errorFile="{tmp_path}/errors" action.resumeRetryCount="-1")\n'
    )
    (tmp_path / "app.log").write_text("".join(f"event {i}\n" for i in range(300)))
    words = ["/usr/sbin/rsyslogd", "-n", "-f", tmp_path / "conf", "-i", tmp_path / "pid"]
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 20
        while len(shared.lines) < before + 300 and time.monotonic() < end:
            time.sleep(0.05)
    finally:
        process.terminate()
        process.wait(10)
    assert [json.loads(text)["message"].strip() for text in shared.texts[before:]] == [f"event {i}" for i in range(300)]
    assert not (tmp_path / "errors").exists()


def test_the_answer_comes_after_the_commit():
    with serving() as service, ThreadPoolExecutor(1) as pool:
        service.is_committing = False
        sent = pool.submit(service.post, "/", "one line")
        service.queued(1)
        assert not sent.done()
        service.is_committing = True
        assert sent.result(5).status_code == 200
        assert service.texts == ["one line"]


def test_a_batch_that_comes_again_without_an_answer_is_counted_once():
    with serving() as service, ThreadPoolExecutor(2) as pool:
        service.is_committing = False
        both = [pool.submit(service.post, "/", "same batch") for _ in range(2)]
        service.wait(lambda: service.source.resent == 1)
        service.is_committing = True
        assert [each.result(5).status_code for each in both] == [200, 200]
        assert service.texts == ["same batch"]
        assert service.source.resent == 1


def test_a_batch_that_was_committed_before_a_crash_and_comes_again_is_counted_once():
    with serving() as service:
        service.is_committing = False
        with socket.create_connection(("127.0.0.1", service.source.port)) as client:
            client.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nlines")
            service.queued(1)
        service.alone()  # the sender goes away before its batch is committed
        service.until(1)
        service.kill()
        service.start()
        service.is_committing = True
        assert service.post("/", "lines").status_code == 200
        assert service.texts == ["lines"]
        assert service.post("/", "lines").status_code == 200, "after an answer, the same content is a new batch"
        assert service.texts == ["lines", "lines"]


def test_equal_batches_that_were_answered_all_count():
    with serving() as service:
        for _ in range(3):
            service.post("/", "ping")
        assert service.texts == ["ping"] * 3


def test_a_full_queue_asks_to_come_again(monkeypatch):
    monkeypatch.setattr(http_source, "QUEUED_BATCHES", 3)
    with serving() as service, ThreadPoolExecutor(4) as pool:
        service.is_committing = False
        waiting = [pool.submit(service.post, "/", f"batch {i}") for i in range(3)]
        service.queued(3)
        refused = service.post("/", "batch 4")
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
        service.is_committing = True
        assert [each.result(5).status_code for each in waiting] == [200] * 3
        assert service.post("/", "batch 4").status_code == 200
        assert len(service.lines) == 4


def test_a_service_that_stops_asks_senders_to_come_again():
    with ThreadPoolExecutor(1) as pool, serving() as service:
        service.is_committing = False
        sent = pool.submit(service.post, "/", "late")
        service.queued(1)
        service.kill()
        assert sent.result(10).status_code == 503


KILLED = """
import json, os, sys, time
from trine.live.http_source import HttpSource
port, store = int(sys.argv[1]), sys.argv[2]
position = None
if os.path.exists(store):
    position = json.loads(open(store).readlines()[-1])["position"]
source = HttpSource("127.0.0.1", port)
source.resume(position)
out = open(store, "a")
while True:
    for batch in source.poll(100):
        out.write(json.dumps({"lines": [line.text for line in batch.lines], "position": batch.position}) + "\\n")
        out.flush()
        time.sleep(0.01)  # between commit and answer
        batch.durable()
    time.sleep(0.001)
"""


def test_kill_9_while_a_shipper_sends_loses_and_repeats_nothing(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    store, number, process = tmp_path / "store", 0, None
    end = time.monotonic() + 40
    for round_ in range(5):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(port), store])
        killer = threading.Timer(1.2 + 0.037 * round_, process.kill)
        while not _answers(port) and time.monotonic() < end:
            time.sleep(0.02)
        if round_ < 4:
            killer.start()
        stop_at = number + 60
        while process.poll() is None and (round_ < 4 or number < stop_at) and time.monotonic() < end:
            body = "\n".join(f"line {number * 10 + i}" for i in range(10))
            try:
                if requests.post(f"http://127.0.0.1:{port}/", data=body, timeout=5).status_code == 200:
                    number += 1
            except requests.RequestException:
                pass  # no answer: the same batch again
        if round_ == 4:
            process.kill()
        process.wait()
    read = [text for line in store.read_text().splitlines() for text in json.loads(line)["lines"]]
    assert read[: number * 10] == [f"line {i}" for i in range(number * 10)]
    assert number > 60


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


PATHS = ["/", "/v1/logs", "/_bulk"]
TYPES = ["application/json", "application/x-protobuf", "text/plain"]


def test_random_bodies_have_an_answer(shared):
    """Hypothesis does so with the readers (`test_http_bodies.py`); it does not go together with a server's threads."""
    chance = random.Random(1)
    for _ in range(60):
        parts = [b"{", b'{"index":{}}\n', b"[", b"\n", b'"']
        pieces = [chance.randbytes(chance.randrange(200)), *chance.choices(parts, k=4)]
        chance.shuffle(pieces)
        packed = gzip.compress(b"".join(pieces)) if chance.random() < 0.3 else b"".join(pieces)
        headers = {"Content_Type": chance.choice(TYPES), "Content_Encoding": chance.choice(["", "gzip"])}
        assert shared.post(chance.choice(PATHS), packed, **headers).status_code in (200, 400)


def test_a_port_in_use_is_said(shared):
    with pytest.raises(DataError, match="cannot listen"):
        HttpSource("127.0.0.1", shared.source.port)
