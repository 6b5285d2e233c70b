"""Findings in the formats that other systems read: valid, and one line each, whatever a log contains."""

import json
import re
from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.live.findings import finding
from trine.errors import DataError
from trine.live.circumstances import Circumstances, read_techniques, severity
from trine.live.finding import FindingLine, LiveFinding
from trine.live.finding_formats import FORMATS
from trine.live.ocsf import ocsf
from trine.log_formats.cef_formats import Cef

NOW = Circumstances(version="1.2", techniques={"Failed *": "T1110.001", "nothing": "T1059"}, clock=lambda: 1.8e9)
TIMES = st.none() | st.floats(0, 4e9)
TEXT = st.text(max_size=20)
LINES = st.fixed_dictionaries(
    {
        "file": TEXT,
        "line": st.integers(1),
        "time": TIMES,
        "text": TEXT,
        "event": TEXT,
        "surprisal": st.floats(0, 50),
        "expected": st.lists(st.tuples(TEXT, st.floats(0, 1)), max_size=2),
    }
)
FINDINGS = st.fixed_dictionaries(
    {
        "entity": TEXT,
        "source": TEXT | st.ip_addresses().map(str),
        "first_time": TIMES,
        "last_time": TIMES,
        "p_value": st.floats(0, 1),
        "status": st.sampled_from(["open", "closed"]),
        "revision": st.integers(1, 3),
        "lines": st.lists(LINES, max_size=2),
        "members": st.none() | st.dictionaries(TEXT, st.floats(0, 1), max_size=2),
    }
)


def built(fields: dict) -> LiveFinding:
    lines = [FindingLine(**{**line, "expected": tuple(line["expected"])}) for line in fields["lines"]]
    return finding(**{**fields, "lines": tuple(lines)})


@cache
def detection_finding():
    """The published schema of the class, of version 1.8.0."""
    schemas = pytest.importorskip("ocsf_json_schema", reason="ocsf-json-schema is not installed")
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    embedded = schemas.OcsfJsonSchemaEmbedded(schemas.get_ocsf_schema(version="1.8.0"))
    return jsonschema.Draft202012Validator(embedded.get_class_schema(class_name="detection_finding", profiles=[]))


@settings(max_examples=25)
@given(fields=FINDINGS)
def test_any_finding_is_a_valid_detection_finding(fields):
    made = built(fields)
    document = json.loads(FORMATS["ocsf"](made, NOW))
    assert [error.message for error in detection_finding().iter_errors(document)] == []
    assert document["type_uid"] == document["class_uid"] * 100 + document["activity_id"]
    assert document["category_uid"] == document["class_uid"] // 1000


def test_the_schema_does_not_take_anything():
    document = ocsf(finding(), NOW)
    assert not detection_finding().is_valid(document | {"p_value": 0.1})
    assert not detection_finding().is_valid({**document, "anomaly_analyses": [{"anomalies": []}]})


@pytest.mark.parametrize(
    ("changes", "activity", "status"),
    [({}, "Create", "New"), ({"revision": 2}, "Update", "In Progress"), ({"status": "closed"}, "Close", "Resolved")],
)
def test_the_life_of_a_finding_is_the_activity_of_ocsf(changes, activity, status):
    document = ocsf(finding(**changes), NOW)
    assert (document["activity_name"], document["status"]) == (activity, status)
    assert document["finding_info"]["uid"] == finding().id


def test_ocsf_says_what_was_unusual_and_what_was_expected():
    document = ocsf(finding(), NOW)
    analysis = document["anomaly_analyses"][0]
    assert analysis["analysis_targets"][0]["name"] == "203.0.113.9"
    assert {each["observation_parameter"] for each in analysis["anomalies"]} >= {"p-value of network"}
    assert analysis["baselines"][0]["observations"] == [{"value": "session (80 %)"}]
    assert document["finding_info"]["attacks"] == [
        {"technique": {"uid": "T1110"}, "sub_technique": {"uid": "T1110.001"}}
    ]
    assert document["observables"][0]["type"] == "IP Address"
    assert document["evidences"][0]["file"]["path"] == "/var/log/auth.log"
    assert document["time"] == 1_777_629_660_500


