"""A service as a process: how it starts, what it writes, and how it ends."""

import http.client
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time

import pytest
import requests

from tests.serve.models import lines_of, made, tensor
from trine import bundle
from trine.errors import DataError, UsageError

pytestmark = pytest.mark.long

EVENT = {"inputs": [tensor("events", "BYTES", [1], ["open"])]}


def run(*words, timeout=60, **options):
    line = [sys.executable, "-m", "trine", "serve", *map(str, words)]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=timeout, **options)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_answers_what_has_begun_and_ends_with_status_0(serve, number):
    service = serve(f"programs={made('programs')}")
    long = {"events": ["open", "read", "read", "close"] * 1_500, "expected": list(range(5_800, 6_000))}
    statuses = []
    asking = threading.Thread(
        target=lambda: statuses.append(service.post("/api/models/programs/sequence", json=long).status_code)
    )
    asking.start()
    time.sleep(0.3)
    service.process.send_signal(number)
    asking.join(30)
    assert statuses == [200]
    assert service.process.wait(20) == 0
    assert service.said[-1] == "stopped"


def test_a_stream_of_findings_does_not_keep_it_from_ending(serve, store):
    service = serve(f"programs={made('programs')}", "--store", store.path)
    answer = service.get("/api/findings/events", stream=True)
    begun = time.monotonic()
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(15) == 0
    assert time.monotonic() - begun < 5
    answer.close()


def test_an_answer_on_a_connection_that_is_kept_is_sent_at_once(service):
    """With Nagle's algorithm, the second part of an answer waits 40 ms for the client."""
    connection = http.client.HTTPConnection(service.address, timeout=10)
    times = []
    for _ in range(30):
        begin = time.perf_counter()
        connection.request("GET", "/v2/health/live")
        connection.getresponse().read()
        times.append(time.perf_counter() - begin)
    connection.close()
    assert statistics.median(times) < 0.03


def test_every_request_is_a_line_of_json_without_its_query(service):
    service.get("/api/models/nothing?secret=word")
    service.post("/v2/models/programs/infer", json=EVENT)
    time.sleep(0.2)
    lines = {line["path"]: line for line in lines_of("\n".join(service.said)) if "path" in line}
    refused, answered = lines["/api/models/nothing"], lines["/v2/models/programs/infer"]
    assert (refused["status"], refused["method"], refused["client"]) == (404, "GET", "127.0.0.1")
    assert answered["route"] == "/v2/models/{model}/infer"
    assert answered["bytes_in"] > 50
    assert "secret" not in "\n".join(service.said)


def test_metrics_count_requests_by_route_and_batches_by_model(service):
    from prometheus_client.parser import text_string_to_metric_families

    service.post("/v2/models/programs/infer", json=EVENT)
    service.get("/api/models/" + "x" * 60)
    families = {family.name: family for family in text_string_to_metric_families(service.get("/metrics").text)}
    requests = {
        (sample.labels["route"], sample.labels["status"]): sample.value
        for sample in families["trine_requests"].samples
        if sample.name.endswith("_total")
    }
    assert requests["/v2/models/{model}/infer", "200"] >= 1
    assert requests["/api/models/{model}", "404"] >= 1
    rows = {
        sample.labels["model"]: sample.value
        for sample in families["trine_batch_rows"].samples
        if sample.name.endswith("_count")
    }
    assert rows["programs"] >= 1
    assert {sample.labels["model"] for sample in families["trine_queue_rows"].samples} == {
        "photos",
        "programs",
        "sshd",
        "drawings",
    }


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nowhere"], "nowhere: no such model"),
        (["--host", "0.0.0.0", "nowhere"], "needs a token"),
        (["a b=nowhere"], "'a b' cannot be a name in addresses"),
        (["x=nowhere", "x=elsewhere"], "another model is called x"),
        (["nowhere", "--threads", "0"], "threads"),
        (["nowhere", "--runs", "nothing"], "--runs nothing: no such folder"),
    ],
)
def test_wrong_use_is_said_in_a_line(words, says):
    done = run(*words)
    assert done.returncode in (1, 2)
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_model_that_was_altered_is_not_served(tmp_path):
    shutil.copytree(made("programs") / "bundle", tmp_path / "model")
    weights = tmp_path / "model" / bundle.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"\xff")
    done = run(tmp_path / "model")
    assert (done.returncode, "altered or truncated" in done.stderr) == (1, True)


