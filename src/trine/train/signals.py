"""SIGINT and SIGTERM as a request to stop, which the loop answers between two steps."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType


class StopRequest:
    """Whether this process was asked to stop."""

    def __init__(self) -> None:
        self.made = False

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Handle the signals within the block; outside the main thread they keep their handlers."""
        try:
            before = {number: signal.signal(number, self._remember) for number in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.made = True
