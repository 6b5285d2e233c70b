"""Logs of applications: a time, level, thread and logger in the usual orders, then free text."""

import re
from collections.abc import Sequence
from typing import ClassVar

from trine.annotations import override
from trine.log_formats.actors import who
from trine.log_formats.log_event import HEADER, Format, Header, LogEvent, known
from trine.log_formats.text_formats import text_event
from trine.log_formats.time_forms import found_forms
from trine.log_formats.times import EARLIEST, LATEST, find_time, leading_numbers_are_times

_LEVELS = {
    **dict.fromkeys(("TRACE", "TRC", "FINER", "FINEST", "VERBOSE", "VRB", "T", "V"), "trace"),
    **dict.fromkeys(("DEBUG", "DBG", "FINE", "D", "D1", "D2", "D3", "D4", "D5"), "debug"),
    **dict.fromkeys(("INFO", "INF", "INFORMATION", "LOG", "CONFIG", "SYSTEM", "STATEMENT", "I"), "info"),
    **dict.fromkeys(("NOTICE", "NOTE", "HINT", "DETAIL"), "notice"),
    **dict.fromkeys(("WARN", "WARNING", "WRN", "W"), "warning"),
    **dict.fromkeys(("ERROR", "ERR", "SEVERE", "FAIL", "E"), "error"),
    **dict.fromkeys(("FATAL", "CRITICAL", "CRIT", "ALERT", "EMERG", "PANIC", "FTL", "F", "C", "A"), "fatal"),
}
_WORDS = "|".join(sorted((word for word in _LEVELS if len(word) > 2), key=len, reverse=True))
_ANY_CASE = rf"(?:{_WORDS}|{_WORDS.title()}|{_WORDS.lower()})"
_LOUD = (
    rf"[\[<(|]\s*+{_ANY_CASE}\s*+[\])>|]:?|{_ANY_CASE}:(?= |\Z)|(?:{_WORDS})(?![\w.]):?|(?:{_WORDS.title()})(?=\s\s)"
)
"""A level: in capitals, in brackets, before a colon, or before two blanks; any other word may be of the message."""

_NUMBER = rf"#?\d{{1,10}}(?:-\d+)?(?=\s+(?:\d+\s+)?(?:(?:{_WORDS})(?![\w.])|[DIWEFVT]\s|\[|---)|\])"
_ITEM = re.compile(
    rf"(?:[\s|,\]]|-(?!--))*+(?:(?P<loud>{_LOUD})|(?P<letter>[A-Z]\d?)(?= [ A-Z(\[]|\s+\w+\s+\[)"
    r"|\[\s*(?P<bracket>[^\[\]\s]*+(?:\[[^\[\]\s]*+\][^\[\]\s]*+)*+)\s*\]:?"
    r"|\[[^\[\]]{1,80}\](?= [a-z]\w*(?:\.\w+){2,}[$\w]*: )"
    r"|\{[^{}\s]{1,80}:\d+\}|[\w./\-]{1,80}\.(?:go|py|rs|rb|js|ts|java|c|cc|cpp|cs|kt|scala|php):\d{1,6}:?(?=\s)"
    rf"|(?P<number>{_NUMBER})|(?P<dashes>---)(?=\s))"
)
"""One item before the message: level, thread or logger in brackets, place in the source, number, dashes."""

_LOGGER = re.compile(
    r"[\s|\-]*+(?:\[\s*(?P<boxed>[\w$]+(?:[.:/][\w$]*)+)\s*\]\s*(?:[:\-] ?)?"
    r"|(?P<logger>[A-Za-z_$][\w$.\-/:<>\[\]@]{0,200}?)"
    r"(?:\s*\|\s*|\s+[:\-] |: |\s+--+ |:\Z|\] |\t(?:[\w./\-]+:\d+\t)?))"
    r"|[\s|]*+(?P<dotted>[A-Za-z_$][\w$]*+(?:\.[\w$<>]++){2,})(?=\s)"
)
_TRIM = re.compile(r"[\s:|,\-\]]*+(?:-- : |-- (?=\S+: ))?")
_MAX_ITEMS = 6