def test_a_port_that_is_taken_is_said(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run(made("programs"), "--port", taken.getsockname()[1])
    assert done.returncode == 1
    assert "cannot listen at 127.0.0.1" in done.stderr.splitlines()[-1]


def test_a_model_without_graphs_is_exported_beside_it_once_and_left_as_it_is(serve, tmp_path):
    from trine import Detector

    plain = tmp_path / "plain"
    Detector.load(made("programs")).save(plain)
    before = {path.name: path.read_bytes() for path in plain.iterdir()}
    service = serve(f"p={plain}")
    service.until("has no graphs: they are made in .*plain.served and compared with the network")
    assert service.get("/api/models/p").json()["engine"] == "onnxruntime"
    assert {path.name: path.read_bytes() for path in plain.iterdir()} == before
    again = serve(f"p={plain}")
    assert again.post("/v2/models/p/infer", json=EVENT).status_code == 200
    assert not any("has no graphs" in line for line in again.said)


def test_torch_computes_where_it_is_asked_to(serve):
    service = serve(*(f"{name}={made(name)}" for name in ("photos", "programs", "drawings")), "--torch")
    assert {each["engine"] for each in service.get("/api/models").json()["models"]} == {"torch"}
    assert service.post("/v2/models/programs/infer", json=EVENT).status_code == 200
    latents = {"inputs": [tensor("latent.0", "FP32", [1, 4], [0, 0, 0, 0])]}
    assert service.post("/v2/models/drawings/infer", json=latents).status_code == 200
    pictures = {"inputs": [tensor("pictures", "UINT8", [1, 24, 24, 3], [7] * 1728)]}
    assert service.post("/v2/models/photos/infer", json=pictures).status_code == 200


def test_a_port_is_taken_from_the_start_and_not_when_the_models_are_open():
    from trine.serve.server import _bound

    with _bound("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(DataError, match=f"cannot listen at 127.0.0.1:{port} "):
            _bound("127.0.0.1", port)


def test_what_is_no_model_is_passed_over_among_models_as_a_shell_gives_them(tmp_path):
    from trine.serve.models import named_paths

    for name in ("classify/bundle", "detect", "digits", "unfinished"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("detect/trine.json", "digits/0.png", "unfinished/recipe.json", "report.html"):
        (tmp_path / name).touch()
    said: list[str] = []
    found = named_paths([str(path) for path in sorted(tmp_path.iterdir())], said.append)
    assert list(found) == ["classify", "detect", "unfinished"]
    assert said == [f"{tmp_path / name}: no model, passed over" for name in ("digits", "report.html")]
    assert list(named_paths([str(tmp_path / "digits")], said.append)) == ["digits"]  # it is refused when it is opened
    assert list(named_paths([f"dogs={tmp_path / 'classify'}", "runs/x/bundle", "none"], said.append)) == [
        "dogs",
        "x",
        "none",
    ]
    with pytest.raises(UsageError, match="no model: give bundles or run folders"):
        named_paths([str(tmp_path / "digits"), str(tmp_path / "report.html")], said.append)


def test_a_client_that_leaves_is_noticed(service):
    long = {"events": ["open", "read", "read", "close"] * 4_900, "expected": list(range(19_000, 19_200))}
    with pytest.raises(requests.exceptions.ReadTimeout):
        requests.post(f"{service.url}/api/models/programs/sequence", json=long, timeout=(5, 0.01))
    service.until('"path": "/api/models/programs/sequence".*"status": 499')


def test_more_than_the_queue_holds_is_told_when_to_come_again(serve):
    service = serve(f"programs={made('programs')}", "--max-queue", 2)
    long = {"events": ["open", "read", "read", "close"] * 100, "expected": list(range(300, 400))}
    answers = []
    asking = [
        threading.Thread(target=lambda: answers.append(service.post("/api/models/programs/sequence", json=long)))
        for _ in range(12)
    ]
    for each in asking:
        each.start()
    for each in asking:
        each.join(60)
    assert {answer.status_code for answer in answers} == {200, 429}
    busy = [answer for answer in answers if answer.status_code == 429]
    assert all(int(answer.headers["Retry-After"]) >= 1 for answer in busy)
    assert busy[0].json()["error"].startswith("busy: try again in ")
