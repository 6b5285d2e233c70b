"""Several workers at one address: they start together, share load and metrics, are replaced, and end together."""

import os
import re
import shutil
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.serve.models import made, tensor
from tests.serve.test_reload import replace
from tests.serve.test_server import run
from trine import bundle

pytestmark = pytest.mark.long

EVENT = {"inputs": [tensor("events", "BYTES", [1], ["open"])]}
INFER = "/v2/models/programs/infer"


def children(service) -> set[int]:
    """The processes of its workers; Python's own helper for started processes is none."""
    pids = Path(f"/proc/{service.process.pid}/task/{service.process.pid}/children").read_text().split()
    return {int(pid) for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()}


def is_there(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def counted(service, name, **labels):
    """The sum of a metric's samples, as one of the workers tells it."""
    samples = [
        sample
        for family in text_string_to_metric_families(service.get("/metrics").text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    return sum(sample.value for sample in samples)


@pytest.fixture(scope="module")
def service(serve):
    return serve(f"programs={made('programs')}", "--workers", 3)


def test_it_says_once_what_it_serves_and_by_how_many(service):
    assert len(children(service)) == 3
    assert sum("serving at" in line for line in service.said) == 1
    assert any(re.search(r"serving at http://127.0.0.1:\d+/, 3 workers", line) for line in service.said)
    assert sum(line.startswith("programs: detect, onnxruntime") for line in service.said) == 1


def test_metrics_are_the_sums_of_all_workers(service):
    before = counted(service, "trine_requests_total", route="/v2/models/{model}/infer")
    for _ in range(40):  # a connection each: any worker may take it
        assert service.post(INFER, json=EVENT).status_code == 200
    until(lambda: counted(service, "trine_requests_total", route="/v2/models/{model}/infer") == before + 40)
    assert counted(service, "trine_batch_rows_count", model="programs") >= 40
    assert {sample.labels["model"] for family in text_string_to_metric_families(service.get("/metrics").text)
            for sample in family.samples if sample.name == "trine_queue_rows"} == {"programs"}  # fmt: skip


def test_a_worker_that_dies_is_replaced_and_what_it_counted_stays(service):
    for _ in range(10):
        service.post(INFER, json=EVENT)
    before = counted(service, "trine_requests_total", route="/v2/models/{model}/infer")
    first, *others = children(service)
    os.kill(first, signal.SIGKILL)
    until(lambda: len(children(service) - {first}) == 3)
    assert children(service) >= set(others)
    assert service.until(f"worker {first} ended with status -9: another one begins")
    assert counted(service, "trine_requests_total", route="/v2/models/{model}/infer") >= before
    for _ in range(20):
        assert service.post(INFER, json=EVENT).status_code == 200


def test_a_replaced_bundle_is_used_by_every_worker(serve, tmp_path):
    shutil.copytree(made("programs") / "bundle", tmp_path / "model")
    service = serve(f"m={tmp_path / 'model'}", "--workers", 2)
    versions = {service.get("/api/models/m").json()["version"] for _ in range(20)}
    replace(tmp_path / "model", made("sshd") / "bundle")
    until(lambda: counted(service, "trine_model_reloads_total", outcome="replaced") == 2)
    after = {service.get("/api/models/m").json()["version"] for _ in range(20)}
    assert len(versions) == len(after) == 1
    assert versions != after


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_all_answer_what_has_begun_and_end(serve, number):
    service = serve(f"programs={made('programs')}", "--workers", 2)
    workers = children(service)
    long = {"events": ["open", "read", "read", "close"] * 1_500, "expected": list(range(5_800, 6_000))}
    statuses = []

    def ask():
        statuses.append(service.post("/api/models/programs/sequence", json=long).status_code)

    asking = [threading.Thread(target=ask) for _ in range(4)]
    for each in asking:
        each.start()
    time.sleep(0.3)
    service.process.send_signal(number)
    for each in asking:
        each.join(30)
    assert statuses == [200] * 4
    assert service.process.wait(20) == 0
    assert service.said[-1] == "stopped"
    assert not any(map(is_there, workers))


def test_workers_end_with_a_supervisor_that_is_killed(serve):
    service = serve(f"programs={made('programs')}", "--workers", 2)
    workers = children(service)
    service.process.kill()
    service.process.wait()
    until(lambda: not any(map(is_there, workers)))
    host, port = service.address.split(":")
    with socket.create_server((host, int(port)), reuse_port=False):
        pass


def test_a_token_is_asked_for_by_all(serve, tmp_path):
    (tmp_path / "token").write_text("0123456789abcdef")
    service = serve(f"programs={made('programs')}", "--workers", 2, "--token-file", tmp_path / "token")
    for _ in range(10):
        assert service.post(INFER, json=EVENT).status_code == 401
        allowed = service.post(INFER, json=EVENT, headers={"Authorization": "Bearer 0123456789abcdef"})
        assert allowed.status_code == 200


def test_a_model_without_graphs_is_exported_once(serve, tmp_path):
    from trine import Detector

    Detector.load(made("programs")).save(tmp_path / "plain")
    service = serve(f"p={tmp_path / 'plain'}", "--workers", 2)
    assert sum("has no graphs: they are made" in line for line in service.said) == 1
    assert {service.get("/api/models/p").json()["engine"] for _ in range(8)} == {"onnxruntime"}


def test_what_keeps_it_from_starting_is_a_line(tmp_path):
    shutil.copytree(made("programs") / "bundle", tmp_path / "model")
    weights = tmp_path / "model" / bundle.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"\xff")
    for words in (["nowhere"], [tmp_path / "model"], [made("programs"), "--store", tmp_path / "nothing.db"]):
        done = run(*words, "--workers", 2, "--port", 0)
        assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done.stderr
