"""Logs with forms of their own: the kernel's ring buffer, Samba, MySQL's slow queries, clusters of computers."""

import re
from collections.abc import Iterator
from typing import ClassVar

from trine.annotations import override
from trine.log_formats.actors import who
from trine.log_formats.log_event import HEADER, Entity, Format, FormatSettings, Header, Line, LogEvent, known
from trine.log_formats.syslog_formats import Syslog
from trine.log_formats.text_formats import text_event
from trine.log_formats.times import find_time
from trine.log_formats.values import size_class

MAX_RECORD = 1 << 16
"""Characters that are kept of a record over several lines: a statement or a dump can have any number."""


class BlockJoiner:
    """Makes records of a first line and those that belong to it, told apart by expressions.

    first     matches a line that begins a record
    further   matches a line that belongs to the record before
    """

    def __init__(self, first: re.Pattern[str], further: re.Pattern[str]) -> None:
        self._first, self._further = first, further
        self._held: Line | None = None
        self._texts: list[str] = []
        self._length = 0

    def feed(self, line: Line) -> Iterator[Line]:
        """The record that this line completes, and the line itself if it is none."""
        if self._held is not None and self._held.source == line.source and self._belongs(line.text):
            if self._length < MAX_RECORD:
                self._texts.append(line.text[:MAX_RECORD])
                self._length += len(line.text)
            return
        yield from self.finish()
        if self._first.match(line.text):
            self._held, self._texts, self._length = line, [line.text], len(line.text)
        else:
            yield line

    def finish(self) -> Iterator[Line]:
        """The record that is incomplete at the end of the log."""
        held, self._held = self._held, None
        if held is not None:
            yield held._replace(text="\n".join(self._texts))

    def _belongs(self, text: str) -> bool:
        return self._further.match(text) is not None


class Dmesg(Format):
    """The kernel's messages as `dmesg` prints them: `[   12.000001] text`. Times are seconds since the system began."""

    name: ClassVar[str] = "dmesg"
    continues: ClassVar[bool] = True
    _head = re.compile(
        r"(?:<\d{1,3}>)?(?:[a-z0-9]{1,10} *:(?P<level>[a-z]{1,8}) *: )?"
        r"\[ {0,9}(?P<time>\d{1,12}\.\d{6})\](?:\[ *(?P<caller>[TC]\d{1,9})\])? ?"
    )

    def parse(self, text: str) -> LogEvent | None:
        """The event is the template of the text."""
        head = self._head.match(text)
        if head is None:
            return None
        return text_event(text[head.end() :].strip(), float(head["time"]), None, known(level=head["level"]))


class Samba(Format):
    """Logs of Samba: a head with time, level and function, then indented lines of text."""

    name: ClassVar[str] = "samba"
    continues: ClassVar[bool] = True
    _head = re.compile(
        r"\[(?P<time>\d{4}/\d\d/\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})?), {1,2}(?P<level>\d{1,2})"
        r"(?:, pid=(?P<pid>\d+)[^\]\n]*+)?\] (?P<place>[^\s(]++)\((?P<function>\w+)\)"
    )
    _user = re.compile(r"\buser \[([^\]]{1,64})\]")

    def __init__(self, settings: FormatSettings | None = None) -> None:
        super().__init__(settings)
        self.joiner = BlockJoiner(self._head, re.compile(r"[ \t]"))

    def parse(self, text: str) -> LogEvent | None:
        """The event is the template of function and text."""
        head = self._head.match(text)
        if head is None:
            return None
        function = head["function"] if not head["function"].isdigit() else head["place"].rpartition(":")[2]
        said = " ".join(line.strip() for line in text[head.end() :].split("\n")).strip()
        said = said.removeprefix(f"{function}: ").strip()
        user = self._user.search(said)
        event = text_event(
            said,
            self.clock.seconds(head["time"]),
            known(process=head["pid"], user=user and user[1]),
            known(function=function, level=head["level"]),
        )
        return event._replace(event=f"{function}: {event.event}")


