"""CEF and LEEF, in which security products write: `CEF:0|vendor|product|version|id|name|severity|key=value …`."""

import re
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import ClassVar

from trine.log_formats.log_event import Entity, Format, LogEvent, known
from trine.log_formats.times import Clock, find_time
from trine.log_formats.values import marks

_START = re.compile(r"\b(CEF|LEEF): ?(\d(?:\.\d)?)\|")
_MAX_HEAD = 400
"""Characters before `CEF:` in which a head of syslog is looked for."""

_FIELD = re.compile(r"((?:[^|\\]|\\.)*+)\|")
_KEY = re.compile(r"(?:(?<=\s)|^)([\w.\-\[\]]++)=")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_PRIORITY = re.compile(r"<\d{1,3}>(?:\d{1,2} )?")
_SENT = ("request", "requestClientApplication", "cs1", "msg", "url", "fname", "filePath", "duser", "suser", "usrName")
"""Fields in which a client's own text can stand."""

_TIMES = ("rt", "end", "start", "deviceReceiptTime", "art", "devTime")
_USERS, _ADDRESSES = (
    ("suser", "duser", "usrName", "suid"),
    ("src", "sourceAddress", "c6a2", "srcIP", "sourceTranslatedAddress"),
)
_HOSTS, _PROCESSES = ("dhost", "dvchost", "shost", "identHostName", "deviceHostName", "dvc"), ("sproc", "dproc")


class Cef(Format):
    """Lines of CEF or LEEF, also behind the head of syslog."""

    name: ClassVar[str] = "cef"
    default_entity: ClassVar[Entity | None] = "address"

    def parse(self, text: str) -> LogEvent | None:
        """The event is vendor and product, signature and name, and what is unusual in a request."""
        start = _START.search(text[:_MAX_HEAD])
        event = cef_payload(text[start.start() :], self.clock) if start else None
        if start is None or not start.start():
            return event
        if event is None:  # cut off, or broken: free text behind a head
            event = LogEvent(text[start.start() :], mined=True)
        head = _PRIORITY.sub("", text[: start.start()], count=1)
        found = find_time(head)
        rest = head[found[1] :] if found else head
        host = next((word for word in rest.split() if word.strip(":-")), "")
        entities = {**known(host=host), **event.entities}
        time = event.time if event.time is not None or not found else self.clock.seconds(found[0])
        return event._replace(time=time, entities=entities)


def cef_payload(text: str, clock: Clock | None = None) -> LogEvent | None:
    """The event of a text that begins with `CEF:` or `LEEF:`; None for any other."""
    start = _START.match(text)
    if not start:
        return None
    columns, rest = _columns(text, start.end(), 6 if start[1] == "CEF" else 4)
    if columns is None:
        return None
    if start[1] == "CEF":
        vendor, product, _, signature, name, severity = columns
        fields = dict(_cef_fields(rest))
    else:
        vendor, product, _, signature = columns
        fields = dict(_leef_fields(rest, start[2]))
        name, severity = fields.get("cat", ""), fields.get("sev", "")
    return _event((f"{vendor} {product} ", signature, f": {name}" if name else ""), severity, fields, clock or Clock())


def _event(parts: tuple[str, str, str], severity: str, fields: Mapping[str, str], clock: Clock) -> LogEvent:
    unusual = ",".join(
        sorted({name for key in _SENT if key in fields for name in marks(fields[key]).split(",")} - {"", "url"})
    )
    time = _first(fields, _TIMES)
    return LogEvent(
        tuple(part for part in (*parts, f" {{{unusual}}}" if unusual else "") if part),
        False,
        clock.seconds(time) if time else None,
        known(
            user=_first(fields, _USERS),
            address=_first(fields, _ADDRESSES),
            host=_first(fields, _HOSTS),
            process=_first(fields, _PROCESSES),
        ),
        known(severity=severity, action=fields.get("act") or fields.get("action"), outcome=fields.get("outcome")),
    )


def _columns(text: str, start: int, count: int) -> tuple[list[str] | None, str]:
    """The columns of the head, without escapes, and what follows; None if the head has fewer."""
    columns = []
    for _ in range(count):
        column = _FIELD.match(text, start)
        if not column:
            break
        columns.append(_plain(column[1]))
        start = column.end()
    if len(columns) == count - 1 and start < len(text):  # nothing follows the last column
        return [*columns, _plain(text[start:])], ""
    return (columns if len(columns) == count else None), text[start:]


def _cef_fields(text: str) -> Iterator[tuple[str, str]]:
    """Keys and values: a value goes on to the next ` key=`, so that it can hold blanks."""
    keys = list(_KEY.finditer(text))
    for key, following in zip_longest(keys, keys[1:]):
        value = text[key.end() : following.start() if following else len(text)]
        if value.strip():
            yield key[1], _plain(value.strip())


def _leef_fields(text: str, version: str) -> Iterator[tuple[str, str]]:
    delimiter = "\t"
    if version.startswith("2"):
        named, bar, rest = text.partition("|")
        if bar and len(named) <= 5 and "=" not in named:
            code = named.lower().lstrip("0").removeprefix("x")
            is_code = named.lower().startswith(("x", "0x")) and re.fullmatch("[0-9a-f]{1,4}", code)
            delimiter, text = (chr(int(code, 16)) if is_code else named) or "\t", rest
    if delimiter not in text:
        yield from _cef_fields(text)
        return
    for pair in text.split(delimiter):
        key, equals, value = pair.partition("=")
        if equals and value.strip():
            yield key.strip(), value.strip()


def _plain(text: str) -> str:
    return _ESCAPE.sub(_unescaped, text) if "\\" in text else text


def _unescaped(escape: re.Match[str]) -> str:
    return {"n": "\n", "r": "\r"}.get(escape[1], escape[1] if escape[1] in "\\=|" else escape[0])


def _first(fields: Mapping[str, str], keys: tuple[str, ...]) -> str:
    return next((fields[key] for key in keys if fields.get(key)), "")
