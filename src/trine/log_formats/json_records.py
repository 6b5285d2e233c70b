"""Makes records of the lines of a JSON log: one record per event, with the number of the line where it begins.

- Events are objects: one per line, several per line, over several lines, elements of one array, or elements of the
  list in an object that only holds them, as in `{"Records": [{…}, {…}]}`.
- No more than one object over several lines is held in memory. What is no JSON is given as it is, line by line; of what
  is longer than the limit, the beginning.
- OpenTelemetry's batches are divided: each record has its `resource` and `scope`.
"""

import json
import re
from collections.abc import Iterator

from trine.log_formats.json_fields import DECODER, Json, decoded, plain_name
from trine.log_formats.log_event import Line

MAX_OBJECT = 1 << 20
"""Longest object that is read as one record, where it takes several lines or is a part of a longer one; characters."""

_KEPT, _WINDOW = 1 << 16, 1 << 16
"""Characters of a longer line that cannot be read, of which its beginning is kept; and those in which a value of a long
line is looked for first."""

_BEGINS = frozenset(("", "{", "[", "]", "}", ",", " ", "\t", "\r"))
"""First characters of a line that can belong to JSON outside of an object."""

_BRACKET = "["
"""Stands for a line of brackets and commas, or of the names before a list, which holds no record."""

_STEP = re.compile(r'(?:[^"{}\[\]]++|"(?:[^"\\]++|\\.)*+")*+', re.DOTALL)
"""Up to the next bracket, or to a quote that is not closed."""
_BETWEEN = re.compile(r"[\s,]*+")
_BEGINS_LIST = re.compile(r"\[\s*+(?:$|[{\]])")
_NAMES = "Records|records|events|Events|logEvents|entries|logs|data|items|value|results|resourceLogs"
_BEGINS_HOLDER = re.compile(rf'\{{\s*+"(?:{_NAMES})"\s*+:\s*+\[\s*+(?=\{{)')
_LISTS = frozenset((*_NAMES.split("|"), "hits.hits", "result.results", "data.events", "response.results", "data.logs"))
_LOOKS = 8
"""Lists of an object over several lines that are looked at."""
_BATCH = "resourceLogs"
_SCOPES = ("scopeLogs", "instrumentationLibraryLogs")
_HOLDERS = frozenset((*(path.partition(".")[0] for path in _LISTS), *_SCOPES))
_TIME = re.compile(r"time|date|^@?ts?$|published|created|_source$", re.IGNORECASE)
_OWN_TIME = frozenset(
    ("time", "timestamp", "@timestamp", "ts", "t", "@t", "eventtime", "date", "datetime", "published")
)


