"""Log formats: each takes a line apart into time, who it is about, what happened, and attributes.

`FORMATS` is the registry, from the most particular to `plain`, which takes any line. A format is a class with a `name`,
the `entity` it is usually split by, and `parse(line) -> LogEvent | None`; an instance reads one log.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import ClassVar, Literal, Protocol, get_args, runtime_checkable

from trine.data.sequence_files import encodable
from trine.errors import UsageError

Entity = Literal["host", "user", "process", "address", "session"]
ENTITIES: tuple[Entity, ...] = get_args(Entity)


@dataclass(frozen=True, slots=True)
class LogEvent:
    """One line: `event` is a name, or with `mined` a free text that still needs its template."""

    event: str
    mined: bool = False
    time: float | None = None
    """Seconds; since 1970 if the line says the year."""
    entities: Mapping[str, str] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Format(Protocol):
    """How one log is written."""

    name: ClassVar[str]
    entity: Entity | None

    def parse(self, line: str) -> LogEvent | None:
        """The event of `line`; None if it is not of this format."""


_ADDRESS = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b|\b(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F]{0,4}\b")
_USER = re.compile(r"(?:\buser[ =]|\b(?:password|publickey|none) for )(?!invalid\b|unknown\b)([\w.\-$]+)")
_ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|[+\-]\d\d:?\d\d))?"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


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
            entities=_known(
                host=head["node"] or said.get("hostname"),
                user=said.get("acct") or said.get("auid") or said.get("uid"),
                process=said.get("pid"),
                address=said.get("addr"),
                session=said.get("ses"),
            ),
            attributes=_known(command=said.get("comm"), outcome=outcome),
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
            entities=_known(address=found["address"], user=found["user"].strip("-")),
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
            entities=_known(**{who: _first(said, keys) for who, keys in self._who.items()}),
            attributes=_known(**{key: said.get(key) for key in self._attributes}),
        )


class _Text:
    """What syslog's kinds share: a head by `_head`, then free text."""

    entity: Entity | None = "process"
    _head: ClassVar[re.Pattern[str]]

    def parse(self, line: str) -> LogEvent | None:
        """The event is the template of the text; user and address are the first that the text names."""
        head = self._head.match(line)
        if not head:
            return None
        said, text = head.groupdict(), line[head.end() :]
        address, user = _ADDRESS.search(text), _USER.search(text)
        program, pid = said.get("program") or "", (said.get("pid") or "").strip("-")
        return LogEvent(
            f"{program}: {text}" if program else text,
            mined=True,
            time=self._seconds(said["time"]),
            entities=_known(
                host=said.get("host"),
                process=f"{program}[{pid}]" if pid else program,
                user=user and user[1],
                address=address and address[0],
            ),
            attributes=_known(program=program),
        )

    def _seconds(self, said: str) -> float | None:
        return seconds(said)


class Syslog5424(_Text):
    """Syslog of RFC 5424."""

    name: ClassVar[str] = "syslog5424"
    _head = re.compile(
        r"<\d{1,3}>\d (?P<time>\S+) (?P<host>\S+) (?P<program>\S+) (?P<pid>\S+) \S+ "
        r"(?:-|(?:\[(?:[^\]\"\\]|\\.|\"(?:[^\"\\]|\\.)*\")*\])+) ?\ufeff?"
    )


class SyslogIso(_Text):
    """Syslog with ISO times, as systemd and rsyslog write it."""

    name: ClassVar[str] = "syslog-iso"
    _head = re.compile(
        rf"(?:<\d{{1,3}}>)?(?P<time>{_ISO}) (?P<host>[\w.\-:]+) (?P<program>[\w./\-()@]+)(?:\[(?P<pid>\d+)\])?: ?"
    )


