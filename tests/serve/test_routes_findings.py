"""Findings of a detector at work: listed, as they come, and what they were."""

import json
import threading
import time
from dataclasses import replace

import pytest
import requests

from tests.live.findings import finding
from tests.serve.models import made
from trine.live.store import Changes


def stream(service, most, after=None, begun=None):
    """The events of the stream, up to so many."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    events, event = [], {}
    with requests.get(
        f"{service.url}/api/findings/events", params={"most": most}, headers=headers, stream=True, timeout=30
    ) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        for line in answer.iter_lines(chunk_size=1, decode_unicode=True):
            if begun is not None:
                begun.set()
            if line.startswith(("id: ", "event: ", "data: ")):
                name, _, value = line.partition(": ")
                event[name] = value
            elif not line and event:
                events.append((int(event["id"]), event["event"], json.loads(event["data"])))
                event = {}
    return events


def test_findings_are_listed_with_their_lines(service):
    (found,) = service.get("/api/findings").json()["findings"]
    assert found == finding().as_json() | {"feedback": None, "lines": found["lines"]}
    assert [line["text"] for line in found["lines"]] == [line.text for line in finding().lines]
    assert service.get("/api/findings", params={"status": "closed"}).json() == {"findings": []}
    assert service.get("/api/findings", params={"entity": finding().entity, "since": 0}).json()["findings"] == [found]


def test_one_finding_is_named_by_the_beginning_of_its_id(service):
    assert service.get(f"/api/findings/{finding().id[:6]}").json()["id"] == finding().id
    answer = service.get("/api/findings/zz")
    assert (answer.status_code, answer.json()["error"]) == (404, "no finding has an id that begins with 'zz'")


def test_what_a_finding_was_is_kept_for_the_detector(service, store):
    given = finding(entity="10.0.0.7")
    store.commit(Changes(findings=[given]))
    answer = service.post(f"/api/findings/{given.id}/feedback", json={"verdict": "benign"})
    assert answer.json()["feedback"] == "benign"
    assert store.feedback()[given.id] == "benign"
    assert service.post(f"/api/findings/{given.id}/feedback", json={"verdict": "perhaps"}).status_code == 422


def test_findings_come_as_they_are_committed_and_again_when_they_change(service, store):
    begun, events = threading.Event(), []
    listening = threading.Thread(target=lambda: events.extend(stream(service, 3, begun=begun)))
    listening.start()
    assert begun.wait(10)
    first, second = finding(entity="10.0.0.1"), finding(entity="10.0.0.2")
    store.commit(Changes(findings=[first, second]))
    time.sleep(0.6)
    store.commit(Changes(findings=[replace(first, status="closed", revision=2)]))
    listening.join(15)
    assert [(name, each["entity"], each["status"]) for _, name, each in events] == [
        ("finding", "10.0.0.1", "open"),
        ("finding", "10.0.0.2", "open"),
        ("finding", "10.0.0.1", "closed"),
    ]
    (_, _, missed), *_ = stream(service, 1, after=events[1][0])
    assert missed["revision"] == 2


def test_the_latest_change_of_the_latest_finding_is_a_change(service, store):
    only = finding(entity="10.0.0.9")
    store.commit(Changes(findings=[only]))
    before = store.last_change()
    store.commit(Changes(findings=[replace(only, revision=2)]))
    assert [each.revision for _, each in store.changes(before, 10)] == [2]


@pytest.mark.parametrize("after", ["x", "-1", "9" * 40])
def test_an_id_that_is_none_of_the_stream_is_refused(service, after):
    assert service.get("/api/findings/events", headers={"Last-Event-ID": after}).status_code == 422


def test_without_a_store_it_is_said_how_to_have_one(serve):
    answer = serve(f"p={made('programs')}").get("/api/findings")
    assert (answer.status_code, "--store FILE" in answer.json()["error"]) == (404, True)
