"""Routes of a detector: a pasted log as sessions, an edited session, what was expected, the gates."""

import base64

import numpy as np
import pytest

import trine
from tests.detect.conftest import normal_runs, spliced, write_log
from tests.serve.models import made

FOREIGN = "Failed password for root"


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """A log with one strange session."""
    return write_log(tmp_path_factory.mktemp("log") / "auth.log", 12, foreign=FOREIGN)


@pytest.fixture(scope="module")
def judged(service, log):
    return service.post("/api/models/sshd/sessions", json={"log": log.read_text()}).json()


def test_a_pasted_log_is_judged_as_its_file_the_strangest_session_first(judged, log):
    findings = {each.name: each for each in trine.load(made("sshd")).score(str(log))}
    assert judged["sessions"] == len(findings) == len(judged["listed"])
    for session in judged["listed"]:
        expected = findings[session["name"]]
        assert session["p_value"] == pytest.approx(expected.p_value, abs=1e-6)
        assert session["flagged"] == expected.flagged
    p_values = [session["p_value"] for session in judged["listed"]]
    assert p_values == sorted(p_values)


def test_every_event_has_its_line_and_its_surprisal(judged, log):
    lines = log.read_text().splitlines()
    for session in judged["listed"]:
        for event in session["events"]:
            assert event["text"] == lines[event["line"] - 1]
            assert event["surprisal"] >= 0
    strangest = judged["listed"][0]
    (foreign,) = [event for event in strangest["events"] if FOREIGN in event["text"]]
    assert foreign["surprisal"] == max(event["surprisal"] for event in strangest["events"])


def test_a_log_can_be_sent_as_it_is(service, judged, log):
    answer = service.post("/api/models/sshd/sessions", data=log.read_bytes(), headers={"Content-Type": "text/plain"})
    assert answer.json() == judged


def test_a_session_that_is_sent_back_has_the_same_judgement_and_an_edited_one_another(service, judged):
    session = judged["listed"][0]
    events = [event["event"] for event in session["events"]]
    given = {"events": events, "times": session["times"], "attributes": session["attributes"], "expected": [0, 1]}
    again = service.post("/api/models/sshd/sequence", json=given).json()
    assert again["p_value"] == pytest.approx(session["p_value"], abs=1e-6)
    assert again["surprisals"] == pytest.approx([event["surprisal"] for event in session["events"]], abs=1e-4)
    position = next(n for n, event in enumerate(session["events"]) if FOREIGN in event["text"])
    without = {name: [*values[:position], *values[position + 1 :]] for name, values in given["attributes"].items()}
    times = None if given["times"] is None else [*given["times"][:position], *given["times"][position + 1 :]]
    edited = service.post(
        "/api/models/sshd/sequence",
        json={"events": [*events[:position], *events[position + 1 :]], "times": times, "attributes": without},
    ).json()
    assert edited["p_value"] > again["p_value"]


def test_what_was_expected_is_what_the_full_package_says(service):
    from trine.detect.explain import explain

    events = normal_runs(1, 5)[0][:8]
    found = service.post("/api/models/programs/sequence", json={"events": events, "expected": list(range(8))}).json()
    detector = trine.load(made("programs"))
    from trine.serve.sessions import GivenSequence, table_of

    (explanation,) = explain(detector, table_of([GivenSequence(events, None, {})]))
    for expected, each in zip(explanation.events, found["expected"], strict=True):
        assert each["position"] == expected.position
        assert each["events"][0][0] == expected.expected[0][0]
        assert [p for _, p in each["events"]][:3] == pytest.approx([p for _, p in expected.expected][:3], abs=0.02)


def test_what_was_expected_does_not_depend_on_the_pieces_that_are_computed(monkeypatch):
    from trine import runtime
    from trine.serve import sessions

    events = normal_runs(1, 5)[0][:11]
    table = sessions.table_of([sessions.GivenSequence(events, None, {})])
    for detector in (runtime.load(made("programs")), trine.load(made("programs"))):
        whole = sessions.expected(detector, table, range(11))
        with monkeypatch.context() as patched:
            patched.setattr(sessions, "PIECE", 3)
            pieces = sessions.expected(detector, table, [10, 0, 7])
        for each, position in zip(pieces, (0, 7, 10), strict=True):
            assert each["position"] == position
            assert [word for word, _ in each["events"]] == [word for word, _ in whole[position]["events"]]


