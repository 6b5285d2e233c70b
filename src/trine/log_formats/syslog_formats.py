"""Three kinds of syslog: a head with time, host and program, then free text, JSON, CEF, LEEF or `key=value` pairs."""

import re
from typing import ClassVar

from trine.annotations import override
from trine.log_formats.actors import is_address, who, with_marks
from trine.log_formats.log_event import HEADER, Entity, Format, Header, LogEvent
from trine.log_formats.text_formats import payload

_SEVERITIES = ("emergency", "alert", "critical", "error", "warning", "notice", "info", "debug")
_PRIORITY = r"(?:<(?P<priority>\d{1,3})>)?"
_PROGRAM = (
    r"(?:(?!CEF:|LEEF:)(?P<program>%?(?:[^\s:\[\]{}\"=|]|:(?=\S)(?!\[))++|[A-Z]\w{0,30}(?: [A-Z]\w{0,30}){1,3}(?=\[\d))"
    r"(?:\[(?P<pid>[^\]\s]{0,64})\](?:: ?|(?= ))|:(?: |\Z)))?"
)
_TAG = r"([A-Za-z0-9][\w.\-]*+) (?!CEF:|LEEF:)([A-Za-z][\w./\-]*+)(?:\[(\d{1,10})\])?: "
_UPTIME = re.compile(r"\[ *\d{1,12}\.\d{1,9}\] ?")
_SOLARIS = re.compile(r"\[ID \d+ \w+\.\w+\] ")
_PORT = re.compile(r"\bDPT=(\d{1,5})\b")


class SyslogFormat(Format):
    """The base of the kinds of syslog: a head that matches `_head`, then the message."""

    default_entity: ClassVar[Entity | None] = "process"
    continues: ClassVar[bool] = True
    _head: ClassVar[re.Pattern[str]]
    """With the groups time, host, program, pid, priority."""
    _usual: ClassVar[re.Pattern[str]] = re.compile(r"(?!)")
    """Most lines: in half the time of `_head`, with the same result. Groups: time, host, program, pid."""

    def parse(self, text: str) -> LogEvent | Header | None:
        """The event is the template of program and message; user and address are those that the message names."""
        usual = self._usual.match(text)
        if usual is not None:
            time, host, program, pid = usual.groups()
            return self._event(text[usual.end() :], time, host, program, pid or "", None)
        head = self._head.match(text)
        if head is None:
            return None
        time, host, program, pid, priority = head.group("time", "host", "program", "pid", "priority")
        return self._event(text[head.end() :], time, host or "", program or "", pid or "", priority)

    def _event(self, message: str, time: str, host: str, program: str, pid: str, priority: str | None) -> LogEvent:
        entities = {"host": host} if host else {}
        if program:
            entities["process"] = (
                f"{program}[{pid}]" if pid else program if program[0] != "%" else program.split("-", maxsplit=1)[0]
            )
        attributes = {"program": program} if program else {}
        if priority:
            attributes["severity"] = _SEVERITIES[int(priority) % 8]
        seconds = self.clock.seconds(time)
        if message[:1] in _PAYLOAD_BEGINS:
            inner = payload(message)
            if inner is not None:
                return _wrapped(inner, program, seconds, entities, attributes)
            message = _SOLARIS.sub("", _UPTIME.sub("", message, count=1), count=1)
        user, address = who(message)
        if user:
            entities["user"] = user
        if address:
            entities["address"] = address
        if " DPT=" in message:
            port = _PORT.search(message)
            attributes["port"] = (port[1] if int(port[1]) < 1024 else "high") if port else ""
        message, unusual = with_marks(message)
        if unusual:
            attributes["marks"] = unusual
        event = f"{program}: {message}" if program else message or "empty"
        return _NEW(LogEvent, (event, True, seconds, entities, attributes))


_NEW = tuple.__new__
"""Makes a named tuple in half the time."""

_PAYLOAD_BEGINS = frozenset("{C@L[")
"""How JSON, CEF, LEEF, and what goes before the message in a kernel's or Solaris' log begin."""


def _wrapped(
    inner: LogEvent, program: str, time: float | None, entities: dict[str, str], attributes: dict[str, str]
) -> LogEvent:
    """The event of a payload, with what the head says; what the payload says comes first, but for the time."""
    event = inner.event
    if program:
        event = f"{program}: {event}" if isinstance(event, str) else (f"{program}: ", *event)
    return LogEvent(
        event,
        inner.mined,
        inner.time if time is None else time,
        {**entities, **inner.entities},
        {**attributes, **inner.attributes},
    )


