"""Free text, whose template has to be mined: `plain`, `pattern`, and what other formats with free text share.

- `PAYLOADS` read texts that have a format of their own within another one: CEF behind the head of syslog, JSON in the
  output of a container.
- `is_continuation` tells which lines belong to the line before, such as those of a stack trace.
"""

import re
from collections.abc import Callable, Sequence
from typing import ClassVar

from trine.annotations import override
from trine.errors import UsageError
from trine.log_formats.actors import who, with_marks
from trine.log_formats.cef_formats import cef_payload
from trine.log_formats.log_event import ENTITIES, Format, FormatSettings, LogEvent, known
from trine.log_formats.times import find_time, leading_numbers_are_times

PAYLOADS: list[Callable[[str], LogEvent | None]] = [cef_payload]
"""Each gives the event of a text that has its format, else None. The registry of formats adds JSON."""


def payload(text: str) -> LogEvent | None:
    """The event of a text in a format of `PAYLOADS`; None for free text."""
    text = text.removeprefix("@cee:").lstrip()
    for read in PAYLOADS:
        event = read(text)
        if event is not None:
            return event
    return None


_CONTINUATION = re.compile(
    r"\s|\Z|Caused by: |Suppressed: |Traceback \(most recent call last\):|During handling of the above exception"
    r"|The above exception was the direct cause|\.\.\. \d+ (?:more|common frames)|at [\w.$<>/@]+\(|--- End of "
    r"|goroutine \d+ \[|[}\])]+[;,]?\s*\Z|[A-Za-z_][\w.$]{0,200}(?:Error|Exception)(?::|\Z)"
)


def is_continuation(text: str) -> bool:
    """Whether a line without a head belongs to the line before: indented, empty, or of a stack trace.

    An ordinary line that is not indented is none. Whoever can write line breaks into a log can make a line a
    continuation by indenting it, so that `indented` comes first.
    """
    return _CONTINUATION.match(text) is not None


_INDENT = re.compile(r"[\s\x00-\x1f\x7f\xad\u200b-\u200f\u2060\ufeff]++")


def indented(format: Format, text: str) -> LogEvent | None:  # noqa: A002  (the field's own word)
    """The event of a line that has the format but for blanks and invisible characters before it; None for any other.

    Its name ends in `{indented}`: no service writes such a line, so that it is an event that was never seen.
    """
    indent = _INDENT.match(text)
    if indent is None or text.startswith("#", indent.end()):  # names of columns change how all further lines are read
        return None
    event = format.parse(text[indent.end() :])
    if not isinstance(event, LogEvent):
        return None
    name = event.event
    return event._replace(event=f"{name} {{indented}}" if isinstance(name, str) else (*name, " {indented}"))


_FRAME = re.compile(r"\s*(?:at [\w.$<>/@ ]+\(|File \"|\.\.\. \d+|\^|~|in <|from [\w./]+:\d|goroutine |\Z)")


def statement(text: str) -> str:
    """A record of several lines without the frames of its stack traces, in one line."""
    if "\n" not in text:
        return text
    first, *rest = text.split("\n")
    kept, after_file = [first], False
    for line in rest:
        frame = _FRAME.match(line)
        if not frame and not after_file:
            kept.append(line.strip())
        after_file = bool(frame) and line.lstrip().startswith('File "')  # Python's line of source
    return " ".join(kept)


def text_event(
    text: str, time: float | None, entities: dict[str, str] | None = None, attributes: dict[str, str] | None = None
) -> LogEvent:
    """The event of a free text; user and address are those that it names, unless `entities` has them."""
    user, address = who(text)
    event, unusual = with_marks(statement(text))
    named = {"user": user} if user else {}
    if address:
        named["address"] = address
    if entities:
        named.update(entities)
    attributes = attributes or {}
    return LogEvent(
        event if event.strip() else "empty",
        True,
        time,
        named,
        {**attributes, "marks": unusual} if unusual else attributes,
    )


class Plain(Format):
    """Any line that is not empty. A time at its beginning is not part of the text."""

    name: ClassVar[str] = "plain"
    continues: ClassVar[bool] = True
    _numbers = True
    """Whether a number at the beginning of a line is a time."""

    @override
    def begin(self, name: str, head: Sequence[str]) -> None:
        """Numbers at the beginnings of the lines are times if they are like those of their neighbours."""
        self._numbers = leading_numbers_are_times(head)

    def parse(self, text: str) -> LogEvent | None:
        """The event is the template of the text."""
        found = find_time(text, numbers=self._numbers)
        rest = text[found[1] :] if found else text
        if not rest.strip():
            return None
        return text_event(rest, self.clock.seconds(found[0]) if found else None)


class Pattern(Format):
    """A regular expression with the groups `time`, `event` or `message`, and entities; other groups are attributes."""

    name: ClassVar[str] = "pattern"
    continues: ClassVar[bool] = True
    has_fields: ClassVar[bool] = True

    def __init__(self, pattern: str, settings: FormatSettings | None = None) -> None:
        super().__init__(settings)
        try:
            self._line = re.compile(pattern)
        except re.error as error:
            raise UsageError(f"pattern {pattern!r}: {error}; correct the regular expression") from None
        groups = self._line.groupindex
        self._names = self.settings.event or (("event",) if "event" in groups else ())
        self._time = self.settings.time or "time"
        if not self._names and "message" not in groups:
            raise UsageError(f"pattern {pattern!r}: no group (?P<event>…) or (?P<message>…); add one for the event")
        wanted = [*self.settings.event, *(name for name in (self.settings.time, self.settings.entity) if name)]
        for name in wanted:
            if name not in groups:
                has = ", ".join(groups) or "none"
                raise UsageError(f"pattern {pattern!r}: no group (?P<{name}>…) (it has {has}); add it or name another")
        self.entity = self.settings.entity or next((entity for entity in ENTITIES if entity in groups), None)

    def parse(self, text: str) -> LogEvent | None:
        """The event is the group `event`, or those of the settings; without them, the template of `message`."""
        match = self._line.search(text)
        groups = known(**match.groupdict()) if match else {}
        name = " ".join(groups[part] for part in self._names if part in groups)
        event = name or groups.get("message", "")
        if not event:
            return None
        entities = {*ENTITIES, self.entity}
        no_attributes = {*entities, *self._names, self._time, "event", "message"}
        return LogEvent(
            event,
            not name,
            self.clock.seconds(groups[self._time]) if self._time in groups else None,
            {key: value for key, value in groups.items() if key in entities},
            {key: value for key, value in groups.items() if key not in no_attributes},
        )
