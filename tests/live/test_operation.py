"""Metrics, health and the log of a service."""

import json
import logging
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.live.findings import finding
from trine.errors import DataError
from trine.live import operation
from trine.live.circumstances import Circumstances
from trine.live.delivery import Delivery
from trine.live.file_source import FileSource
from trine.live.operation import Operation, log_as_json
from trine.live.sinks import FileSink, WebhookSink
from trine.live.store import BEGAN, Changes, Store

prometheus_parser = pytest.importorskip("prometheus_client.parser", reason="the extra `live` is not installed")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[tuple[Operation, Store]]:
    (tmp_path / "a.log").write_bytes(b"good\nbad \xff\nbad \xfe\n")
    source = FileSource([str(tmp_path / "a.log")])
    source.resume(None)
    source.poll(100)
    store = Store.own(tmp_path / "store.db", "model")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    here = Circumstances(version="1")
    sinks = FileSink(tmp_path / "alerts", None, here), WebhookSink(f"http://127.0.0.1:{port}/", None, here)
    delivery = Delivery(store, sinks)
    watched = Operation([source], store, delivery)
    store.commit(Changes(findings=[finding()], counters={"events": 41, BEGAN: 1_700_000_000}))
    end = time.monotonic() + 10
    while not (delivery.down and sum(delivery.sent.values())) and time.monotonic() < end:
        time.sleep(0.01)
    yield watched, store
    watched.close()
    delivery.stop(0.1)
    source.close()
    store.close()


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as problem:
        with problem:
            return problem.code, problem.read().decode()


def samples(text: str) -> dict[str, float]:
    """Value by name and labels, as Prometheus' own parser reads them."""
    families = prometheus_parser.text_string_to_metric_families(text)
    return {
        " ".join((sample.name, *(Path(value).name or value for value in sample.labels.values()))): sample.value
        for family in families
        for sample in family.samples
    }


def test_metrics_say_what_was_read_found_and_sent(service):
    watched, _ = service
    watched.figures["entities"] = ("Entities in memory", 7.0)
    status, text = get(watched.serve(0), "/metrics")
    found = samples(text)
    assert status == 200
    assert found["trine_events_total"] == 41
    assert not any(name.startswith("trine_began") for name in found)
    assert found["trine_entities"] == 7
    assert found["trine_healthy"] == 1
    assert next(value for name, value in found.items() if "not UTF-8" in name) == 2
    assert found["trine_findings_sent_total alerts"] == 1
    assert found["trine_sink_up alerts"] == 1
    assert sorted(value for name, value in found.items() if name.startswith("trine_sink_up")) == [0, 1]
    assert sum(value for name, value in found.items() if name.startswith("trine_findings_waiting")) == 1
    assert found["trine_dead_letters"] == 0


def test_a_sink_that_is_down_is_no_failure_but_a_full_disk_and_a_stall_are(service, monkeypatch):
    watched, store = service
    port = watched.serve(0)
    watched.beat()
    status, text = get(port, "/health")
    assert (status, json.loads(text)["status"]) == (200, "ok")
    assert len(json.loads(text)["sinks_down"]) == 1
    store.problem = "the disk is full"
    assert get(port, "/health")[0] == 503
    assert json.loads(get(port, "/health")[1])["reasons"] == ["the disk is full"]
    store.problem = ""
    monkeypatch.setattr(operation, "STALLED", -1.0)
    assert get(port, "/health")[0] == 503
    assert samples(get(port, "/metrics")[1])["trine_healthy"] == 0


def test_other_paths_and_ports_in_use_are_said(service):
    watched, _ = service
    port = watched.serve(0)
    assert get(port, "/else")[0] == 404
    with pytest.raises(DataError, match="cannot listen"):
        Operation([], service[1], watched._delivery).serve(port)


def test_the_log_is_one_line_of_json_per_record(capsys):
    handler = log_as_json()
    try:
        logging.getLogger("trine.live").info("%s: removed\nafter line %d", "a\x1b.log", 7)
        try:
            raise ValueError("why")
        except ValueError:
            logging.getLogger("trine.live").exception("it failed")
    finally:
        logging.getLogger().removeHandler(handler)
    first, second = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert first["message"] == "a\x1b.log: removed\nafter line 7"
    assert (first["level"], first["logger"]) == ("info", "trine.live")
    assert first["time"].endswith("Z")
    assert "ValueError: why" in second["exception"]


def test_metrics_have_the_share_of_sessions_with_a_finding_beside_the_target(service):
    watched, store = service
    assert "trine_realised_share" not in watched.metrics().decode(), "no session has ended"
    store.aim(0.02, 1_000)
    store.commit(Changes(counters={"sessions_found": 1}, p_values={0: 1, 19: 49, 99: 50}))
    found = samples(watched.metrics().decode())
    assert found["trine_target_share"] == 0.02
    assert found["trine_realised_share"] == 0.01
    assert found["trine_p_values_distance"] == pytest.approx(0.3)
    assert found["trine_p_values_distance_p"] < 1e-6
