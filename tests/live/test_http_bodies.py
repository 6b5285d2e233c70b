"""Bodies of requests become lines, or are refused: whatever is in them."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.live.http_bodies import BodyError, bulk, json_lines, otlp_json, otlp_protobuf, unpacked_body

KEYS = st.text() | st.sampled_from(["resourceLogs", "scopeLogs", "logRecords", "resource", "body"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.text() | st.floats() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=12,
)


def nothing(reason: str) -> None: ...


@given(body=st.binary(max_size=300), encoding=st.sampled_from(["", "gzip", "deflate", "br", "gzip, gzip"]))
def test_any_bytes_are_lines_or_refused(body, encoding):
    pytest.importorskip("opentelemetry.proto", reason="the extra `live` is not installed")
    for read in (json_lines, otlp_json, otlp_protobuf, lambda body, note: bulk(body, note)[0]):
        try:
            lines = read(unpacked_body(body, encoding), nothing)
        except BodyError:
            continue
        assert all("\n" not in line for line in lines)
        "".join(lines).encode()


@given(value=VALUES)
def test_any_json_to_otlp_is_lines_or_refused(value):
    for body in (value, {"resourceLogs": value}, {"resourceLogs": [{"scopeLogs": [{"logRecords": [value]}]}]}):
        try:
            lines = otlp_json(json.dumps(body).encode(), nothing)
        except BodyError:
            continue
        assert all(isinstance(json.loads(line), dict) for line in lines)


@given(records=st.lists(st.dictionaries(st.text(), VALUES, max_size=3), max_size=4), indent=st.sampled_from([None, 1]))
def test_json_records_come_out_as_they_went_in(records, indent):
    finite = json.loads(json.dumps(records).replace("NaN", "null").replace("Infinity", "null").replace("-null", "null"))
    array = json.dumps(finite, indent=indent).encode()
    lines = "\n".join(json.dumps(record, indent=indent) for record in finite).encode()
    for body in (array, lines, gzip.compress(lines)):
        encoding = "gzip" if body[:2] == b"\x1f\x8b" else ""
        made = json_lines(unpacked_body(body, encoding), nothing, is_json=True)
        assert [json.loads(line) for line in made] == finite


def test_a_broken_record_among_whole_ones_is_a_line():
    assert json_lines(b'{"a": 1}\n{"b": \n{"c": 3}\n', nothing, is_json=True) == ['{"a": 1}', '{"b": ', '{"c": 3}']
