"""Drive a source as the service does: poll, commit, stop at any moment, go on behind the last commit."""

import json
import time
from collections.abc import Callable
from typing import Any

from trine.live.source import Source


class Follower:
    """Reads a source and keeps what was committed, as a store does: lines and position together."""

    def __init__(self, make: Callable[[], Source]) -> None:
        self.make = make
        self.position: str | None = None
        self.lines: list[tuple[str, int, str]] = []
        self.source: Any = None
        self.start()

    def start(self) -> None:
        """Begin, or go on behind the last commit."""
        self.source = self.make()
        self.source.resume(None if self.position is None else json.loads(self.position))

    def kill(self) -> None:
        """Stop, and lose whatever was not committed."""
        self.source.close()

    def poll(self, most: int = 1000, commit: bool = True) -> int:
        """Read once; the number of lines that were committed."""
        committed = 0
        for batch in self.source.poll(most):
            if commit:
                self.lines += [(self.source.files[line.source], line.number, line.text) for line in batch.lines]
                self.position = json.dumps(batch.position)
                batch.durable()
                committed += len(batch.lines)
        return committed

    def until(self, count: int, seconds: float = 10) -> list[str]:
        """Read until this number of lines is committed, and a moment longer; the texts of all lines."""
        end = time.monotonic() + seconds
        while len(self.lines) < count and time.monotonic() < end:
            if not self.poll():
                time.sleep(0.01)
        for _ in range(5):
            time.sleep(0.02)
            self.poll()
        return self.texts

    @property
    def texts(self) -> list[str]:
        return [text for _, _, text in self.lines]

    @property
    def reasons(self) -> str:
        """What was repaired, cut or left out."""
        return "\n".join(self.source.skips.messages())