class JsonJoiner:
    """Makes records of the lines of a JSON log; the text of a record is one object.

    `last` is the text of the record that was given last and the object that it stands for, which spares reading it
    twice.
    """

    def __init__(self, limit: int = MAX_OBJECT) -> None:
        self.last: tuple[str, Json] = ("", None)
        self._limit = limit
        self._held: _Held | None = None
        self._ends = ""
        """The closing brackets of the list that is read, the innermost first; "" outside of a list."""
        self._source = -1

    def feed(self, line: Line) -> Iterator[Line]:
        """The records that this line completes."""
        if line.source != self._source:
            yield from self.finish()
            self._source = line.source
        if self._held is None:
            if not self._ends and line.text[:1] not in _BEGINS:
                yield _cut(line, self._limit)
                return
            if not self._ends and (whole := _whole(line.text, self._limit)) is not None:
                self.last = line.text, whole
                yield line
                return
            given = False
            for record in self._scan(line, line.text):
                given = True
                yield record
            if not given and self._held is None:
                yield line._replace(text=_BRACKET if line.text.strip() else "")
        elif self._held.may_go_on(line.text):
            yield from self._extend(line, line.text.strip())
        else:
            yield from self._give_up()
            yield from self._scan(line, line.text)

    def finish(self) -> Iterator[Line]:
        """The lines of the object that is incomplete at the end of the log."""
        yield from self._give_up()
        self._ends = ""

    def _scan(self, line: Line, text: str) -> Iterator[Line]:
        """The records of a text at whose begin no object is open."""
        at = 0
        while (at := _end(_BETWEEN, text, at)) < len(text):
            char, ends = text[at], self._ends
            if char == "{" and ends[:1] != "}":
                if not ends and (holder := _BEGINS_HOLDER.match(text, at)) and self._holds_at(text, holder):
                    at, self._ends = holder.end(), "]}"
                    continue
                try:
                    value, end = _decoded_at(text, at, self._limit)
                except (ValueError, RecursionError):
                    self._held = _Held(looks=0 if ends else _LOOKS)
                    yield from self._extend(line, text[at:])
                    return
                yield from self._records(line, text[at:end], value)
                at = end
            elif char == ends[:1]:
                at, self._ends = at + 1, ends[1:]
            elif char == "[" and not ends and _BEGINS_LIST.match(text, at):
                at, self._ends = at + 1, "]"
            else:
                if ends[:1] == "}":
                    self._held, self._ends = _Held(ends[::-1], looks=0), ""
                    yield from self._extend(line, text[at:])
                else:
                    yield _cut(line._replace(text=text[at:]) if at else line, self._limit)
                return

    def _holds_at(self, text: str, holder: re.Match[str]) -> bool:
        """Whether the object that begins with this list only holds it, judged by the first element."""
        try:
            element, _ = _decoded_at(text, holder.end(), self._limit)
        except (ValueError, RecursionError):
            return False
        return _looks_like_event(element)

    def _extend(self, line: Line, text: str) -> Iterator[Line]:
        """Add a text to the object that is held; the records that this completes, and those of the rest of the text."""
        held = self._held
        assert held is not None
        end = held.add(line, text)
        if held.broken or held.length > self._limit:
            yield from self._give_up()
            return
        if held.first_element:
            yield from self._list_of(held, line, text[end:])
        elif not held.open:
            self._held = None
            joined = held.text()
            value = None if held.tail else decoded(joined)
            if value is not None:
                yield from self._records(held.lines[0], joined, value)
            elif not held.tail:
                last = held.lines.pop()
                yield from (*held.lines, last._replace(text=last.text + text[end:]))
                return
            elif "{" in joined:
                yield held.lines[0]._replace(text=joined)
            yield from self._scan(line, text[end:])

    def _list_of(self, held: "_Held", line: Line, rest: str) -> Iterator[Line]:
        """Go on after the first element of a list in an object, as in a list if the object only holds it."""
        assert held.first_element is not None
        start, first = held.first_element
        held.first_element = None
        joined, closing = held.text(), "".join(reversed(held.open))
        outer, element = decoded(joined[:start] + closing), decoded(joined[start:])
        path = _innermost(outer)
        if isinstance(outer, dict) and isinstance(element, dict) and _holds(outer, path, element):
            self._held, self._ends = None, closing
            yield from self._records(first, joined[start:], element)
            yield from self._scan(line, rest)
        else:
            yield from self._extend(line, rest)

    def _records(self, line: Line, text: str, value: Json) -> Iterator[Line]:
        """The records of a complete object: itself, or those of the list in it."""
        if not isinstance(value, dict) or (len(value) > 1 and _HOLDERS.isdisjoint(value)):
            self.last = text, value
            yield line._replace(text=text)
            return
        records = (_listed(value) if not self._ends or _BATCH in value else None) or [value]
        for record in (record for item in records for record in _divided(item)):
            written = text if record is value else json.dumps(record, ensure_ascii=False)
            self.last = written, record
            yield line._replace(text=written)

    def _give_up(self) -> Iterator[Line]:
        """The lines of the object that is held, as they are."""
        held, self._held = self._held, None
        for line in held.lines if held is not None else ():
            yield _cut(line, self._limit)


