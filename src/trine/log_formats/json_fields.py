"""Values of nested records by dotted paths, such as `objectRef.resource` or `records.0.name`.

- A part of a path is a key, or the index of an element; without an index, the first element that has the rest counts.
- Keys may hold dots themselves: `user.name` is found in `{"user": {"name": …}}` and in `{"user.name": …}`.
- Lists of names and values, as OpenTelemetry has them (`[{"key": …, "value": …}]`), are read like objects.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

from trine.datasets.lines import encodable

Json = object
"""What a JSON text stands for; its numbers are kept as the text that they are written as."""

Record = Mapping[str, Json]

DECODER = json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str, strict=False)
"""Keeps numbers as text: none is rounded, and numbers of any length are read in linear time."""

_KEYS = (("key", "value"), ("Key", "Value"), ("Name", "Value"), ("name", "value"))
_TYPED = frozenset(("stringValue", "intValue", "boolValue", "doubleValue", "bytesValue"))
_MOST_ELEMENTS = 8
"""Elements of a list of plain values that are part of its text."""
_MOST_FIELDS = 500
"""Names of fields of one record that are listed."""


def decoded(text: str) -> Json:
    """The value of a JSON text; None if the text is no JSON, or nested too deeply to be read."""
    text = text.strip()
    try:
        value, end = DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return value if end == len(text) else None


Parts = tuple[str, ...]
"""A divided path."""


@lru_cache(1 << 12)
def parts_of(path: str) -> Parts:
    """The parts of a dotted path."""
    return tuple(path.split("."))


def value_at(value: Json, path: str) -> Json:
    """What stands at a dotted path; None if nothing does."""
    if type(value) is dict and (found := value.get(path)) is not None:
        return found
    return value_of(value, parts_of(path))


def value_of(value: Json, parts: Parts) -> Json:
    """What stands at a divided path; None if nothing does."""
    found = value
    for part in parts:
        if type(found) is not dict:
            break
        found = found.get(part)
    else:
        if found is not None:
            return found
    return _descend(value, parts, 0) if found is not None or _has_dots(value, parts) else None


def _has_dots(value: Json, parts: Parts) -> bool:
    """Whether an object on the way of a path has keys with dots, which may hold what is missing."""
    for part in parts:
        if type(value) is not dict:
            return False
        if "." in "".join(value):
            return True
        value = value.get(part)
    return False


def may_stand(keys: Iterable[str], path: str) -> bool:
    """Whether something can stand at a path of a record that has these keys."""
    first, dot, _ = path.partition(".")
    return any(key == first or (dot and key.startswith(f"{first}.")) for key in keys)


def text_at(value: Json, path: str) -> str:
    """What stands at a dotted path as text; "" if nothing does, or an object."""
    return text_of(value_at(value, path))


def first_text(value: Json, paths: Iterable[Parts]) -> str:
    """The first text at one of the paths that is not empty."""
    for parts in paths:
        found = value_of(value, parts)
        if type(found) is str and found.isascii():
            if found:
                return found
        elif text := text_of(found):
            return text
    return ""


def text_of(value: Json) -> str:
    """A plain value as text, the plain values of a list joined by commas; "" for null, objects and lists of them."""
    if isinstance(value, str):
        return value if value.isascii() else encodable(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join(filter(None, (text_of(item) for item in value[:_MOST_ELEMENTS] if not isinstance(item, list))))
    if isinstance(value, dict) and len(value) == 1:
        key, inner = next(iter(value.items()))
        return text_of(inner) if key in _TYPED and not isinstance(inner, dict | list) else ""
    return ""


def names_of(record: Record, depth: int = 4) -> list[str]:
    """The dotted paths of all plain values of a record, elements of lists without their index."""
    names = dict.fromkeys(_paths(record, "", depth))
    return list(names)


def _paths(value: Json, prefix: str, depth: int) -> Iterator[str]:
    if depth < 0:
        return
    if isinstance(value, dict):
        for key, inner in list(value.items())[:_MOST_FIELDS]:
            yield from _paths(inner, f"{prefix}.{key[:100]}" if prefix else key[:100], depth - 1)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield from _paths(value[0], prefix, depth - 1)
    elif prefix:
        yield encodable(prefix)


def _descend(value: Json, parts: Parts, start: int) -> Json:
    """What stands below a value at the parts from `start` on."""
    if start == len(parts):
        return value
    if isinstance(value, dict):
        key = ""
        for end in range(start + 1, len(parts) + 1):
            key = f"{key}.{parts[end - 1]}" if key else parts[start]
            if key in value and (found := _descend(value[key], parts, end)) is not None:
                return found
        return None
    return _element(value, parts, start) if isinstance(value, list) else None


def _element(value: list[Json], parts: Parts, start: int) -> Json:
    """What stands at the parts in an element of a list: of the index, of the name, or of the first that has it."""
    if parts[start].isdecimal() and len(parts[start]) < 8 and int(parts[start]) < len(value):
        return _descend(value[int(parts[start])], parts, start + 1)
    for key, content in _KEYS:
        if value and isinstance(value[0], dict) and key in value[0] and content in value[0]:
            found = _named(value, key, content, ".".join(parts[start:]))
            if found is not None:
                return found
    return next((found for item in value if (found := _descend(item, parts, start)) is not None), None)


def _named(value: list[Json], key: str, content: str, name: str) -> Json:
    return next((item.get(content) for item in value if isinstance(item, dict) and item.get(key) == name), None)


_PLAIN_NAME = re.compile(r"[_\-.@ ]")


def plain_name(name: str) -> str:
    """A name of a field without its style: `event_time`, `eventTime` and `Event-Time` are the same."""
    return _plain(name[:80])


@lru_cache(1 << 12)
def _plain(name: str) -> str:
    return ("@" if name.startswith("@") and len(name) < 4 else "") + _PLAIN_NAME.sub("", name).lower()