def test_without_a_map_no_technique_is_claimed():
    for name, formatted in FORMATS.items():
        assert "T1110" not in formatted(finding(), Circumstances(version="1")), name
        assert "T1110" in formatted(finding(), NOW), name


def test_an_alert_of_ecs_has_the_fields_that_its_rules_read():
    document = json.loads(FORMATS["ecs"](finding(), NOW))
    assert document["@timestamp"] == "2026-05-01T10:01:00.500Z"
    assert document["event"]["kind"] == "alert"
    assert document["source"]["ip"] == "203.0.113.9"
    assert document["threat"]["technique"]["id"] == ["T1110.001"]
    assert document["log"]["file"]["path"] == "/var/log/auth.log"


UNESCAPED = re.compile(r"\\(.)")


def cef_fields(line: str) -> tuple[list[str], dict[str, str]]:
    """Header and extension, read as the specification says."""
    parts = re.split(r"(?<!\\)(?:\\\\)*\|", line, maxsplit=7)
    keys = list(re.finditer(r"(?:^| )(\w+)=", parts[7]))
    ends = [key.start() for key in keys[1:]] + [len(parts[7])]
    values = {
        key[1]: UNESCAPED.sub(lambda each: {"n": "\n"}.get(each[1], each[1]), parts[7][key.end() : end])
        for key, end in zip(keys, ends, strict=True)
    }
    return [UNESCAPED.sub(r"\1", part) for part in parts[:7]], values


def test_a_finding_in_cef_is_read_again_with_its_special_characters():
    line = FORMATS["cef"](finding(entity="a|b=c\\d"), NOW)
    header, fields = cef_fields(line)
    assert header[:4] == ["CEF:0", "Trine", "Trine", "1.2"]
    assert header[5] == "Unusual activity of a|b=c\\d"
    assert fields["cs1"] == "a|b=c\\d"
    assert fields["msg"] == finding().lines[0].text.replace("\x1b", " ")
    assert fields["externalId"] == finding(entity="a|b=c\\d").id
    event = Cef().parse(line)
    assert event is not None
    assert "Trine" in "".join(event.event)


@settings(max_examples=25)
@given(fields=FINDINGS)
def test_every_format_gives_one_line_that_cannot_steer_a_terminal(fields):
    made = built(fields)
    for name, formatted in FORMATS.items():
        line = formatted(made, NOW)
        line.encode()
        assert len(line.splitlines()) == 1 or name in ("json", "ocsf", "ecs")
        assert "\n" not in line
        assert "\x1b" not in line
        if name in ("json", "ocsf", "ecs"):
            assert isinstance(json.loads(line), dict)


def test_plain_json_is_the_finding():
    document = json.loads(FORMATS["json"](finding(), Circumstances(version="1")))
    assert LiveFinding.from_json(document) == finding()


def test_the_readable_line_says_who_how_unusual_and_where():
    line = FORMATS["text"](finding(), NOW)
    for part in ("ALERT", "203.0.113.9", "p=0.0004 (network)", "41 events", "/var/log/auth.log:7", "Failed password"):
        assert part in line
    assert FORMATS["text"](replace(finding(), status="closed"), NOW).startswith("closed")


def test_severity_follows_the_p_value():
    assert [severity(finding(p_value=p)) for p in (0.0, 1e-3, 5e-3, 0.5)] == ["high", "high", "medium", "low"]


@pytest.mark.parametrize("content", ["[]", "{", '{"a": "brute force"}', '{"a": 1}'])
def test_a_wrong_map_of_techniques_is_said(tmp_path, content):
    (tmp_path / "map.json").write_text(content)
    with pytest.raises(DataError, match=r"map.json"):
        read_techniques(tmp_path / "map.json")


def test_a_map_of_techniques_is_read(tmp_path):
    (tmp_path / "map.json").write_text('{"sudo *": "T1548.003", "GET *": "T1595"}')
    assert read_techniques(tmp_path / "map.json") == {"sudo *": "T1548.003", "GET *": "T1595"}
