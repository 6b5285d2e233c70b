"""`Source`, what a detector at work reads from, and `Batch`, what it gives.

A source hands out lines as they arrive and says with each batch where it stands. The position of a batch is committed
with what was made of its lines; after a restart, the source goes on behind the last committed position.
"""

import logging
import threading
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

from trine.datasets.lines import Skips
from trine.log_formats.log_event import Line

log: Final = logging.getLogger("trine.live")
"""Where everything in this room reports to; `operation.py` writes it as lines of JSON."""


MOST_BYTES: Final = 16 << 20
"""Bytes of text that a source hands out at once, or little more: lines can be long."""
HEAD: Final = 20
"""Number of first lines that `Source.head` gives."""


def nothing() -> None:
    """For batches whose sender waits for no answer."""


class Batch(NamedTuple):
    """Lines that arrived together."""

    lines: list[Line]
    """Can be empty: the position is to be committed all the same."""
    position: Any
    """A JSON value: once it is committed, everything up to here is read."""
    durable: Callable[[], None] = nothing
    """To be called once the position and what was made of the lines are committed: senders get their answer then."""
    times: Mapping[tuple[int, int], float] = MappingProxyType({})
    """By file and number of a line: when it was sent, in seconds since 1970, for lines that say no time."""


@runtime_checkable
class Source(Protocol):
    """Something that lines arrive from."""

    name: str
    """For people, and the key of its position in the store."""
    files: list[str]
    """Names that the lines' `source` is an index of. It grows while the source is read."""
    skips: Skips
    """What was repaired, cut or left out, counted and named."""

    def resume(self, position: Any | None) -> None:
        """Go on behind this position; None: begin. Called once, before the first `poll`."""

    def poll(self, most: int) -> list[Batch]:
        """What has arrived, about `most` lines of it. Does not wait for more than a few milliseconds."""

    def head(self, file: int) -> list[str]:
        """The first lines of a file by its index, for formats that read names of columns there: also after a restart,
        when reading goes on in its middle. Empty where there is none to be read again."""

    @property
    def ended(self) -> bool:
        """Whether nothing more can arrive."""

    def close(self) -> None:
        """Stop. What was handed out but not committed arrives again after a restart."""


class Notes:
    """Counts repairs of a source in its `Skips`, and logs the first one of each kind. Safe to use from many threads."""

    def __init__(self, skips: Skips) -> None:
        self._skips, self._turn = skips, threading.Lock()

    def add(self, reason: str, position: str) -> None:
        """Count `reason` once more; `position` says where."""
        with self._turn:
            is_first = not self._skips.positions(reason)
            self._skips.add(reason, position)
        if is_first:
            log.warning("%s: %s (%s)", self._skips.source, reason, position)
