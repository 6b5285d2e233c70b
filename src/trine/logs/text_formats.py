"""Formats whose lines are a head and free text, whose template has to be mined: three kinds of syslog, and `plain`."""

import re
from datetime import UTC, datetime
from typing import ClassVar

from typing_extensions import override

from trine.logs.log_event import Entity, LogEvent, known, seconds

_ADDRESS = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b|\b(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F]{0,4}\b")
_USER = re.compile(r"(?:\buser[ =]|\b(?:password|publickey|none) for )(?!invalid\b|unknown\b)([\w.\-$]+)")
_ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|[+\-]\d\d:?\d\d))?"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class _Text:
    """The base of the kinds of syslog: a head that matches `_head`, then free text."""

    entity: Entity | None = "process"
    _head: ClassVar[re.Pattern[str]]

    def parse(self, line: str) -> LogEvent | None:
        """The event is the template of the text; user and address are the first ones in the text."""
        head = self._head.match(line)
        if not head:
            return None
        groups, text = head.groupdict(), line[head.end() :]
        address, user = _ADDRESS.search(text), _USER.search(text)
        program, pid = groups.get("program") or "", (groups.get("pid") or "").strip("-")
        return LogEvent(
            f"{program}: {text}" if program else text,
            mined=True,
            time=self._seconds(groups["time"]),
            entities=known(
                host=groups.get("host"),
                process=f"{program}[{pid}]" if pid else program,
                user=user and user[1],
                address=address and address[0],
            ),
            attributes=known(program=program),
        )

    def _seconds(self, text: str) -> float | None:
        return seconds(text)


class Syslog5424(_Text):
    """Syslog as in RFC 5424."""

    name: ClassVar[str] = "syslog5424"
    _head = re.compile(
        r"<\d{1,3}>\d (?P<time>\S+) (?P<host>\S+) (?P<program>\S+) (?P<pid>\S+) \S+ "
        r"(?:-|(?:\[(?:[^\]\"\\]|\\.|\"(?:[^\"\\]|\\.)*\")*\])+) ?\ufeff?"
    )


class SyslogIso(_Text):
    """Syslog with ISO times, as rsyslog and `journalctl -o short-iso` write it."""

    name: ClassVar[str] = "syslog-iso"
    _head = re.compile(
        rf"(?:<\d{{1,3}}>)?(?P<time>{_ISO}) (?P<host>[\w.\-:]+) (?P<program>[\w./\-()@]+)(?:\[(?P<pid>\d+)\])?: ?"
    )


class Syslog(_Text):
    """Syslog as in RFC 3164. Its times have no year: a step from late to early months begins a new year."""

    name: ClassVar[str] = "syslog"
    _head = re.compile(
        r"(?:<\d{1,3}>)?(?P<time>(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d \d\d:\d\d:\d\d) "
        r"(?P<host>\S+) (?:(?P<program>[^\s:\[]+)(?:\[(?P<pid>\d+)\])?: ?)?"
    )

    def __init__(self) -> None:
        self._year, self._month = 2000, 1  # any leap year: only differences between times matter

    @override
    def _seconds(self, text: str) -> float | None:
        month = _MONTHS.index(text[:3]) + 1
        if self._month - month > 6:
            self._year += 1
        self._month = month
        day, hour, minute, second = int(text[4:6]), int(text[7:9]), int(text[10:12]), int(text[13:15])
        try:
            return datetime(self._year, month, day, hour, minute, min(second, 59), tzinfo=UTC).timestamp()
        except ValueError:
            return None


class Plain:
    """Any line that is not empty. A time at its beginning is not part of the text."""

    name: ClassVar[str] = "plain"
    entity: Entity | None = None
    _time = re.compile(rf"\[?(?P<time>{_ISO}|\d{{9,10}}(?:\.\d+)?)\]?[ :,\-]*")

    def parse(self, line: str) -> LogEvent | None:
        """The event is the template of the text."""
        head = self._time.match(line)
        text = line[head.end() :] if head else line
        address, user = _ADDRESS.search(text), _USER.search(text)
        if not text.strip():
            return None
        return LogEvent(
            text,
            mined=True,
            time=seconds(head["time"]) if head else None,
            entities=known(address=address and address[0], user=user and user[1]),
        )
