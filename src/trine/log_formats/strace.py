"""The format of `strace`, with any of its options: system calls, signals and ends of processes.

27245 23:23:36.529083 openat(AT_FDCWD, "/etc/ld.so.cache", O_RDONLY|O_CLOEXEC) = 3</etc/ld.so.cache> <0.000012>
"""

import re
from collections.abc import Sequence
from typing import ClassVar

from trine.annotations import override
from trine.log_formats.arguments import classes_of, folder, program
from trine.log_formats.log_event import HEADER, Entity, Format, FormatSettings, Header, Line, LogEvent, known

MOST_PENDING = 1 << 12
"""Largest number of processes whose unfinished call is kept until it resumes."""
MOST_CLASSES = 8
"""Largest number of argument classes of a call."""

_PREFIX = re.compile(
    r"(?:\[pid ++(?P<pid>\d++)(?:<[^<>]{0,64}>)?\] ++|(?P<pid2>\d++)(?:<[^<>]{0,64}>)? ++)?+"
    r"(?:(?P<time>\d{1,12}\.\d{1,9}|\d\d:\d\d:\d\d(?:\.\d{1,9})?)(?= )| ++(?P<since>\d{1,9}\.\d{1,9})(?= ))?+ *+"
    r"(?:\(\+ *+[\d.]{1,20}\) ++)?+(?:\[[ \da-fx?]{1,20}\] ++)*+"
)
_CALL = re.compile(r"(?P<call>[A-Za-z_]\w{0,63}|\?{4})\(")
_RESUMED = re.compile(r"<\.\.\. (?P<call>\w{1,64}|\?{4}) resumed> ?")
_SIGNAL = re.compile(r"--- (?:stopped by )?(?P<signal>SIG\w{1,20})")
_END = re.compile(r"\+\+\+ (?P<end>exited|killed|superseded)\b")
_HEADER = re.compile(
    r"(?:strace: )?Process \d++ (?:attached|detached|suspended|resumed)| > |strace: |\[ Process PID=|\s*+$"
)
_UNFINISHED = re.compile(r"<(?:unfinished|detached) \.\.\.>\s*+$")
_REST = re.compile(r" <unfinished \.\.\.>|\s*+\)\s*+= ")
_ENDED = re.compile(r"\)\s*+= |<(?:unfinished|detached) \.\.\.>\s*+$")
_RESULT = re.compile(r"\)\s*+= (?:(?:-1|\?) (?P<error>E[A-Z0-9]++)|(?P<unknown>\?)|-?\w)")
_STRING = re.compile(r"\"((?:[^\"\\]++|\\.)*+)\"")
_DESCRIPTOR = re.compile(r"(?<=\d)<(/[^<>]{0,4096})>")
_ANNOTATION = re.compile(r"<[^<>]*+>")
_CONSTANT = re.compile(r"\b[A-Z][A-Z0-9]*_[A-Z0-9_]++\b")
_PORT = re.compile(r"sin6?_port=htons\((\d{1,5})\)")
_STRUCTURE = re.compile(r"\{[^{}]*+\}")
_FILE = re.compile(r"\.(\d{1,10})(?:\.(?:gz|bz2|xz|zst))?$")
_DATA = frozenset(
    (
        *("read", "write", "pread64", "pwrite64", "readv", "writev", "preadv", "pwritev", "send", "recv", "getrandom"),
        *("sendto", "recvfrom", "sendmsg", "recvmsg", "sendmmsg", "recvmmsg", "getdents64", "getcwd", "uname"),
    )
)
"""Calls whose strings are the data that they move, not paths."""


