"""`--minutes M`: measure a step's cost, plan the schedule for the time, and keep to it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from trine.errors import UsageError
from trine.plurals import quantity
from trine.train.schedules import Clock

T = TypeVar("T")

CLOSING_SECONDS = 5.0
"""Seconds for drawing, measuring the machine and saving after the evaluation."""
PROBE_STEPS = 6
"""Steps that the probe times at most."""
PROBE_SHARE = 0.03
"""Largest share of the budget for the probe, after its first two timed steps."""
REFITS = 64
"""Times that the number of steps is refitted to the pace during a training."""


@dataclass
class Budget:
    """Wall-clock time from the command's start to its last written file."""

    minutes: float
    spent: float = 0.0
    """Seconds that earlier processes of a resumed run have used."""
    reserve: float = 0.0
    """Seconds kept for the work after the last step: evaluation, pictures, saving."""
    started: float = 0.0
    """Time of the start, by `time.monotonic`."""

    def __post_init__(self) -> None:
        if not 0 < self.minutes <= 60 * 24 * 30:
            raise UsageError(f"--minutes {self.minutes:g}: give a time above 0 and up to 30 days, such as --minutes 10")
        self.started = self.started or time.monotonic()
        self.reserve = self.reserve or min(CLOSING_SECONDS, 3.0 * self.minutes)

    @property
    def elapsed(self) -> float:
        """Seconds used so far, earlier processes included."""
        return self.spent + time.monotonic() - self.started

    @property
    def left(self) -> float:
        """Seconds left for training steps."""
        return self.minutes * 60 - self.reserve - self.elapsed


@dataclass(frozen=True)
class Forecast:
    """Expected cost of a training."""

    steps: int
    step_seconds: float
    step_flops: float
    minutes: float

    @property
    def pflop(self) -> float:
        """Operations of all steps, in 10¹⁵."""
        return self.steps * self.step_flops / 1e15

    def __str__(self) -> str:
        rate = self.step_flops / self.step_seconds / 1e9 if self.step_seconds else 0.0
        return f"{quantity(self.steps, 'step')}, {self.pflop:.3g} PFLOP, {self.minutes:.1f} min at {rate:,.0f} GFLOP/s"


def own(value: T) -> T:
    """The agreement of a single process: its own value."""
    return value


def probe(step: Callable[[], None], seconds: float, agree: Callable[[bool], bool] = own) -> float:
    """Median time of a step in seconds, after one warm-up step; takes about `seconds`, and at least three steps.

    `agree` returns the first process's value in all processes: they must take the same number of steps.
    """
    step()
    times: list[float] = []
    begin = time.perf_counter()
    while len(times) < PROBE_STEPS and agree(len(times) < 2 or time.perf_counter() - begin < seconds):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


class Pace:
    """Keeps a training to its budget: refits the number of remaining steps to the pace so far."""

    def __init__(
        self,
        budget: Budget,
        clock: Clock,
        agree: Callable[[int], int] = own,
        relative_cost: Callable[[float], float] = lambda progress: 1.0,
    ) -> None:
        self.budget, self.clock, self.agree, self.relative_cost = budget, clock, agree, relative_cost
        self.work, self.first_time = 0.0, budget.elapsed
        self.refits_done = int(clock.progress * REFITS)

    def keep(self) -> None:
        """Call after each step; changes the clock's total up to `REFITS` times per training."""
        self.work += self.relative_cost(self.clock.progress_at(self.clock.step - 1))
        if int(self.clock.progress * REFITS) <= self.refits_done or self.clock.done:
            return
        self.refits_done = int(self.clock.progress * REFITS)
        pace = (self.budget.elapsed - self.first_time) / self.work
        ahead = mean_cost(self.relative_cost, self.clock.progress)
        self.clock.refit(self.agree(self.clock.step + int(self.budget.left / (pace * ahead))))


def mean_cost(relative_cost: Callable[[float], float], start: float = 0.0) -> float:
    """Mean relative cost of the steps from progress `start` to the end."""
    points = [start + (1 - start) * (index + 0.5) / 100 for index in range(100)]
    return sum(map(relative_cost, points)) / len(points)
