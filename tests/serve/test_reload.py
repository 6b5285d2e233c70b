"""A model that is replaced on disk while it answers."""

import shutil
import threading
import time

import pytest

from tests.serve.models import made, tensor
from trine import bundle, files

EVENT = {"inputs": [tensor("events", "BYTES", [2], ["open", "read"])]}


@pytest.fixture
def served(tmp_path, serve):
    """A service of a copy of a model that a test may replace."""
    folder = tmp_path / "served"
    shutil.copytree(made("programs") / "bundle", folder)
    return serve(f"model={folder}"), folder


@pytest.fixture
def other():
    """A model with other weights."""
    return made("sshd") / "bundle"


def replace(folder, source):
    """Put a copy of a bundle in the place of another in one step, as `trine` itself does."""
    with files.replacing(folder) as part:
        shutil.copytree(source, part)


def version(service):
    return service.get("/v2/models/model").json()["versions"][0]


def until_version(service, wanted, seconds=30):
    end = time.monotonic() + seconds
    while version(service) != wanted:
        assert time.monotonic() < end
        time.sleep(0.1)


def test_a_new_state_is_used_without_a_failed_request(served, other):
    service, folder = served
    statuses, versions, stop = [], [], threading.Event()

    def ask():
        while not stop.is_set():
            answer = service.post("/v2/models/model/infer", json=EVENT)
            statuses.append(answer.status_code)
            versions.append(answer.json().get("model_version"))

    before = version(service)
    clients = [threading.Thread(target=ask) for _ in range(4)]
    for client in clients:
        client.start()
    try:
        for source in (other, made("programs") / "bundle", other):
            replace(folder, source)
            until_version(service, bundle.read_manifest(source).files[bundle.WEIGHTS][:12])
        time.sleep(0.5)
    finally:
        stop.set()
        for client in clients:
            client.join(30)
    assert set(statuses) == {200}
    assert len(set(versions)) == 2
    assert before in versions
    assert 'outcome="replaced"} 3.0' in service.get("/metrics").text


def test_a_copy_file_by_file_is_used_when_it_is_complete(served, other):
    service, folder = served
    for path in sorted(other.iterdir(), reverse=True):  # trine.json, which names the others, in the middle
        shutil.copyfile(path, folder / path.name)
        time.sleep(0.7)
        assert service.post("/v2/models/model/infer", json=EVENT).status_code == 200
    until_version(service, bundle.read_manifest(other).files[bundle.WEIGHTS][:12])


def test_a_state_that_is_damaged_is_said_and_not_used(served):
    service, folder = served
    before = version(service)
    weights = folder / bundle.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1] + b"\xff")
    manifest = folder / bundle.MANIFEST
    manifest.write_text(manifest.read_text().replace('"format": 1', '"format":  1').replace('"seed": 0', '"seed": 7'))
    service.until("the new state is not used, the one before goes on")
    assert version(service) == before
    assert service.post("/v2/models/model/infer", json=EVENT).status_code == 200


def test_a_model_that_is_removed_answers_on(served):
    service, folder = served
    shutil.rmtree(folder)
    time.sleep(2.5)
    assert service.post("/v2/models/model/infer", json=EVENT).status_code == 200