class Syslog(_Text):
    """Syslog of RFC 3164: no year; one that ends is noticed by its months."""

    name: ClassVar[str] = "syslog"
    _head = re.compile(
        r"(?:<\d{1,3}>)?(?P<time>(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d \d\d:\d\d:\d\d) "
        r"(?P<host>\S+) (?:(?P<program>[^\s:\[]+)(?:\[(?P<pid>\d+)\])?: ?)?"
    )

    def __init__(self) -> None:
        self._year, self._month = 2000, 1  # any leap year: only differences matter

    def _seconds(self, said: str) -> float | None:
        month = _MONTHS.index(said[:3]) + 1
        if self._month - month > 6:
            self._year += 1
        self._month = month
        day, hour, minute, second = int(said[4:6]), int(said[7:9]), int(said[10:12]), int(said[13:15])
        try:
            return datetime(self._year, month, day, hour, minute, min(second, 59), tzinfo=UTC).timestamp()
        except ValueError:
            return None


class Plain:
    """Any line; a time at its beginning is taken off."""

    name: ClassVar[str] = "plain"
    entity: Entity | None = None
    _time = re.compile(rf"\[?(?P<time>{_ISO}|\d{{9,10}}(?:\.\d+)?)\]?[ :,\-]*")

    def parse(self, line: str) -> LogEvent | None:
        """The event is the template of the line. An empty line is none."""
        found = self._time.match(line)
        text = line[found.end() :] if found else line
        address, user = _ADDRESS.search(text), _USER.search(text)
        if not text.strip():
            return None
        return LogEvent(
            text,
            mined=True,
            time=seconds(found["time"]) if found else None,
            entities=_known(address=address and address[0], user=user and user[1]),
        )


class Pattern:
    """An own regular expression: groups `time`, `event` or `message`, the entities; any other is an attribute."""

    name: ClassVar[str] = "pattern"

    def __init__(self, pattern: str) -> None:
        try:
            self._line = re.compile(pattern)
        except re.error as error:
            raise UsageError(f"pattern {pattern!r}: {error}; mend the regular expression") from None
        groups = self._line.groupindex
        if not {"event", "message"} & set(groups):
            raise UsageError(f"pattern {pattern!r}: no group (?P<event>…) or (?P<message>…); name what happened")
        self.entity: Entity | None = next((entity for entity in ENTITIES if entity in groups), None)

    def parse(self, line: str) -> LogEvent | None:
        """The event is the group `event` as it is, else the template of `message`."""
        found = self._line.search(line)
        said = {name: value for name, value in found.groupdict().items() if value} if found else {}
        event = said.get("event") or said.get("message")
        if not event:
            return None
        rest = {name: said[name] for name in said if name not in (*ENTITIES, "time", "event", "message")}
        return LogEvent(
            event,
            mined="event" not in said,
            time=seconds(said.get("time", "")),
            entities={name: said[name] for name in said if name in ENTITIES},
            attributes=rest,
        )


FORMATS: dict[str, type[Format]] = {
    kind.name: kind for kind in (Audit, Strace, Web, Json, Syslog5424, SyslogIso, Syslog, Plain)
}


def guess_format(lines: Iterable[str]) -> str:
    """The name of the format that most of these lines have; `plain` if less than half have any other."""
    lines = [line for line in lines if line.strip()]
    best, most = Plain.name, len(lines) / 2
    for name, kind in FORMATS.items():
        fits = sum(kind().parse(line) is not None for line in lines) if kind is not Plain else 0
        if fits >= most and fits:
            best, most = name, fits + 1
    return best


def seconds(said: str) -> float | None:
    """Seconds since 1970 of a number, an ISO time, a web server's time, or a time of day; None if it is none."""
    said = said.strip()
    try:
        if re.fullmatch(r"\d{1,16}(\.\d{1,9})?", said):
            number = float(said)
            return number / 1000 if number > 1e11 else number
        if re.fullmatch(r"\d\d:\d\d:\d\d(\.\d+)?", said):
            return int(said[:2]) * 3600 + int(said[3:5]) * 60 + float(said[6:])
        if "/" in said:
            return datetime.strptime(said, "%d/%b/%Y:%H:%M:%S %z").timestamp()
        moment = datetime.fromisoformat(said.replace(",", "."))
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def _known(**said: str | None) -> dict[str, str]:
    return {name: value for name, value in said.items() if value}


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