_KLOG = re.compile(
    r"(?P<level>[IWEF])(?P<time>\d{4} \d\d:\d\d:\d\d\.\d{1,6}) +(?P<pid>\d+) (?P<logger>[\w.\-/]+):\d+\] ?"
)
_REDIS = re.compile(
    r"(?P<pid>\d+):(?P<role>[MSCX]) (?P<time>\d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d\.\d{3}) (?P<level>[.\-*#]) "
)
_RUBY = re.compile(r"[DIWEFA], \[(?P<time>[\dT:.\-]+) #(?P<pid>\d+)\] +(?P<level>[A-Z]+) -- (?P<logger>[^\s:]*+) ?: ?")
_CELERY = re.compile(r"\[(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}): (?P<level>[A-Z]+)/(?P<logger>[^\]\s]+)\] ?")
_LEVEL_FIRST = re.compile(
    rf"(?:\[(?P<boxed>{_WORDS})\]|(?P<level>{_WORDS})|(?P<small>trce|dbug|info|warn|fail|crit)(?=: [\w.]+\[\d+\]))"
    r"(?::(?P<logger>[\w.\-]+):(?=\S)|[\s:|\-]+)(?P<event>(?:[\w.]+(?=\[\d+\]\Z))?)"
)
_POSTGRES = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d{1,6})? [A-Z+\-\d:]{3,6}) \[(?P<pid>\d+)(?:-\d+)?\]:? "
    r"(?:\[[\d\-]+\] )?(?:(?P<context>\S{1,200}+) )?"
    r"(?P<level>LOG|ERROR|FATAL|PANIC|WARNING|NOTICE|INFO|HINT|DETAIL|STATEMENT|DEBUG): +"
)
_SPECIAL = {
    "[": (_CELERY,),
    **dict.fromkeys("IWEF", (_KLOG, _RUBY)),
    **dict.fromkeys("DA", (_RUBY,)),
    **dict.fromkeys("0123456789", (_POSTGRES, _REDIS)),
}
"""Heads that are read as a whole, by their first character."""
_REDIS_LEVELS = {".": "debug", "-": "info", "*": "notice", "#": "warning"}


_HEADER = re.compile(
    r"-{9} (?:beginning of|switch to) \w{1,30}|Timestamp +Thread +Type +Activity +PID +(?:TTL *)?"
    r"|Filtering the log data using .{1,500}"
)
"""What logcat and macOS' `log show` say between and before the lines."""

_LATE = re.compile(
    r"(?P<words>(?:[^\s,;=\"'|{}\[\]()]{1,60}+ ){1,5}?)"
    rf"(?:(?P<time>{found_forms(inside=True)})|(?P<number>\d{{10}}(?:\.\d{{1,9}})?)(?= ))[\s:,|\-]{{0,9}}",
    re.ASCII | re.IGNORECASE,
)
_MOSTLY = 0.9
"""Share of the first lines that must have a time after words, so that it is read as one."""


def _late_time(text: str) -> tuple[str, str, int] | None:
    """Up to five words at the beginning of a line, the time after them, and where that ends; None without such a time.

    A date without a time of day is none.
    """
    late = _LATE.match(text)
    if late is None:
        return None
    words, time, number = late.group("words", "time", "number")
    if number and EARLIEST <= float(number) <= LATEST:
        return words, number, late.end()
    return (words, time, late.end()) if time and ":" in time else None


