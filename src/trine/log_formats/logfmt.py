"""Lines of `key=value` pairs, as Go's logfmt, Heroku's router and some firewalls write them."""

import re
from collections.abc import Mapping
from typing import ClassVar

from trine.annotations import override
from trine.log_formats.actors import is_address, with_marks
from trine.log_formats.log_event import Entity, Format, FormatSettings, LogEvent, known
from trine.log_formats.request_marks import request_marks
from trine.log_formats.times import find_time
from trine.log_formats.web_formats import request_parts

_PAIR = re.compile(r"([A-Za-z_@][\w.\-@/]*+)=(?:\"((?:[^\"\\]|\\.)*+)\"|([^\s\"]*+))(?:[ \t,;]++|\Z)")
_ESCAPE = re.compile(r"\\(.)")
_TIMES = ("time", "ts", "timestamp", "t", "@timestamp", "datetime", "eventtime")
_TEXTS = ("msg", "message")
_NAMES = ("event", "event_type", "type", "subtype", "action", "op", "operation")
_PATHS = ("path", "uri", "url", "request_path")
_AGENTS = ("user_agent", "useragent", "userAgent", "agent", "ua", "request_User-Agent", "http_user_agent")
_REFERERS = ("referer", "referrer", "request_Referer", "http_referer")
_LEVELS = ("level", "lvl", "severity", "at")
_ENTITIES: Mapping[Entity, tuple[str, ...]] = {
    "user": ("user", "username", "usr", "user_name", "acct", "suser", "account", "user_id"),
    "address": ("fwd", "srcip", "src", "ip", "client_ip", "remote_addr", "addr", "client", "remote", "remip", "SRC"),
    "host": ("host", "hostname", "node", "devname", "instance"),
    "process": ("app", "dyno", "component", "proc", "process", "pid"),
    "session": ("session", "session_id", "sid", "sessionid"),
}


class Logfmt(Format):
    """Lines of at least two `key=value` pairs, also behind a time."""

    name: ClassVar[str] = "logfmt"
    continues: ClassVar[bool] = True
    has_fields: ClassVar[bool] = True

    def __init__(self, settings: FormatSettings | None = None) -> None:
        super().__init__(settings)
        self._wanted = dict.fromkeys(name for name in (*self.settings.event, self.settings.time) if name)
        """Fields of the settings that no line has had."""

    @override
    def missing_fields(self) -> tuple[str, ...]:
        return tuple(self._wanted)

    def parse(self, text: str) -> LogEvent | None:
        """The event is the template of the message; without one, the request, the fields that name an event, the text.

        The fields of the settings come before all others. A setting that no line has gives events named `no FIELD`.
        """
        found = find_time(text)
        start = found[1] if found else 0
        fields = _fields(text, start)
        if len(fields) < 2:
            return None
        if self._wanted:
            self._wanted = {name: None for name in self._wanted if name not in fields}
        event, mined = self._named(fields, text[start:])
        unusual = ""
        if mined and isinstance(event, str):
            event, unusual = with_marks(event)
        time = _time(fields, self.settings.time) or (found[0] if found else "")
        attributes = known(level=_level(fields), status=fields.get("status"), marks=unusual)
        return LogEvent(event, mined, self.clock.seconds(time) if time else None, self._entities(fields), attributes)

    def _named(self, fields: Mapping[str, str], text: str) -> tuple[str | tuple[str, ...], bool]:
        if self.settings.event:
            return " ".join(fields.get(name) or f"no {name}" for name in self.settings.event), False
        message, path = _first(fields, _TEXTS), _first(fields, _PATHS)
        if message:
            return message, True
        if path and fields.get("method"):
            request = f"{fields['method'].upper()} {path} HTTP/"
            parts = request_parts(request, fields.get("status") or fields.get("code") or "-")
            return (*parts, *request_marks(agent=_first(fields, _AGENTS), referer=_first(fields, _REFERERS))), False
        name = " ".join(fields[key] for key in _NAMES if fields.get(key))
        return (name, False) if name else (text, True)

    def _entities(self, fields: Mapping[str, str]) -> dict[str, str]:
        found = known(**{kind: _first(fields, keys) for kind, keys in _ENTITIES.items()})
        if "address" in found:
            first = found["address"].partition(",")[0].strip()
            host, _, port = first.rpartition(":")
            found["address"] = host.strip("[]") if port.isdigit() and is_address(host.strip("[]")) else first
        if self.entity is not None and fields.get(self.entity):
            found[self.entity] = fields[self.entity]
        return found


def _fields(text: str, start: int) -> dict[str, str]:
    """The pairs from `start` on, up to the first text that is none."""
    fields = {}
    pair = _PAIR.match(text, start)
    while pair:
        key, quoted, bare = pair.groups()
        fields[key] = bare if quoted is None else _ESCAPE.sub(r"\1", quoted)
        pair = _PAIR.match(text, pair.end())
    return fields


def _time(fields: Mapping[str, str], name: str | None) -> str:
    """The text of the time; `date` and `time` are one if both are there."""
    if name:
        return fields.get(name, "")
    if fields.get("date") and fields.get("time"):
        return f"{fields['date']}T{fields['time']}"
    return _first(fields, _TIMES)


def _level(fields: Mapping[str, str]) -> str:
    word = _first(fields, _LEVELS).lower()
    return word if word.isalnum() else ""


def _first(fields: Mapping[str, str], keys: tuple[str, ...]) -> str:
    return next((fields[key] for key in keys if fields.get(key)), "")
