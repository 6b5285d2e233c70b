"""Formats whose lines name their event: system calls, audit records, web requests, JSON."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import ClassVar

from trine.datasets.lines import encodable
from trine.logs.log_event import Entity, LogEvent, known, seconds


class Strace:
    """Output of `strace -f`, with or without the times of `-t`, `-tt` or `-ttt`."""

    name: ClassVar[str] = "strace"
    entity: Entity | None = "process"
    _line = re.compile(
        r"(?:\[pid +(?P<pid>\d+)\] |(?P<pid2>\d+) +)?(?:(?P<time>\d+\.\d+|\d\d:\d\d:\d\d(?:\.\d+)?) )?"
        r"(?:(?P<call>[a-z_]\w*)\(|--- (?P<signal>SIG\w+) |\+\+\+ (?P<end>exited|killed) |<\.\.\. (?P<resumed>\w+) )"
    )
    _result = re.compile(r"\) += (?:-1 (?P<error>E[A-Z0-9]+)|\S)")

    def parse(self, line: str) -> LogEvent | None:
        """The event is the name of the call or signal; the line on which an unfinished call resumes is `resumed`."""
        match = self._line.match(line)
        if not match:
            return None
        event = match["call"] or match["signal"] or match["end"] or "resumed"
        result = self._result.search(line[-200:])
        return LogEvent(
            event,
            time=seconds(match["time"]) if match["time"] else None,
            entities={"process": match["pid"] or match["pid2"] or "0"},
            attributes={"result": result["error"] or "ok"} if result else {},
        )


class Audit:
    """Records of the Linux audit daemon; each record is one event."""

    name: ClassVar[str] = "audit"
    entity: Entity | None = "session"
    _head = re.compile(r"(?:node=(?P<node>\S+) )?type=(?P<type>\S+) msg=audit\((?P<time>\d+\.\d+):\d+\): ?")
    _field = re.compile(r"(?<![\w\-])([\w\-]++)=(?:\"([^\"]*)\"|'|([^\s'\"]+))")

    def parse(self, line: str) -> LogEvent | None:
        """The event is `type:call:outcome`, such as `SYSCALL:2:no`; the operation if there is no call."""
        head = self._head.match(line)
        if not head:
            return None
        fields = {key: quoted or bare for key, quoted, bare in self._field.findall(line[head.end() :])}
        outcome = fields.get("success") or fields.get("res") or ""
        words = (head["type"], fields.get("syscall") or fields.get("op"), outcome)
        return LogEvent(
            ":".join(word for word in words if word),
            time=float(head["time"]),
            entities=known(
                host=head["node"] or fields.get("hostname"),
                user=fields.get("acct") or fields.get("auid") or fields.get("uid"),
                process=fields.get("pid"),
                address=fields.get("addr"),
                session=fields.get("ses"),
            ),
            attributes=known(command=fields.get("comm"), outcome=outcome),
        )


class Web:
    """Access logs of web servers in the common or the combined format."""

    name: ClassVar[str] = "web"
    entity: Entity | None = "address"
    _line = re.compile(
        r"(?P<address>\S+) \S+ (?P<user>\S+) \[(?P<time>[^\]]+)\] "
        r"\"(?:(?P<method>[A-Z]+) (?P<path>[^\s\"]*+)[^\"]*+|[^\"]*+)\" (?P<status>\d{3}) (?P<size>\d+|-)"
    )

    def parse(self, line: str) -> LogEvent | None:
        """The event is the method, the first folder, the file ending and the status, as in `GET /blog/.html 200`."""
        match = self._line.match(line)
        if not match:
            return None
        return LogEvent(
            f"{match['method'] or '?'} {_area(match['path'] or '')} {match['status']}",
            time=seconds(match["time"]),
            entities=known(address=match["address"], user=match["user"].strip("-")),
            attributes={"method": match["method"] or "?", "status": match["status"]},
        )


class Json:
    """One JSON object per line."""

    name: ClassVar[str] = "json"
    entity: Entity | None = None
    _times = ("time", "timestamp", "@timestamp", "ts", "date", "datetime")
    _names = ("event", "event_type", "event_name", "eventname", "action", "operation", "syscall")
    _texts = ("message", "msg", "log", "text")
    _entities: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "session": ("session", "session_id", "sid", "trace_id", "request_id"),
        "user": ("user", "username", "user_name", "user_id", "account"),
        "host": ("host", "hostname", "node", "computer"),
        "process": ("process", "pid", "program", "app", "service", "container"),
        "address": ("address", "ip", "remote_addr", "client_ip", "source_ip", "src_ip"),
    }
    _attributes = ("level", "severity", "status", "result", "outcome")

    def parse(self, line: str) -> LogEvent | None:
        """The event is the first field that usually names an event; without one, the template of the message."""
        if not line.lstrip().startswith("{"):
            return None
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            return None
        values = {key.lower(): _scalar(value) for key, value in fields.items()}
        name, text = _first(values, self._names), _first(values, self._texts)
        if not name and not text:
            return None
        return LogEvent(
            name or text,
            mined=not name,
            time=seconds(_first(values, self._times)),
            entities=known(**{entity: _first(values, keys) for entity, keys in self._entities.items()}),
            attributes=known(**{key: values.get(key) for key in self._attributes}),
        )


def _first(fields: Mapping[str, str], keys: Iterable[str]) -> str:
    """The first of these fields that is not empty."""
    return next((fields[key] for key in keys if fields.get(key)), "")


def _scalar(value: object) -> str:
    """A JSON value as text; "" for null, objects and lists."""
    if isinstance(value, str):
        return encodable(value)
    return "" if value is None or isinstance(value, dict | list) else json.dumps(value)


def _area(path: str) -> str:
    """First folder and file ending of a path, each digit as 0: `/blog/2024/may.html?x=1` becomes `/blog/.html`."""
    folder, *rest = path.partition("?")[0].lstrip("/").split("/")[:20]
    ending = re.search(r"\.[A-Za-z]{1,5}$", (rest or [folder])[-1])
    area = f"/{folder}/{ending[0] if ending else ''}" if rest else f"/{folder}"
    return re.sub(r"\d+", "0", area)[:60]
