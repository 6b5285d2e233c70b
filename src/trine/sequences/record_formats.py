"""Formats whose lines name the event: system calls, audit records, web accesses, JSON."""

import json
import re
from collections.abc import Iterable, Mapping
from typing import ClassVar

from trine.datasets.lines import encodable
from trine.sequences.log_event import Entity, LogEvent, known, seconds


class Strace:
    """Output of `strace -f`, with or without `-t`, `-tt`, `-ttt`, to the terminal or to a file."""

    name: ClassVar[str] = "strace"
    entity: Entity | None = "process"
    _line = re.compile(
        r"(?:\[pid +(?P<pid>\d+)\] |(?P<pid2>\d+) +)?(?:(?P<time>\d+\.\d+|\d\d:\d\d:\d\d(?:\.\d+)?) )?"
        r"(?:(?P<call>[a-z_]\w*)\(|--- (?P<signal>SIG\w+) |\+\+\+ (?P<end>exited|killed) |<\.\.\. (?P<resumed>\w+) )"
    )
    _result = re.compile(r"\) += (?:-1 (?P<error>E[A-Z0-9]+)|\S)")

    def parse(self, line: str) -> LogEvent | None:
        """A call counts where it began; where it resumes is an event of its own, `resumed`, to keep the time."""
        found = self._line.match(line)
        if not found:
            return None
        event = found["call"] or found["signal"] or found["end"] or "resumed"
        result = self._result.search(line[-200:])
        return LogEvent(
            event,
            time=seconds(found["time"]) if found["time"] else None,
            entities={"process": found["pid"] or found["pid2"] or "0"},
            attributes={"result": result["error"] or "ok"} if result else {},
        )


class Audit:
    """Records of the Linux audit daemon, one event each."""

    name: ClassVar[str] = "audit"
    entity: Entity | None = "session"
    _head = re.compile(r"(?:node=(?P<node>\S+) )?type=(?P<type>\S+) msg=audit\((?P<time>\d+\.\d+):\d+\): ?")
    _field = re.compile(r"(?<![\w\-])([\w\-]++)=(?:\"([^\"]*)\"|'|([^\s'\"]+))")

    def parse(self, line: str) -> LogEvent | None:
        """The event is the record's type with its call or operation and its success."""
        head = self._head.match(line)
        if not head:
            return None
        said = {key: quoted or bare for key, quoted, bare in self._field.findall(line[head.end() :])}
        outcome = said.get("success") or said.get("res") or ""
        words = (head["type"], said.get("syscall") or said.get("op"), outcome)
        return LogEvent(
            ":".join(word for word in words if word),
            time=float(head["time"]),
            entities=known(
                host=head["node"] or said.get("hostname"),
                user=said.get("acct") or said.get("auid") or said.get("uid"),
                process=said.get("pid"),
                address=said.get("addr"),
                session=said.get("ses"),
            ),
            attributes=known(command=said.get("comm"), outcome=outcome),
        )


class Web:
    """Access logs of web servers, common or combined."""

    name: ClassVar[str] = "web"
    entity: Entity | None = "address"
    _line = re.compile(
        r"(?P<address>\S+) \S+ (?P<user>\S+) \[(?P<time>[^\]]+)\] "
        r"\"(?:(?P<method>[A-Z]+) (?P<path>[^\s\"]*+)[^\"]*+|[^\"]*+)\" (?P<status>\d{3}) (?P<size>\d+|-)"
    )

    def parse(self, line: str) -> LogEvent | None:
        """The event is method, first folder, ending and status: `GET /blog/.html 200`."""
        found = self._line.match(line)
        if not found:
            return None
        return LogEvent(
            f"{found['method'] or '?'} {_area(found['path'] or '')} {found['status']}",
            time=seconds(found["time"]),
            entities=known(address=found["address"], user=found["user"].strip("-")),
            attributes={"method": found["method"] or "?", "status": found["status"]},
        )


class Json:
    """One JSON object a line."""

    name: ClassVar[str] = "json"
    entity: Entity | None = None
    _times = ("time", "timestamp", "@timestamp", "ts", "date", "datetime")
    _names = ("event", "event_type", "event_name", "eventname", "action", "operation", "syscall")
    _texts = ("message", "msg", "log", "text")
    _who: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "session": ("session", "session_id", "sid", "trace_id", "request_id"),
        "user": ("user", "username", "user_name", "user_id", "account"),
        "host": ("host", "hostname", "node", "computer"),
        "process": ("process", "pid", "program", "app", "service", "container"),
        "address": ("address", "ip", "remote_addr", "client_ip", "source_ip", "src_ip"),
    }
    _attributes = ("level", "severity", "status", "result", "outcome")

    def parse(self, line: str) -> LogEvent | None:
        """The event is the first field that names one, else the template of the message."""
        if not line.lstrip().startswith("{"):
            return None
        try:
            fields = json.loads(line)
        except (ValueError, RecursionError):
            return None
        said = {str(key).lower(): _scalar(value) for key, value in fields.items()}
        name, text = _first(said, self._names), _first(said, self._texts)
        if not name and not text:
            return None
        return LogEvent(
            name or text,
            mined=not name,
            time=seconds(_first(said, self._times)),
            entities=known(**{who: _first(said, keys) for who, keys in self._who.items()}),
            attributes=known(**{key: said.get(key) for key in self._attributes}),
        )


def _first(said: Mapping[str, str], keys: Iterable[str]) -> str:
    return next((said[key] for key in keys if said.get(key)), "")


def _scalar(value: object) -> str:
    if isinstance(value, str):
        return encodable(value)
    return "" if value is None or isinstance(value, dict | list) else json.dumps(value)


def _area(path: str) -> str:
    """First folder and ending of a path, digits as `0`: `/blog/2024/may.html?x=1` is `/blog/.html`."""
    folder, *rest = path.partition("?")[0].lstrip("/").split("/")[:20]
    ending = re.search(r"\.[A-Za-z]{1,5}$", (rest or [folder])[-1])
    area = f"/{folder}/{ending[0] if ending else ''}" if rest else f"/{folder}"
    return re.sub(r"\d+", "0", area)[:60]
