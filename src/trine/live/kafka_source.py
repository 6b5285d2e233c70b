"""`PartitionSource`: the messages of one partition of a topic as lines.

The value of a message is a line, several lines, or JSON, as a request to the HTTP server is; its key and its headers
are not read. A line has the number of its message: the offset. Its time is the one that it says; only a line that says
none has that of its message, unless it belongs to a record over several lines.
"""

from collections import deque
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from trine.datasets.lines import Skips
from trine.live.http_bodies import BodyError, json_lines
from trine.live.source import Batch, Notes
from trine.log_formats.log_event import Line

EMPTY: Final = "messages without a value, left out"
UNREADABLE: Final = "messages that hold no record of a log, left out"


class Message(NamedTuple):
    """What is read of a message."""

    offset: int
    value: bytes | None
    """None: a tombstone."""
    seconds: float | None
    """Its time since 1970, of the sender or of the broker; None if it has none."""


class PartitionSource:
    """One partition. `add` gives it what has arrived; the position is the offset of the next message."""

    def __init__(self, topic: str, partition: int) -> None:
        self.name, self.ended = f"kafka:{topic}/{partition}", False
        self.files = [self.name]
        self.skips = Skips(self.name)
        self.next: int | None = None
        """Offset behind the last message that was handed out; None before the first."""
        self._notes = Notes(self.skips)
        self._arrived: deque[Message] = deque()

    def add(self, messages: Iterable[Message]) -> None:
        """Take messages, in the order of their offsets; those that were handed out already are passed over."""
        self._arrived.extend(each for each in messages if self.next is None or each.offset >= self.next)

    def resume(self, position: Any | None) -> None:
        """Go on at this offset."""
        self.next = None if position is None else int(position)

    def poll(self, most: int) -> list[Batch]:
        """About `most` lines of the messages that were added, as one batch. A message is never divided."""
        lines: list[Line] = []
        times: dict[tuple[int, int], float] = {}
        if not self._arrived:
            return []
        while self._arrived and len(lines) < most:
            message = self._arrived.popleft()
            for index, text in enumerate(self._texts(message)):
                line = Line(self._file(index), message.offset, text)
                lines.append(line)
                if message.seconds is not None:
                    times[line[:2]] = message.seconds
            self.next = message.offset + 1
        return [Batch(lines, self.next, times=times)]

    def head(self, file: int) -> list[str]:
        """None: a partition has no head."""
        return []

    def close(self) -> None:
        """Take no more."""
        self.ended = True
        self._arrived.clear()

    def _texts(self, message: Message) -> list[str]:
        where = f"offset {message.offset}"
        if not message.value:
            self._notes.add(EMPTY, where)
            return []
        try:
            return json_lines(message.value, lambda reason: self._notes.add(reason, where))
        except BodyError:
            self._notes.add(UNREADABLE, where)
            return []

    def _file(self, index: int) -> int:
        """The further lines of messages have files of their own, so that file and number name one line."""
        while len(self.files) <= index:
            self.files.append(f"{self.name} line {len(self.files) + 1}")
        return index
