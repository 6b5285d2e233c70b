import json

from trine.detect.findings import ExplainedEvent, Explanation, Finding


def test_expected_events_that_round_to_zero_per_cent_are_left_out():
    event = ExplainedEvent("open", 4.0, (("close", 0.93), ("read", 0.065), ("stat", 0.004)))
    assert event.likeliest(3) == "close 93 %, read 6 %"
    assert event.likeliest(1) == "close 93 %"


def test_a_finding_is_a_json_object_of_its_fields():
    finding = Finding("run 1", 0.01, 3.5, True, "counts", {"counts": 0.01, "either": 0.4})
    assert json.loads(json.dumps(finding.as_json())) == {
        "name": "run 1",
        "p_value": 0.01,
        "score": 3.5,
        "flagged": True,
        "loudest": "counts",
        "members": {"counts": 0.01, "either": 0.4},
    }


def test_an_explanation_is_a_json_object_with_its_events():
    event = ExplainedEvent("open", 4.0, (("close", 0.93),))
    explanation = Explanation("run 1", 0.01, True, "counts", "odd", {"counts": 0.01}, None, (event,))
    document = json.loads(json.dumps(explanation.as_json()))
    assert document["events"] == [{"event": "open", "surprisal": 4.0, "expected": [["close", 0.93]]}]
    assert document["nearest_normal"] is None