class StraceJoiner:
    """Joins the lines of one call, `read(3, <unfinished ...>` and `<... read resumed>...`; others stand between them.

    On a terminal, what a program or strace itself writes can cut a call as well: the next line has the rest of it.
    """

    def __init__(self) -> None:
        self.pending: dict[tuple[int, str], Line] = {}
        """Unfinished calls by file and process."""
        self._cut: Line | None = None

    def feed(self, line: Line) -> list[Line]:
        """The records that this line completes."""
        cut, self._cut = self._cut, None
        if cut is None:
            return self._feed(line)
        if cut.source == line.source and _REST.match(line.text):
            return self._feed(cut._replace(text=f"{cut.text}\n{line.text}"))
        return [*self._add(cut), *self._feed(line)]

    def _feed(self, line: Line) -> list[Line]:
        prefix = _prefix(line.text)
        resumed = _RESUMED.match(line.text, prefix.end())
        if resumed:
            begun = self._begun((line.source, _pid(prefix)), resumed["call"])
            return [line if begun is None else begun._replace(text=f"{begun.text}\n{line.text}")]
        if _HEADER.match(line.text):
            return [line]
        if _CALL.match(line.text, prefix.end()) and not _ENDED.search(line.text) and "\n" not in line.text:
            self._cut = line
            return []
        return self._add(line)

    def _add(self, line: Line) -> list[Line]:
        """The line, unless it is an unfinished call; and the call of its process that never resumed."""
        prefix = _prefix(line.text)
        key = (line.source, _pid(prefix))
        before = self.pending.pop(key, None)
        complete = [before] if before else []
        if not (_UNFINISHED.search(line.text[-40:]) and _CALL.match(line.text, prefix.end())):
            return [*complete, line]
        self.pending[key] = line
        if len(self.pending) > MOST_PENDING:
            complete.append(self.pending.pop(next(iter(self.pending))))
        return complete

    def _begun(self, key: tuple[int, str], call: str) -> Line | None:
        """The line on which a resumed call began. A process is not named while it is the only one."""
        unnamed = (key[0], "")
        among = [key, unnamed] if key[1] else [unnamed, *(other for other in self.pending if other[0] == key[0])]
        for each in among:
            line = self.pending.get(each)
            if line and line.text.startswith(f"{call}(", _prefix(line.text).end()):
                return self.pending.pop(each)
        return None

    def finish(self) -> list[Line]:
        """The calls that were unfinished at the end."""
        rest = [*self.pending.values(), *([self._cut] if self._cut else [])]
        self.pending, self._cut = {}, None
        return sorted(rest, key=lambda line: (line.source, line.number))


