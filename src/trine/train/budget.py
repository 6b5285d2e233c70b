"""`--minutes M`: measure what a step costs, fit the whole schedule into the time, say so before it starts."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from trine.errors import UsageError
from trine.train.clock import Clock

T = TypeVar("T")

CLOSING_SECONDS = 5.0
"""What drawing, measuring the machine and saving take after the last evaluation."""
PROBE_STEPS = 6
PROBE_SHARE = 0.03
"""The probe takes at most this share of the time, once it has its first steps."""
REFITS = 64
"""How often the number of steps is fitted again to the pace so far."""


@dataclass
class Budget:
    """Wall-clock time for everything from the command's start to its last written file."""

    minutes: float
    spent: float = 0.0
    """Seconds used before this process: what a run that is resumed has had already."""
    reserve: float = 0.0
    """Seconds kept back for what follows the last step: evaluation, pictures, saving."""
    started: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.minutes <= 60 * 24 * 30:
            raise UsageError(f"--minutes {self.minutes:g}: give a time above 0 and up to 30 days, such as --minutes 10")
        self.started = self.started or time.monotonic()
        self.reserve = self.reserve or min(CLOSING_SECONDS, 3.0 * self.minutes)

    @property
    def elapsed(self) -> float:
        """Seconds used so far, those before a resume included."""
        return self.spent + time.monotonic() - self.started

    @property
    def left(self) -> float:
        """Seconds left for training steps."""
        return self.minutes * 60 - self.reserve - self.elapsed


@dataclass(frozen=True)
class Forecast:
    """What a training will cost."""

    steps: int
    step_seconds: float
    step_flops: float
    minutes: float

    @property
    def pflop(self) -> float:
        """Floating-point operations of all steps, in 10¹⁵."""
        return self.steps * self.step_flops / 1e15

    def __str__(self) -> str:
        rate = self.step_flops / self.step_seconds / 1e9 if self.step_seconds else 0.0
        return f"{self.steps:,} steps, {self.pflop:.3g} PFLOP, {self.minutes:.1f} min at {rate:,.0f} GFLOP/s"


def own(value: T) -> T:
    """What a process that is alone agrees on."""
    return value


def probe(step: Callable[[], None], seconds: float, agree: Callable[[bool], bool] = own) -> float:
    """The median time of a step, in seconds, after one that warms up; takes about `seconds` at the most.

    `agree` gives all processes the first one's word on whether to go on.
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
    """Keeps the end of a training at its time: fits the steps left to the pace measured so far."""

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
        """Called after each step; changes the clock's total a few times over the training."""
        self.work += self.relative_cost(self.clock.progress_at(self.clock.step - 1))
        if int(self.clock.progress * REFITS) <= self.refits_done or self.clock.done:
            return
        self.refits_done = int(self.clock.progress * REFITS)
        pace = (self.budget.elapsed - self.first_time) / self.work
        ahead = mean_cost(self.relative_cost, self.clock.progress)
        self.clock.refit(self.agree(self.clock.step + int(self.budget.left / (pace * ahead))))


def mean_cost(relative_cost: Callable[[float], float], start: float = 0.0) -> float:
    """The mean relative cost of the steps from a point of the training to its end."""
    points = [start + (1 - start) * (place + 0.5) / 100 for place in range(100)]
    return sum(map(relative_cost, points)) / len(points)