class Syslog(SyslogFormat):
    """Syslog as in RFC 3164 and as many systems write it: with a year, fractions, a zone; without a host; Cisco's."""

    name: ClassVar[str] = "syslog"
    _head = re.compile(
        rf"{_PRIORITY}(?:\d{{1,10}}: )?(?:[\w.\-]+: )?[*.]?"
        r"(?P<time>(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) {1,2}\d{1,2}(?: \d{4})? \d\d:\d\d:\d\d"
        r"(?:\.\d{1,9})?(?: \d{4}(?= ))?)(?: [A-Z]{3,4}(?=: ))?(?:: | ++|\Z)"
        r"(?:(?P<host>(?!last message |message repeated |-- MARK)(?![^\s\[]+(?:\[[^\]\s]*\])?:(?: |\Z))"
        r"[^\s\[\]%{]++) ++)?"
        rf":? ?{_PROGRAM}"
    )

    _usual = re.compile(rf"([A-Z][a-z]{{2}} [ \d]\d \d\d:\d\d:\d\d) {_TAG}")

    @override
    def parse(self, text: str) -> LogEvent | Header | None:
        event = super().parse(text)
        return _journal_note(text) if event is None and text.startswith("-- ") else event


class SyslogIso(SyslogFormat):
    """Syslog with ISO times, as rsyslog, `journalctl -o short-iso` and Heroku write it."""

    name: ClassVar[str] = "syslog-iso"
    _no_level = r"(?!(?:TRACE|DEBUG|INFO|NOTICE|WARN|WARNING|ERROR|FATAL|CRITICAL|SEVERE|UTC|LOG|[A-Z])\b)"
    _head = re.compile(
        rf"{_PRIORITY}(?P<time>\d{{4}}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{{1,9}})?(?: ?(?:Z|[+\-]\d\d:?\d\d))?) ++"
        rf"(?:(?P<host>{_no_level}[\w.\-:]++)(?<!:) "
        rf"{_no_level}(?=[^\s:]+(?::\S+)?:(?: |\Z)|\S+\[\S*\]:? |last message |-- |CEF:|LEEF:|message repeated )"
        rf"|(?=[\w.\-/]+\[\S+\]: )){_PROGRAM}"
    )
    _usual = re.compile(
        rf"(\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{{1,9}})?(?:Z|[+\-]\d\d:?\d\d)) {_no_level}(?=\S+ {_no_level}){_TAG}"
    )

    @override
    def parse(self, text: str) -> LogEvent | Header | None:
        event = super().parse(text)
        return _journal_note(text) if event is None and text.startswith("-- ") else event


def _journal_note(text: str) -> LogEvent | Header | None:
    """What journalctl says between the lines: which span it shows, and where the machine started anew."""
    if text.startswith(("-- Reboot --", "-- Boot ")):
        return LogEvent("reboot")
    return HEADER if re.match(r"-- (?:Logs begin at|Journal begins at|No entries) ?", text) else None


class Syslog5424(SyslogFormat):
    """Syslog as in RFC 5424, also with the count of octets before each message."""

    name: ClassVar[str] = "syslog5424"
    _head = re.compile(
        r"(?:\d{1,7} )?<(?P<priority>\d{1,3})>\d{1,2} (?P<time>\S+) (?P<host>\S+) (?P<program>\S+) (?P<pid>\S+) "
        r"(?P<id>\S+) "
        r"(?P<data>-|(?:\[(?:[^\]\"\\]|\\.|\"(?:[^\"\\]|\\.)*+\")*+\])++)(?: |\Z) ?(?:\ufeff|ï»¿)?"
    )
    _element = re.compile(r"\[([^\s\]=\"]++)((?:[^\]\"]|\"(?:[^\"\\]|\\.)*+\")*+)\]")
    _parameter = re.compile(r" ([^\s=\]\"]++)=\"((?:[^\"\\]|\\.)*+)\"")
    _users = frozenset({"user", "username", "suser", "duser", "usr", "acct", "login"})
    _addresses = frozenset(
        {"src", "srcip", "src_ip", "source", "client", "clientip", "client_ip", "remote", "address", "ip"}
    )

    @override
    def parse(self, text: str) -> LogEvent | Header | None:
        head = self._head.match(text)
        if head is None:
            return None
        names = ("time", "host", "program", "pid", "priority")
        time, host, program, pid, priority = ("" if value == "-" else value for value in head.group(*names))
        message, kind, data = text[head.end() :], head["id"], head["data"]
        if not message.strip():
            elements = " ".join(element[1] for element in self._element.finditer(data))
            message = " ".join(word for word in (kind, elements) if word not in {"", "-"}) or "empty"
        event = self._event(message, time, host, program, pid, priority)
        if kind != "-":
            event = event._replace(attributes={**event.attributes, "id": kind})
        return event._replace(entities={**self._named(data), **event.entities}) if data != "-" else event

    def _named(self, data: str) -> dict[str, str]:
        """User and address in structured data; `origin` is about the sender of the message itself."""
        found: dict[str, str] = {}
        for element in self._element.finditer(data):
            for key, value in self._parameter.findall(element[2]) if element[1] != "origin" else ():
                if key.lower() in self._users and value not in {"", "-"}:
                    found.setdefault("user", value)
                elif key.lower() in self._addresses and is_address(value):
                    found.setdefault("address", value)
        return found