class Strace(Format):
    """Output of `strace`: the event is the name of the call, or of the signal, or how the process ended.

    `begin` says from which file the next lines come: `strace -ff` writes a file per process, whose name ends in its id.
    """

    name: ClassVar[str] = "strace"
    default_entity: ClassVar[Entity | None] = "process"

    def __init__(self, settings: FormatSettings | None = None) -> None:
        super().__init__(settings)
        self.joiner: StraceJoiner = StraceJoiner()
        self._own, self._own_name, self._elapsed = "0", "", 0.0
        self._named: set[str] = set()
        self._left_over: dict[str, str] = {}

    @override
    def begin(self, name: str, head: Sequence[str]) -> None:
        """The next lines come from the file of this name. `trace.out.1234`: lines without a process are of 1234."""
        self._left_over = {line.text: self._own for line in self.joiner.pending.values()}
        in_name = _FILE.search(name)
        self._own, self._own_name, self._elapsed = in_name[1] if in_name else "0", "", 0.0
        self._named.clear()

    @classmethod
    @override
    def entity_of_file(cls, name: str, head: Sequence[str]) -> str:
        """The process of a file of `strace -ff`, whose lines name none."""
        in_name = _FILE.search(name)
        return "" if in_name is None or any(_pid(_prefix(text)) for text in head) else in_name[1]

    @override
    def parse(self, text: str) -> LogEvent | Header | None:
        """The event of a line, or of the lines of an interrupted call; a call that began before the log is an event."""
        first, _, second = text.partition("\n")
        prefix = _prefix(first)
        start = prefix.end()
        call = _CALL.match(first, start) or _RESUMED.match(first, start)
        if call:
            rest, resumed_by = _rest(second)
            if resumed_by and not _pid(prefix) and not self._own_name and resumed_by not in self._named:
                self._own_name = resumed_by  # a second process runs: from here on strace names the first one
            return self._call(call["call"], first[call.end() :] + rest, prefix, text, resumed_by)
        other = _SIGNAL.match(first, start) or _END.match(first, start)
        if other:
            end = other.groupdict().get("end")
            event = self._event(end or other["signal"], {}, prefix, text)
            if end and _pid(prefix):
                self._named.discard(_pid(prefix))
            return event
        return HEADER if _HEADER.match(first) else None

    def _call(self, name: str, rest: str, prefix: re.Match[str], text: str, resumed_by: str) -> LogEvent | None:
        """None if the line only begins like a call: it has neither a result, nor is it unfinished."""
        bare = _STRING.sub('""', rest)
        results = list(_RESULT.finditer(bare)) or list(_RESULT.finditer(rest[-200:]))
        if not results and not _UNFINISHED.search(rest[-40:]):
            return None
        result = ("unfinished" if not results else results[-1]["error"]) or (
            "unknown" if results[-1]["unknown"] else "ok"
        )
        attributes = known(result=result, arguments=_arguments(name, rest, bare))
        return self._event(name, attributes, prefix, text, resumed_by)

    def _event(
        self, name: str, attributes: dict[str, str], prefix: re.Match[str], text: str, pid: str = ""
    ) -> LogEvent:
        pid = self._left_over.pop(text, "") or self._process(_pid(prefix) or pid)
        return LogEvent(name, time=self._time(prefix), entities={"process": pid}, attributes=attributes)

    def _process(self, pid: str) -> str:
        """The process of a line that names this one, or none: the only one that is left, else the first one."""
        if pid:
            self._named.add(pid)
        else:
            pid = next(iter(self._named)) if len(self._named) == 1 else ""
        return self._own if pid in {"", self._own_name} else pid

    def _time(self, prefix: re.Match[str]) -> float | None:
        """Seconds since 1970; with the relative times of -r, seconds since the first line."""
        if prefix["since"]:
            self._elapsed += float(prefix["since"])
            return self._elapsed
        time = prefix["time"]
        if not time:
            return None
        return self.clock.seconds(time) if ":" in time else float(time)


def _prefix(text: str) -> re.Match[str]:
    """Process, time and address before a call, each of which can be absent."""
    prefix = _PREFIX.match(text)
    assert prefix is not None  # it matches an empty text
    return prefix


def _pid(prefix: re.Match[str]) -> str:
    return prefix["pid"] or prefix["pid2"] or ""


def _rest(lines: str) -> tuple[str, str]:
    """What the further lines of a call add to it, and the process that they name."""
    rest, pid = [], ""
    for line in lines.split("\n") if lines else ():
        prefix = _prefix(line)
        resumed = _RESUMED.match(line, prefix.end())
        rest.append(line[resumed.end() :] if resumed else line)
        pid = pid or (_pid(prefix) if resumed else "")
    return "".join(rest), pid


def _arguments(name: str, rest: str, bare: str) -> str:
    """Coarse classes of the arguments of a call: folders, constants, sockets, and those of a started program."""
    strings = [match[1] for match in _STRING.finditer(rest)]
    if name in {"execve", "execveat"} and strings:
        words = [program(strings[0]), classes_of(strings[2:], program(strings[0]))]
        return " ".join(word for word in words if word)
    paths: list[str] = _DESCRIPTOR.findall(bare)
    paths += [] if name in _DATA else [text for text in strings if text.startswith(("/", "./", "../"))]
    found = {f"path:{folder(path)}" for path in paths}
    port = _PORT.search(bare)
    if port:
        found.add(f"port:{port[1] if int(port[1]) < 1024 else 'high'}")
        found.update(classes_of(strings).split())
    outside = _STRUCTURE.sub("", _ANNOTATION.sub("", bare))
    found.update(constant for constant in _CONSTANT.findall(outside) if constant != "AT_FDCWD")
    return " ".join(sorted(found)[:MOST_CLASSES])
