"""One thread or all: where another process keeps a core busy, threads wait for one another at every operation."""

from collections.abc import Callable

from trine import machine

CHECKED = 10
"""Regular checks per budget."""
LEAST_SECONDS = 3.0
"""Shortest time between two checks, in seconds."""
FALLEN = 1.6
"""A step that takes so many times the time of the best one since the last check is a reason for a check."""


class ThreadChoice:
    """Chooses the number of threads at the start, then at times, and when the pace falls."""

    def __init__(self, now: Callable[[], float], seconds: float) -> None:
        self.now, self.span = now, max(LEAST_SECONDS, seconds / CHECKED)
        self.shortest = float("inf")
        self._choose()

    def check(self, work_seconds: float) -> None:
        """Call after each step with its seconds per unit of work."""
        since = self.now() - self.chosen_at
        fallen = work_seconds > FALLEN * self.shortest and since > LEAST_SECONDS
        self.shortest = min(self.shortest, work_seconds)
        if fallen or since > self.span:
            self._choose()

    def _choose(self) -> None:
        before = machine.threads()
        machine.use_threads(machine.faster_threads())
        self.chosen_at = self.now()
        if before != machine.threads():
            self.shortest = float("inf")
