import json

from trine.detect.findings import Explanation, Finding, FindingEvent, grouped, time_text


def finding(name: str, p: float, score: float, source: str = "", **more: object) -> Finding:
    return Finding(name, p, score, True, "counts", {"counts": p}, source=source, **more)


def test_expected_events_that_round_to_zero_per_cent_are_left_out() -> None:
    event = FindingEvent(3, "open", 4.0, False, (("close", 0.93), ("read", 0.065), ("stat", 0.004)))
    assert event.likeliest(3) == "close 93 %, read 6 %"
    assert event.likeliest(1) == "close 93 %"


def test_the_place_of_an_event_is_its_line_if_it_has_one() -> None:
    assert FindingEvent(3, "open", 4.0, False, file="a.log", line=7).place() == "a.log:7"
    assert FindingEvent(3, "open", 4.0, False).place() == "event 3"


def test_a_finding_is_a_json_object_of_its_fields() -> None:
    document = json.loads(json.dumps(finding("run 1", 0.01, 3.5).as_json()))
    expected = {"name": "run 1", "p_value": 0.01, "score": 3.5, "flagged": True, "loudest": "counts"}
    assert expected.items() <= document.items()
    assert document["members"] == {"counts": 0.01}


def test_an_explanation_is_a_json_object_with_its_events() -> None:
    event = FindingEvent(0, "open", 4.0, True, (("close", 0.93),), time="2024-05-01T10:00:00Z", file="a.log", line=7)
    explanation = Explanation("run 1", 0.01, True, "counts", "odd", {"counts": 0.01}, None, (event,))
    (document,) = json.loads(json.dumps(explanation.as_json()))["events"]
    assert (document["event"], document["surprisal"], document["expected"]) == ("open", 4.0, [["close", 0.93]])
    assert (document["file"], document["line"], document["never_seen"]) == ("a.log", 7, True)


def test_one_source_is_one_group_and_the_strangest_comes_first() -> None:
    spray = [finding(f"192.0.2.7#{i}", 0.01 + i / 1000, 3.0, "192.0.2.7", length=2) for i in range(3)]
    groups = grouped([finding("192.0.2.9", 0.001, 8.0, "192.0.2.9", length=5), *spray])
    assert [group.source for group in groups] == ["192.0.2.9", "192.0.2.7"]
    document = groups[1].as_json()
    assert (document["sessions"], document["events"], document["p_value"]) == (3, 6, 0.01)
    assert document["findings"] == ["192.0.2.7#0", "192.0.2.7#1", "192.0.2.7#2"]


def test_a_time_is_text_in_utc_and_unknown_beyond_the_calendar() -> None:
    assert time_text(1714557600.0) == "2024-05-01T10:00:00Z"
    assert time_text(1714557600.25) == "2024-05-01T10:00:00.250Z"
    assert time_text(0.25) == "0.250 s"
    assert [time_text(value) for value in (float("nan"), float("inf"), 1e300)] == [None, None, None]
