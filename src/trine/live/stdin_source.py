"""`StdinSource`: lines that another program writes to the standard input of this one."""

import os
import select
import sys
from typing import Any

from trine.datasets.lines import Skips
from trine.errors import DataError
from trine.live.decoder import Decoder
from trine.live.source import MOST_BYTES, Batch, Notes
from trine.log_formats.log_event import Line
from trine.logs.compression import CHUNK


class StdinSource:
    """Standard input, to its end. What was written before a restart cannot be read again."""

    def __init__(self) -> None:
        """Raises `DataError` if it is closed."""
        if sys.stdin is None or sys.stdin.closed:
            raise DataError("-: the standard input is closed; pipe a log into it, or give its file")
        self.name, self.files, self.ended = "-", ["-"], False
        self.skips = Skips(self.name)
        self._decoder = Decoder(0, self.name, Notes(self.skips))
        self._handle = sys.stdin.fileno()
        self._ready = select.poll()
        self._ready.register(self._handle, select.POLLIN)

    def resume(self, position: Any | None) -> None:
        """Nothing: what was read is gone."""

    def poll(self, most: int) -> list[Batch]:
        """The whole lines that were written; at the end, the last one as it is."""
        lines: list[Line] = []
        left = MOST_BYTES
        while len(lines) < most and left > 0 and not self.ended and self._ready.poll(0):
            data = os.read(self._handle, min(CHUNK, max(4096, 64 * (most - len(lines)))))
            self.ended = not data
            left -= len(data)
            lines += self._decoder.feed(data) if data else self._decoder.finish()
        return [Batch(lines, self._decoder.lines)] if lines else []

    def head(self, file: int) -> list[str]:
        """None: nothing can be read again."""
        return []

    def close(self) -> None:
        """Read no more."""
        self.ended = True