class MysqlSlow(Format):
    """The log of slow queries of MySQL and MariaDB."""

    name: ClassVar[str] = "mysql-slow"
    default_entity: ClassVar[Entity | None] = "user"
    _first = re.compile(r"# (?:Time: +\d|User@Host: )")
    _header = re.compile(
        r"\S+, Version: .{1,200} started with:\s*\Z|Tcp port: \d+ +Unix socket: |Time +Id Command +Argument\s*\Z"
    )
    _time = re.compile(r"# Time: +(\S.{0,40})")
    _stamp = re.compile(r"SET timestamp=(\d{9,10});")
    _who = re.compile(r"# User@Host: (\S{0,80}?)\[([^\]]{0,80})\] @ ?(\S{0,255}) ?\[([^\]]{0,60})\](?: +Id: +(\d+))?")
    _cost = re.compile(r"(Query_time|Rows_examined): +([\d.]{1,20})")
    _literal = re.compile(r"'(?:[^'\\]|\\.|'')*+'|\"(?:[^\"\\]|\\.|\"\")*+\"|\b\d[\d.]*+\b|\b0x[0-9a-fA-F]++")

    def __init__(self, settings: FormatSettings | None = None) -> None:
        super().__init__(settings)
        self.joiner = _SlowJoiner(self._first, self._header)

    def parse(self, text: str) -> LogEvent | Header | None:
        """The event is the template of the statement, with `?` for its literals."""
        if not self._first.match(text):
            return HEADER if self._header.match(text) else None
        head: list[str] = []
        statement: list[str] = []
        for line in text.split("\n"):
            (head if line.startswith("# ") or self._stamp.match(line) else statement).append(line)
        about = "\n".join(head)
        time, who_ = self._time.search(about) or self._stamp.search(about), self._who.search(about)
        costs = dict(self._cost.findall(about))
        said = self._literal.sub("?", " ".join(" ".join(statement).split())[:2000])
        return LogEvent(
            said or "empty",
            True,
            self.clock.seconds(time[1]) if time else None,
            known(user=who_[2] or who_[1], address=who_[4], session=who_[5]) if who_ else {},
            {name.lower(): size_class(float(value)) for name, value in costs.items() if value.count(".") < 2},
        )


class _SlowJoiner(BlockJoiner):
    """Joins what follows `# Time` or `# User@Host`; in the same second, MySQL leaves the first of them out."""

    def __init__(self, first: re.Pattern[str], header: re.Pattern[str]) -> None:
        super().__init__(first, re.compile(""))
        self._header = header

    @override
    def _belongs(self, text: str) -> bool:
        if self._header.match(text):
            return False
        begins = self._first.match(text)
        return not begins or (text.startswith("# User") and len(self._texts) == 1 and "# Time" in self._texts[0][:8])


class Cluster(Format):
    """Logs of supercomputers as research publishes them: label, time and node, then a line of syslog or of BlueGene.

    `- 1117838570 2005.06.03 R02-M1-N0 2005-06-03-15.42.50.675872 R02-M1-N0 RAS KERNEL INFO text`. The label says what
    people found later, and is no part of the event.
    """

    name: ClassVar[str] = "cluster"
    default_entity: ClassVar[Entity | None] = "host"
    _head = re.compile(r"(?:-|[A-Z][A-Z0-9_\-]{1,30}) (?P<time>\d{9,10}) \d{4}\.\d\d\.\d\d (?P<host>\S++) ")
    _level = re.compile(r"(?:\S{1,80} )?(?P<facility>[A-Z]+ [A-Z_]+) (?P<level>[A-Z]+) ")

    def __init__(self, settings: FormatSettings | None = None) -> None:
        super().__init__(settings)
        self._syslog = Syslog(settings)

    def parse(self, text: str) -> LogEvent | None:
        """The event is that of the line of syslog, or the template of facility, level and text."""
        head = self._head.match(text)
        if head is None:
            return None
        time, host, rest = self.clock.seconds(head["time"]), head["host"], text[head.end() :]
        inner = self._syslog.parse(rest)
        if isinstance(inner, LogEvent):
            return inner._replace(time=time, entities={**inner.entities, "host": host})
        found = find_time(rest)
        rest = rest[found[1] :] if found else rest
        level = self._level.match(rest)
        said = rest[level.end() :] if level else rest.removeprefix(f"{host} ")
        name = f"{level['facility']} {level['level']}: " if level else ""
        user, address = who(said)
        return LogEvent(
            f"{name}{said or 'empty'}",
            True,
            time,
            {"host": host, **known(user=user, address=address)},
            known(level=level and level["level"].lower(), facility=level and level["facility"]),
        )
