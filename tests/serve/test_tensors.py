"""Tensors of the protocol: whatever is read is what was meant, and all else is refused in a line."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from trine.serve.refusals import Refusal
from trine.serve.tensors import DTYPES, Port, read_request, write_response

NUMBERS = {name: dtype for name, dtype in DTYPES.items() if name not in ("BOOL", "BYTES")}
PORTS = [Port("x", "FP32", (-1, 2)), Port("text", "BYTES", (-1,), optional=True)]
TENSOR = {"name": "x", "datatype": "FP32", "shape": [1, 2]}


def request(tensor, tail=b"", **fields):
    head = json.dumps({"inputs": [tensor], **fields}).encode()
    return head + tail, str(len(head)) if tail else None


@given(st.data(), st.sampled_from(sorted(DTYPES)), st.booleans())
def test_what_is_read_is_what_was_written(data, datatype, binary):
    shape = data.draw(arrays.array_shapes(min_dims=1, max_dims=3, min_side=0, max_side=4))
    if datatype == "BYTES":
        values = np.empty(shape, object)
        for index in np.ndindex(*shape):
            values[index] = data.draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=5)).encode()
    else:
        plain = {} if datatype == "BOOL" or datatype[0] in "UI" else {"allow_nan": False, "allow_infinity": False}
        values = data.draw(arrays.arrays(DTYPES[datatype], shape, elements=plain or None))
    ports = [Port("y", datatype, (-1,) * len(shape))]
    asked = read_request(
        *request(
            {"name": "y", "datatype": datatype, "shape": list(shape), "data": []}
            if 0 in shape
            else described(values, datatype)
        ),
        ports,
    )
    body, head = write_response(
        type(asked)(None, {}, (), frozenset({"y"}) if binary else frozenset(), binary), "m", "1", {"y": values}
    )
    written = json.loads(body[:head])["outputs"][0]
    again = read_request(*(request(written, body[head:]) if head else request(written)), ports).tensors["y"]
    assert again.shape == values.shape
    assert again.tolist() == values.tolist()


def described(values, datatype):
    data = [each.decode() for each in values.ravel()] if datatype == "BYTES" else values.ravel().tolist()
    return {"name": "y", "datatype": datatype, "shape": list(values.shape), "data": data}


@given(st.binary(max_size=200), st.none() | st.text(max_size=8))
def test_any_bytes_are_read_or_refused(body, length):
    with pytest.raises(Refusal) as refused:
        read_request(body, length, PORTS)
    assert refused.value.status == 400


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(
    st.fixed_dictionaries({}, optional=dict.fromkeys((*TENSOR, "data", "parameters"), JSON)),
    JSON,
    st.binary(max_size=12),
)
def test_any_tensor_is_read_as_its_port_says_or_refused(fields, others, tail):
    body, length = request({**TENSOR, "data": [1, 2], **fields}, tail, outputs=others, parameters=others, id=others)
    try:
        found = read_request(body, length, PORTS)
    except Refusal:
        return
    assert found.tensors["x"].dtype == np.float32
    assert found.tensors["x"].shape[1:] == (2,)


@pytest.mark.parametrize(
    ("changes", "tail", "says"),
    [
        ({"data": [1, 2, 3]}, b"", "3 values, its shape has 2"),
        ({"data": [[1], 2]}, b"", "no list of values"),
        ({"data": ["1", "2"]}, b"", "no FP32"),
        ({"data": [True, False]}, b"", "no FP32"),
        ({"shape": [1, 2, 1], "data": [1, 2]}, b"", "shape [1, 2, 1], not [-1, 2]"),
        ({"shape": [-1, 2], "data": [1, 2]}, b"", "no list of whole numbers"),
        ({"shape": [2**70, 2], "data": [1, 2]}, b"", "its shape has"),
        ({"parameters": {"binary_data_size": 9}}, bytes(8), "goes beyond the body"),
        ({"parameters": {"binary_data_size": 7}}, bytes(8), "7 bytes, its shape has 8"),
        ({"parameters": {"binary_data_size": 8}}, bytes(9), "1 bytes behind the JSON belong to no input"),
        ({"name": "z", "data": []}, b"", "the model takes x, text"),
    ],
)
def test_a_refusal_says_what_is_wrong(changes, tail, says):
    body, length = request({**TENSOR, **changes}, tail)
    with pytest.raises(Refusal) as refused:
        read_request(body, length, PORTS)
    assert says in refused.value.message


def test_an_output_that_there_is_none_of_is_refused():
    asked = read_request(*request({**TENSOR, "data": [1, 2]}, outputs=[{"name": "y"}]), PORTS)
    with pytest.raises(Refusal, match="the model gives x"):
        write_response(asked, "m", "1", {"x": np.zeros(1)})


def test_numbers_that_json_has_no_word_for_become_null():
    asked = read_request(*request({**TENSOR, "data": [1, 2]}), PORTS)
    body, _ = write_response(asked, "m", "1", {"x": np.array([1.5, np.inf, np.nan])})
    assert json.loads(body)["outputs"][0]["data"] == [1.5, None, None]