class _Held:
    """An object of which not all lines have come."""

    def __init__(self, tail: str = "", *, looks: int) -> None:
        self.lines: list[Line] = []
        """The lines, of the first one the part from the begin of the object."""
        self.length = 0
        self.open: list[str] = list(tail)
        """The closing brackets that are needed, the innermost last."""
        self.tail = bool(tail)
        """Whether it is what follows a list in the object that holds it."""
        self.broken = False
        self._looks = looks
        """Number of lists whose first element is still looked at: the object may only hold one of them."""
        self.first_element: tuple[int, Line] | None = None
        """Where the first element of a list begins, once it is complete."""
        self._begin: tuple[int, Line] | None = None
        self._depth = 0
        self._bracket = ""
        self._before = ""

    def may_go_on(self, text: str) -> bool:
        """Whether the object may go on with this line; one that begins an object must be an element or a value."""
        if text.lstrip()[:1] not in ("{", "["):
            return True
        return self._before in ("[", ":") or (self._before == "," and self.open[-1] == "]")

    def text(self) -> str:
        """The object so far. Line breaks are no part of it."""
        return "".join(line.text for line in self.lines)

    def add(self, line: Line, text: str) -> int:
        """Add the part of the text that belongs to the object, or all until an element of a list ends; its end."""
        end = self._find_end(line, text)
        part = text[:end]
        if self.lines and self.lines[-1].number == line.number:
            part = self.lines.pop().text + part
        if part:
            self.lines.append(line._replace(text=part))
        self.length += end
        self._before = part.rstrip()[-1:] or self._before
        return end

    def _find_end(self, line: Line, text: str) -> int:
        at = 0
        while (at := _end(_STEP, text, at)) < len(text):
            char, at = text[at], at + 1
            if char in "{[":
                if char == "{" and self._bracket == "[" and self._looks and self._begin is None and len(self.open) < 4:
                    self._begin, self._depth = (self.length + at - 1, line), len(self.open)
                self.open.append("}" if char == "{" else "]")
            elif not self.open or self.open.pop() != char:
                self.broken = True
                return len(text)
            elif not self.open:
                return at
            elif self._begin is not None and len(self.open) == self._depth:
                self.first_element, self._begin, self._looks = self._begin, None, self._looks - 1
                return at
            self._bracket = char
        return at


def _cut(line: Line, limit: int) -> Line:
    """The beginning of a line that is longer than any record and could not be read."""
    return line if len(line.text) <= limit else line._replace(text=line.text[:_KEPT])


def _decoded_at(text: str, at: int, limit: int) -> tuple[Json, int]:
    """The value that begins at a position and its end; of a longer text, a value of at most `limit` characters.

    Raises `ValueError` or `RecursionError` if there is none.
    """
    for size in (_WINDOW, limit) if len(text) - at > limit else ():
        try:
            value, end = DECODER.raw_decode(text[at : at + size])
        except ValueError:
            continue
        return value, at + end
    if len(text) - at > limit:
        raise ValueError(text[at : at + 80])
    value, end = DECODER.raw_decode(text, at)
    return value, end


def _whole(text: str, limit: int) -> Json:
    """The object of a line that holds nothing but an object that is a record; None for any other line."""
    if text[:1] != "{" or text[-1:] != "}" or len(text) > limit or _BEGINS_HOLDER.match(text):
        return None
    try:
        value, end = DECODER.raw_decode(text)
    except (ValueError, RecursionError):
        return None
    return value if end == len(text) and (len(value) > 1 and _HOLDERS.isdisjoint(value)) else None


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return match.end() if match else at


def _innermost(outer: Json) -> str:
    """The path of the last key of an object, of the last of its object, and so on."""
    keys: list[str] = []
    while isinstance(outer, dict) and outer:
        key = next(reversed(outer))
        keys.append(key)
        outer = outer[key]
    return ".".join(keys)


def _holds(outer: dict[str, Json], path: str, element: Json) -> bool:
    """Whether an object only holds a list: it is no event, and the elements are."""
    name = path.partition(".")[0]
    if path == _BATCH or len(outer) == 1:
        return path == _BATCH or path in _LISTS or _looks_like_event(element)
    others = (plain_name(key) for key in outer if key != name)
    return path in _LISTS and _looks_like_event(element) and _OWN_TIME.isdisjoint(others)


def _looks_like_event(element: Json) -> bool:
    """Whether an object has a time."""
    return isinstance(element, dict) and any(_TIME.search(key[:80]) or key in _SCOPES for key in element)


def _listed(value: dict[str, Json]) -> list[Json] | None:
    """The elements of the list that the object only holds; None if it does not."""
    for key, inner in value.items():
        path, found = key, inner
        if isinstance(inner, dict):
            path, found = next(
                ((f"{key}.{name}", item) for name, item in inner.items() if f"{key}.{name}" in _LISTS), ("", None)
            )
        if isinstance(found, list) and found and isinstance(found[0], dict) and _holds(value, path, found[0]):
            return found
    return None


def _divided(value: Json) -> list[Json]:
    """The records of a batch of OpenTelemetry; anything else as it is."""
    scopes = next((value[key] for key in _SCOPES if key in value), None) if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(scopes, list):
        return [value]
    resource = value.get("resource") or {}
    records: list[Json] = []
    for scope in scopes:
        found = scope.get("logRecords") if isinstance(scope, dict) else None
        for record in found if isinstance(found, list) else [scope]:
            own = isinstance(record, dict) and record is not scope
            records.append({**record, "resource": resource, "scope": scope.get("scope") or {}} if own else record)
    return records or [value]
