"""From the body of a request to the lines of a log: JSON, OTLP in JSON and protobuf, Elasticsearch's bulk format.

A record stays as JSON that the formats of logs read: `json` with its presets, `opentelemetry`, `ecs`.
"""

import base64
import json
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from trine.datasets.lines import NOT_UTF8, encodable
from trine.errors import DataError
from trine.log_formats.escapes import without_escapes
from trine.logs.encodings import CUT, KEPT

if TYPE_CHECKING:
    from google.protobuf.message import Message

MAX_BODY: Final = 1 << 25
"""Bytes of the largest body as sent: 32 MiB. Shippers send 1 to 10 MB."""
MAX_UNPACKED: Final = 1 << 27
"""Bytes of the largest unpacked body: 128 MiB."""
_MAX_TEXT: Final = 1 << 20

Note = Callable[[str], None]
"""Takes the reason for a repair."""


class BodyError(DataError):
    """A body that cannot be read. `status`: the answer of HTTP to it."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


def unpacked_body(body: bytes, encoding: str) -> bytes:
    """The body as `Content-Encoding` says. Raises `BodyError`."""
    for name in reversed([part.strip().lower() for part in encoding.split(",") if part.strip()]):
        if name == "identity":
            continue
        if name not in ("gzip", "x-gzip", "deflate"):
            raise BodyError(f"Content-Encoding {name}: send gzip, deflate or no compression", 415)
        body = _unzipped(body, 31 if "gzip" in name else 15)
    return body


def _unzipped(body: bytes, window: int) -> bytes:
    stream = zlib.decompressobj(window)
    try:
        unpacked = stream.decompress(body, MAX_UNPACKED)
    except zlib.error as problem:
        raise BodyError(f"the compressed body is damaged ({problem})") from None
    if stream.unconsumed_tail:
        raise BodyError(f"the body unpacks to more than {MAX_UNPACKED:,} bytes: send smaller batches", 413)
    if not stream.eof:
        raise BodyError("the compressed body is cut off")
    return unpacked


def json_lines(body: bytes, note: Note, *, is_json: bool = False) -> list[str]:
    """The records of JSON lines, of an array, or of one JSON text after the other; other text line by line.

    is_json   whether the sender says that it is JSON. Raises `BodyError` if it is not
    """
    text = _text(body, note)
    lines = text.split("\n")
    start = text.lstrip("\ufeff \t\r\n")[:1]
    if start in ("[", "{") and not all(_looks_whole(line) for line in lines):
        try:
            records = _concatenated(text.strip())
        except BodyError:
            if is_json and not _is_record(lines[0]):  # lines with a broken one among them are lines
                raise
        else:
            lists = (record if isinstance(record, list) else [record] for record in records)
            return [_line(record, note) for each in lists for record in each]
    return [_fitting(line.rstrip("\r"), note) for line in lines if line.strip()]


def otlp_json(body: bytes, note: Note) -> list[str]:
    """The log records of an OTLP request in JSON, each with its resource and scope."""
    request = _parsed(_text(body, note))
    if not isinstance(request, dict):
        raise BodyError("no request of OTLP: an object with resourceLogs is expected")
    return _records(request, note)


def otlp_protobuf(body: bytes, note: Note) -> list[str]:
    """The log records of an OTLP request in protobuf, each with its resource and scope, as JSON."""
    from google.protobuf.json_format import MessageToDict
    from google.protobuf.message import DecodeError
    from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

    message: Message = ExportLogsServiceRequest()
    try:
        message.ParseFromString(body)
        request = MessageToDict(message)
    except (DecodeError, ValueError, RecursionError) as problem:
        raise BodyError(f"no request of OTLP in protobuf ({problem})") from None
    for record in _log_records(request):
        for name in ("traceId", "spanId"):  # hexadecimal in OTLP's JSON, but base64 in that of protobuf
            if record.get(name):
                record[name] = _hexadecimal(record[name])
    return _records(request, note)


def bulk(body: bytes, note: Note) -> tuple[list[str], list[str]]:
    """Actions and documents of Elasticsearch's bulk format: the documents to be added, and the action of each."""
    lines = _text(body, note).split("\n")
    actions: list[str] = []
    documents: list[str] = []
    position = 0
    while position < len(lines):
        line = lines[position].strip()
        position += 1
        if not line:
            continue
        action = next(iter(_object(line)), "")
        if action not in ("index", "create", "update", "delete"):
            raise BodyError(f"bulk line {position}: an action (index, create) is expected")
        if action == "delete":
            continue
        if position >= len(lines) or not lines[position].strip():
            raise BodyError(f"bulk line {position}: no document follows the action")
        documents.append(_fitting(lines[position].rstrip("\r"), note))
        actions.append(action)
        position += 1
    return documents, actions


def _records(request: dict[str, Any], note: Note) -> list[str]:
    lines = []
    for resource_logs in _objects(request, "resourceLogs", "resource_logs"):
        resource = resource_logs.get("resource") or {}
        for scope_logs in _objects(resource_logs, "scopeLogs", "scope_logs"):
            scope = scope_logs.get("scope") or {}
            records = _objects(scope_logs, "logRecords", "log_records")
            lines += [_line({**record, "resource": resource, "scope": scope}, note) for record in records]
    return lines


def _log_records(request: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        record
        for resource_logs in _objects(request, "resourceLogs")
        for scope_logs in _objects(resource_logs, "scopeLogs")
        for record in _objects(scope_logs, "logRecords")
    ]


def _objects(value: dict[str, Any], *names: str) -> list[dict[str, Any]]:
    found: Any = next((value[name] for name in names if name in value), [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise BodyError(f"no request of OTLP: {names[0]} is no list of objects")
    return found


def _hexadecimal(text: str) -> str:
    return base64.b64decode(text).hex()


def _text(body: bytes, note: Note) -> str:
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError:
        note(NOT_UTF8)
        return body.decode(errors="backslashreplace")


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as problem:
        raise BodyError(f"no JSON ({problem})") from None


def _concatenated(text: str) -> list[Any]:
    """One JSON text after the other, each over any number of lines."""
    decoder, position = json.JSONDecoder(), 0
    records: list[Any] = []
    while position < len(text):
        try:
            record, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as problem:
            raise BodyError(f"no JSON ({problem})") from None
        records.append(record)
        while position < len(text) and text[position] in " \t\r\n,\x1e":
            position += 1
    return records


def _looks_whole(line: str) -> bool:
    """Whether a line is blank or can be a record of its own."""
    stripped = line.strip()
    is_object = stripped[:1] == "{" and stripped[-1:] == "}"
    return not stripped or (is_object and "}{" not in stripped and "} {" not in stripped)


def _is_record(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _object(line: str) -> dict[str, Any]:
    value = _parsed(line)
    if not isinstance(value, dict):
        raise BodyError("bulk: an action is an object of JSON")
    return value


def _line(record: Any, note: Note) -> str:
    if isinstance(record, str):
        return _fitting(record.replace("\n", "\\n"), note)
    try:
        return _fitting(encodable(json.dumps(record, ensure_ascii=False, separators=(",", ":"))), note)
    except RecursionError as problem:
        raise BodyError(f"no record of a log ({problem})") from None


def _fitting(line: str, note: Note) -> str:
    """The line without colours, and cut if it is as long as no line of a log."""
    if "\x1b" in line:
        line = without_escapes(line)
    if len(line) > _MAX_TEXT:
        note(CUT)
        return line[:KEPT]
    return line.replace("\0", "\\x00")
