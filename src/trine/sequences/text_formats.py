"""Formats whose lines are a head and free text, which still needs its template: syslog in three kinds, and any line."""

import re
from datetime import UTC, datetime
from typing import ClassVar

from trine.sequences.log_event import Entity, LogEvent, known, seconds

_ADDRESS = re.compile(r"\b(?:\d{1,3}\.){3}\d{1,3}\b|\b(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F]{0,4}\b")
_USER = re.compile(r"(?:\buser[ =]|\b(?:password|publickey|none) for )(?!invalid\b|unknown\b)([\w.\-$]+)")
_ISO = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|[+\-]\d\d:?\d\d))?"
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


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
            entities=known(
                host=said.get("host"),
                process=f"{program}[{pid}]" if pid else program,
                user=user and user[1],
                address=address and address[0],
            ),
            attributes=known(program=program),
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
            entities=known(address=address and address[0], user=user and user[1]),
        )