def test_sequences_are_judged_in_their_order(service):
    normal = normal_runs(1, 3)[0]
    body = {"sequences": [{"events": normal, "name": "a"}, {"events": spliced(normal), "name": "b"}]}
    first, second = service.post("/api/models/programs/score", json=body).json()["findings"]
    assert (first["name"], second["name"]) == ("a", "b")
    assert second["p_value"] < first["p_value"]
    assert second["never_seen"] == 2


def test_a_detector_of_a_table_reads_a_sequence_per_line_or_lines_of_json(service):
    normal = normal_runs(1, 3)[0]
    plain = service.post(
        "/api/models/programs/sessions", json={"log": " ".join(normal) + "\n\n" + " ".join(normal[:4])}
    ).json()
    lines = '{"events": "open read", "name": "x"}\n{"events": "fork exec wait"}\n'
    as_json = service.post("/api/models/programs/sessions", json={"log": lines}).json()
    assert (plain["sessions"], plain["events"]) == (2, len(normal) + 4)
    assert (as_json["sessions"], as_json["events"]) == (2, 5)


def test_the_gates_are_given_event_by_event(service):
    events = normal_runs(1, 4)[0]
    found = service.post("/api/models/programs/gates", json={"events": events}).json()
    (layer,) = found["layers"]
    assert found["cell"] == "lstm"
    assert {"input gate", "forget gate", "output gate", "cell state", "output"} == set(layer["values"])
    forget = np.frombuffer(base64.b64decode(layer["values"]["forget gate"]["base64"]), np.float32)
    assert layer["values"]["forget gate"]["shape"] == [len(events), 8]
    assert ((forget >= 0) & (forget <= 1)).all()


def test_the_reach_is_that_of_the_event_that_is_asked_about_however_long_the_session(service):
    events = [event for run in normal_runs(60, 4) for event in run][:300]

    def reach(given, position):
        body = {"events": given, "position": position}
        return service.post("/api/models/programs/reach", json=body).json()["reach"]

    last = reach(events, 299)
    assert len(last) == 100
    assert last[0] > last[-1] >= 0
    assert reach(events, 3) == pytest.approx(reach(events[:4], 3))  # what comes later changes nothing
    assert len(reach(events, 3)) == 3
    assert reach(events, 0) == []
    other = next(event for event in events if event != events[299])
    assert reach([*events[:299], other], 299) != pytest.approx(last)
    answer = service.post("/api/models/programs/reach", json={"events": ["open"], "position": 1})
    assert (answer.status_code, answer.json()["error"]) == (422, "position 1: the sequence has 1 events, from 0")


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("sequence", {"events": []}, 422, "events"),
        ("sequence", {"events": ["a"], "expected": [1]}, 422, "position 1: the sequence has 1 events"),
        ("sequence", {"events": ["a", "b"], "times": [1.0]}, 422, "1 times, and 2 events"),
        ("sequence", {"events": ["a"], "attributes": {"user": ["x", "y"]}}, 422, "2 user, and 1 events"),
        ("sequence", {"events": ["a"], "other": 1}, 422, "other"),
        ("sequence", {"events": ["a"] * 20_001}, 413, "the limit is 20,000"),
        ("sessions", {"log": "a\n" * 20_001}, 413, "more than 20,000 lines"),
        ("sessions", {"log": 3}, 422, "log"),
        ("score", {"sequences": []}, 422, "sequences"),
    ],
)
def test_what_cannot_be_judged_is_refused_in_a_line(service, path, body, status, says):
    answer = service.post(f"/api/models/programs/{path}", json=body)
    assert answer.status_code == status
    assert says in answer.json()["error"]


@pytest.mark.parametrize("text", ["", "\n\n", "\x00\x01", "no log at all", "é" * 5000, "\ud800"])
def test_any_text_is_judged_or_refused(service, text):
    body = {"log": text}
    assert service.post("/api/models/sshd/sessions", json=body).status_code in (200, 422)