class AppLog(Format):
    """Logs of applications: a time, level, thread and logger in the usual orders, then the message.

    Log4j, logback, Spring, Python, .NET, Go, Rust, Rails, PostgreSQL, MySQL, Redis and MongoDB 4 write so.
    """

    name: ClassVar[str] = "app"
    continues: ClassVar[bool] = True
    _numbers = True
    """Whether a number at the beginning of a line is a time."""
    _late = False
    """Whether words come before the times."""

    @override
    def begin(self, name: str, head: Sequence[str]) -> None:
        """Whether numbers are times, and whether words come before the times, is decided by all first lines."""
        self._numbers = leading_numbers_are_times(head)
        begun = [text for text in head if text[:1].strip()]
        late = [find_time(text) is None and _late_time(text) is not None for text in begun]
        self._late = len(late) > 0 and sum(late) >= _MOSTLY * len(late)

    def parse(self, text: str) -> LogEvent | Header | None:
        """The event is the template of `level logger: message`; threads and numbers of processes are left out."""
        for special in _SPECIAL.get(text[:1], ()):
            head = special.match(text)
            if head:
                return self._special(head, text[head.end() :])
        late = _late_time(text) if self._late else None
        if late:
            return self._after_words(text, *late)
        found = find_time(text, numbers=self._numbers)
        if found is None:
            return HEADER if _HEADER.fullmatch(text) else self._level_first(text)
        return self._after_time(text, *found)

    def _after_words(self, text: str, words: str, time: str, end: int) -> LogEvent:
        """The event of a line in which words stand before the time, such as the name of a file: they are its begin."""
        event = self._after_time(text, time, end)
        return event._replace(event=f"{words}{event.event}")

    def _after_time(self, text: str, time: str, end: int) -> LogEvent:
        end, level, pid = _items(text, end)
        logger, end = _logger(text, end, bool(level))
        if not level and logger:  # the level comes after the logger
            after, level, number = _items(text, end)
            if level:
                end, pid = after, pid or number
        return self._event(text[_TRIM.match(text, end).end() :], time, level, logger, pid)  # type: ignore[union-attr]

    def _special(self, head: re.Match[str], text: str) -> LogEvent:
        fields = head.groupdict("")
        level = _REDIS_LEVELS.get(fields["level"]) or _LEVELS.get(fields["level"], "")
        event = self._event(text, fields["time"], level, fields.get("logger", ""), fields.get("pid", ""))
        context = fields.get("context", "")
        if not context:
            return event
        user, address = who(context)
        user = user or context.partition("@")[0]
        return event._replace(entities={**known(user=user, address=address), **event.entities})

    def _level_first(self, text: str) -> LogEvent | None:
        head = _LEVEL_FIRST.match(text)
        if head is None:
            return None
        level = (head["boxed"] or head["level"] or head["small"]).upper()
        found = find_time(text[head.end() :])
        rest = text[head.end("event") if not head["event"] else head.end() :]
        if found:
            rest = rest[found[1] :]
        rest = rest[_TRIM.match(rest).end() :]  # type: ignore[union-attr]
        level = {"TRCE": "trace", "DBUG": "debug", "FAIL": "error"}.get(level) or _LEVELS[level]
        return self._event(f"{head['event']}{rest}", found[0] if found else "", level, head["logger"] or "", "")

    def _event(self, text: str, time: str, level: str, logger: str, pid: str) -> LogEvent:
        name = " ".join(word for word in (level, logger) if word)
        attributes = known(level=level, logger=logger)
        seconds = self.clock.seconds(time) if time else None
        event = text_event(text, seconds, {"process": pid} if pid else {}, attributes)
        return LogEvent(f"{name}: {event.event}", True, seconds, event.entities, event.attributes) if name else event


def _items(text: str, end: int) -> tuple[int, str, str]:
    """Where the message or the logger begins, level and number of the process."""
    level = pid = ""
    dashes = False
    for _ in range(_MAX_ITEMS):
        item = _ITEM.match(text, end)
        if item is None:
            break
        loud, letter, bracket, number = item.group("loud", "letter", "bracket", "number")
        if loud or letter:
            if level:
                break
            word = (loud or letter).strip("[]<>()|: \t").upper()
            if word not in _LEVELS:
                break
            level = _LEVELS[word]
        elif bracket is not None:
            if level and not dashes and not _is_thread(bracket, text, item.end()):
                break
            if re.search(r"[A-Za-z]\.[A-Za-z]", bracket) and level:
                break
            if bracket.isdigit():
                pid = pid or bracket
        elif number:
            if level and not text[item.end() :].lstrip().startswith(("---", "[")):
                break
            pid = pid or number.lstrip("#")
        dashes = dashes or item["dashes"] is not None
        end = item.end()
    return end, level, pid


def _is_thread(bracket: str, text: str, end: int) -> bool:
    """Whether brackets after the level hold a thread: a logger comes next, or the name is a usual one or has digits."""
    if re.fullmatch(r"[A-Z]{2,}-\d+", bracket):  # the code of a message
        return False
    return (
        bracket == "main"
        or any(map(str.isdigit, bracket))
        or bool(_LOGGER.match(text, end))
        or text[end : end + 1] == "["
    )


def _logger(text: str, end: int, has_level: bool) -> tuple[str, int]:
    """The name of the logger and where it ends; "" if there is none."""
    found = _LOGGER.match(text, end)
    if found is None:
        return "", end
    name = found["boxed"] or found["dotted"] or found["logger"] or ""
    if found["boxed"] or found["dotted"]:
        return name, found.end()
    if has_level or re.match(r"\s*[|\-]", text[end:]) or "." in name:
        return name, found.end()
    return "", end
