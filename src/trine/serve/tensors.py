"""Tensors of the Open Inference Protocol, version 2: JSON lists, or bytes behind the JSON (the binary extension)."""

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trine.serve.refusals import Refusal

DTYPES: Mapping[str, str] = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "<u2",
    "UINT32": "<u4",
    "UINT64": "<u8",
    "INT8": "i1",
    "INT16": "<i2",
    "INT32": "<i4",
    "INT64": "<i8",
    "FP16": "<f2",
    "FP32": "<f4",
    "FP64": "<f8",
    "BYTES": "O",
}
"""numpy's type of each of the protocol's."""
KINDS: Mapping[str, tuple[type, ...]] = {"BO": (bool,), "FP": (int, float), "BY": (str,)}
"""What a value in JSON can be, by the first letters of its type; all others are whole numbers."""
HEADER_LENGTH = "inference-header-content-length"
"""HTTP header: bytes of the JSON, which the tensors follow."""
DEEPEST = 8
"""Axes of a tensor."""


@dataclass(frozen=True)
class Port:
    """An input or output of a model; −1 is an axis of any length."""

    name: str
    datatype: str
    shape: tuple[int, ...]
    optional: bool = False

    def as_json(self) -> dict[str, Any]:
        """As the metadata of a model describe it."""
        described = {"name": self.name, "datatype": self.datatype, "shape": list(self.shape)}
        return {**described, "parameters": {"optional": True}} if self.optional else described


@dataclass(frozen=True)
class InferRequest:
    """A request for an inference."""

    id: str | None
    tensors: dict[str, np.ndarray]
    outputs: tuple[str, ...]
    """Names of the outputs that are wanted; none: all."""
    binary: frozenset[str]
    """Outputs that are wanted as bytes."""
    all_binary: bool
    """Whether outputs are bytes unless it is said otherwise."""


def read_request(body: bytes, header_length: str | None, ports: Sequence[Port]) -> InferRequest:
    """A request for a model with these inputs. Raises `Refusal` (400)."""
    head, tail = _divided(body, header_length)
    try:
        document = json.loads(head)
    except (ValueError, RecursionError):
        raise Refusal(400, "the request is not JSON") from None
    if not isinstance(document, dict):
        raise Refusal(400, "the request is no JSON object")
    known = {port.name: port for port in ports}
    tensors: dict[str, np.ndarray] = {}
    offset = 0
    for described in _objects(document, "inputs"):
        name = described.get("name")
        if not isinstance(name, str) or name not in known:
            raise Refusal(400, f"input {name!r:.80}: the model takes {', '.join(known)}")
        if name in tensors:
            raise Refusal(400, f"input {name}: given twice")
        size = _parameters(described).get("binary_data_size")
        content = None
        if size is not None:
            if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= len(tail) - offset:
                raise Refusal(400, f"input {name}: binary_data_size {size!r:.40} goes beyond the body")
            content, offset = tail[offset : offset + size], offset + size
        tensors[name] = _tensor(described, known[name], content)
    if offset != len(tail):
        raise Refusal(400, f"{len(tail) - offset} bytes behind the JSON belong to no input")
    if missing := [port.name for port in ports if not port.optional and port.name not in tensors]:
        raise Refusal(400, f"input {missing[0]}: missing")
    outputs = _objects(document, "outputs") if document.get("outputs") is not None else []
    names = [each.get("name") for each in outputs]
    if not all(isinstance(name, str) for name in names):
        raise Refusal(400, "outputs: each needs a name")
    binary = frozenset(str(each["name"]) for each in outputs if _parameters(each).get("binary_data") is True)
    identity = document.get("id")
    if identity is not None and not isinstance(identity, str):
        raise Refusal(400, "id: give a text")
    all_binary = _parameters(document).get("binary_data_output") is True
    return InferRequest(identity, tensors, tuple(map(str, names)), binary, all_binary)


def write_response(
    request: InferRequest, model: str, version: str, outputs: Mapping[str, np.ndarray]
) -> tuple[bytes, int | None]:
    """The body of an answer, and the bytes of its JSON where tensors follow. Raises `Refusal` (400)."""
    if unknown := [name for name in request.outputs if name not in outputs]:
        raise Refusal(400, f"output {unknown[0]!r:.80}: the model gives {', '.join(outputs)}")
    described, tail = [], []
    for name in request.outputs or outputs:
        array = outputs[name]
        entry: dict[str, Any] = {"name": name, "datatype": datatype_of(array), "shape": list(array.shape)}
        if name in request.binary or (request.all_binary and name not in request.outputs):
            content = _to_bytes(array)
            entry["parameters"] = {"binary_data_size": len(content)}
            tail.append(content)
        else:
            entry["data"] = _to_list(array)
        described.append(entry)
    document: dict[str, Any] = {"model_name": model, "model_version": version, "outputs": described}
    if request.id is not None:
        document["id"] = request.id
    head = json.dumps(document).encode()
    return (head + b"".join(tail), len(head)) if tail else (head, None)


def datatype_of(array: np.ndarray) -> str:
    """The protocol's name for the type of an array."""
    if array.dtype == object:
        return "BYTES"
    code = array.dtype.newbyteorder("<")
    return next(name for name, dtype in DTYPES.items() if dtype != "O" and np.dtype(dtype) == code)


def _divided(body: bytes, header_length: str | None) -> tuple[bytes, bytes]:
    if header_length is None:
        return body, b""
    if not header_length.isascii() or not header_length.isdigit() or int(header_length[:12]) > len(body):
        raise Refusal(400, f"Inference-Header-Content-Length {header_length!r:.40}: not within the body")
    return body[: int(header_length)], body[int(header_length) :]


def _objects(document: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    listed = document.get(name)
    if not isinstance(listed, list) or not all(isinstance(each, dict) for each in listed):
        raise Refusal(400, f"{name}: give a list of objects")
    return listed


def _parameters(document: Mapping[str, Any]) -> Mapping[str, Any]:
    given = document.get("parameters")
    return given if isinstance(given, dict) else {}


def _tensor(described: Mapping[str, Any], port: Port, content: bytes | None) -> np.ndarray:
    """The array of one input, of the port's type and shape."""
    shape, name = described.get("shape"), port.name
    if described.get("datatype") != port.datatype:
        raise Refusal(400, f"input {name}: datatype {described.get('datatype')!r:.40}, not {port.datatype}")
    if (
        not isinstance(shape, list)
        or len(shape) > DEEPEST
        or not all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in shape)
    ):
        raise Refusal(400, f"input {name}: shape {shape!r:.80} is no list of whole numbers")
    if len(shape) != len(port.shape) or any(w not in (-1, n) for n, w in zip(shape, port.shape, strict=True)):
        raise Refusal(400, f"input {name}: shape {shape}, not {list(port.shape)} (-1: any)")
    count = math.prod(shape)
    if content is None:
        values = _flat(described.get("data"), name)
        if len(values) != count:
            raise Refusal(400, f"input {name}: {len(values)} values, its shape has {count}")
        return _of_values(values, port).reshape(shape)
    if port.datatype == "BYTES":
        return _of_prefixed(content, count, name).reshape(shape)
    dtype = np.dtype(DTYPES[port.datatype])
    if len(content) != count * dtype.itemsize:
        raise Refusal(400, f"input {name}: {len(content)} bytes, its shape has {count * dtype.itemsize}")
    array = np.frombuffer(content, dtype)
    if port.datatype == "BOOL" and array.view(np.uint8).max(initial=0) > 1:
        raise Refusal(400, f"input {name}: a BOOL is 0 or 1")
    return array.reshape(shape)


def _flat(data: Any, name: str) -> list[Any]:
    """The values of a list, which may be nested."""
    if not isinstance(data, list):
        raise Refusal(400, f"input {name}: no data")
    for _ in range(DEEPEST):
        if not any(isinstance(each, list) for each in data):
            return list(data)
        if not all(isinstance(each, list) for each in data):
            break
        data = [value for each in data for value in each]
    raise Refusal(400, f"input {name}: data is no list of values, nor of lists of equal depth")


def _of_values(values: list[Any], port: Port) -> np.ndarray:
    fits = KINDS.get(port.datatype[:2], (int,))
    if not all(isinstance(value, fits) and isinstance(value, bool) == (fits == (bool,)) for value in values):
        raise Refusal(400, f"input {port.name}: a value is no {port.datatype}")
    if port.datatype == "BYTES":
        array = np.empty(len(values), object)
        array[:] = [value.encode("utf-8", "surrogatepass") for value in values]
        return array
    try:
        with np.errstate(over="ignore"):
            return np.array(values, DTYPES[port.datatype])
    except (OverflowError, ValueError):
        raise Refusal(400, f"input {port.name}: a value is out of the range of {port.datatype}") from None


def _of_prefixed(content: bytes, count: int, name: str) -> np.ndarray:
    """Texts, each behind its length in four bytes."""
    texts, offset = list[bytes](), 0
    while offset < len(content):
        if offset + 4 > len(content):
            raise Refusal(400, f"input {name}: its bytes end within a length")
        (size,) = struct.unpack_from("<I", content, offset)
        offset += 4
        if offset + size > len(content):
            raise Refusal(400, f"input {name}: its bytes end within a text")
        texts.append(content[offset : offset + size])
        offset += size
    if len(texts) != count:
        raise Refusal(400, f"input {name}: {len(texts)} texts, its shape has {count}")
    array = np.empty(count, object)
    array[:] = texts
    return array


def _to_bytes(array: np.ndarray) -> bytes:
    if array.dtype == object:
        return b"".join(struct.pack("<I", len(text)) + text for text in array.ravel().tolist())
    return np.ascontiguousarray(array.astype(array.dtype.newbyteorder("<"), copy=False)).tobytes()


def _to_list(array: np.ndarray) -> list[Any]:
    values = list(array.ravel().tolist())
    if array.dtype == object:
        return [text.decode("utf-8", "replace") for text in values]
    finite = array.dtype.kind != "f" or bool(np.isfinite(array).all())
    return values if finite else [value if math.isfinite(value) else None for value in values]
