"""`--minutes M`: where the time of a training goes, and how many steps fit into what is left of it.

- The plan is made anew after every step from the pace of the last ones: a slow minute costs itself and nothing more.
- What is kept back for measuring, pictures and further trainings is estimated at the pace of the moment, limited to a
  share of the budget, and goes back to the training when it is not needed.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from trine.errors import UsageError
from trine.plurals import quantity
from trine.start import command_seconds
from trine.train.schedules import Clock

T = TypeVar("T")

TRAINING, MEASURING, DRAWING = "training", "measuring", "pictures"
"""Kinds of work that the time is accounted under."""
VALIDATIONS, STAGES = "validations", "stages"
"""What else time is kept back for: the validations ahead, and further trainings."""
VALIDATING_SHARE = 0.06
"""Largest share of a budget for the validations during the training."""
CLOSING_SHARE = 0.1
"""Largest share of a budget for measuring after the last step: calibration and evaluation."""
DRAWING_SECONDS = 7.0
"""Processor seconds for drawing, measuring the machine, saving and ending the process."""
DRAWING_SHARE = 0.25
"""Largest share of a budget that is kept back for them."""
LEAST_STAGE = 0.5
"""Smallest share of its time that a further training gets."""
PROBE_STEPS = 4
"""Steps that a probe times at most."""
MEMORY = 0.08
"""Share of a budget over which the pace is averaged: older steps count less."""
EXACT_STEPS, REFITS = 64, 256
"""The steps left are counted anew after each of the first steps, then so often over the rest."""


@dataclass
class Budget:
    """Wall-clock time from the command's start to its last written file."""

    minutes: float
    spent: float = 0.0
    """Seconds that earlier processes of a resumed run have used."""
    now: Callable[[], float] = time.monotonic
    processor: Callable[[], float] = time.process_time
    """Processor time of this process, in seconds."""
    started: float = math.nan
    """Time of the start, by `now`; by default that of the command, or in Python this moment."""
    kept_back: dict[str, float] = field(default_factory=dict)
    """Seconds that are not for the steps ahead, by what they are kept for."""
    used: dict[str, float] = field(default_factory=dict)
    """Seconds used so far by kind of work."""
    stopped_early: bool = False
    """Whether a training had nothing left to gain."""
    drawn: bool = True
    """Whether pictures are drawn at the end."""
    advice: str = ""
    """What would be enough, where the budget is too short for the task."""

    def __post_init__(self) -> None:
        if not 0 < self.minutes <= 60 * 24 * 30:
            raise UsageError(f"--minutes {self.minutes:g}: give a time above 0 and up to 30 days, such as --minutes 10")
        if math.isnan(self.started):
            self.started = self.now() - command_seconds()
        self.first_now, self.first_processor = self.now(), self.processor()
        self.keep_for_drawing()

    @property
    def seconds(self) -> float:
        """The whole budget in seconds."""
        return 60 * self.minutes

    @property
    def elapsed(self) -> float:
        """Seconds used so far, earlier processes included."""
        return self.spent + self.now() - self.started

    @property
    def left(self) -> float:
        """Seconds left for training steps."""
        return self.seconds - sum(self.kept_back.values()) - self.elapsed

    def keep_for_drawing(self) -> None:
        """Keep time back for drawing and saving: more where other processes leave this one less of a core."""
        busy = self.processor() - self.first_processor
        slower = max(1.0, (self.now() - self.first_now) / busy) if busy > 1 else 1.0
        self.kept_back[DRAWING] = min(slower * DRAWING_SECONDS, DRAWING_SHARE * self.seconds) if self.drawn else 0.0

    @contextmanager
    def spending(self, kind: str) -> Iterator[None]:
        """Account the block's time under this kind of work."""
        begin = self.now()
        try:
            yield
        finally:
            self.used[kind] = self.used.get(kind, 0.0) + self.now() - begin

    def stage(self, seconds: float) -> "Budget":
        """The budget of a further training in the same run: these seconds from now on, or half of them."""
        seconds = max(LEAST_STAGE * seconds, min(seconds, self.left + self.kept_back.get(STAGES, 0.0)))
        return Budget(seconds / 60, now=self.now, processor=self.processor, started=self.now(), drawn=False)

    def statement(self, closing: float = 0.0) -> dict[str, Any]:
        """What `result.json` says: minutes asked and used so far, and the share of the time by kind of work.

        closing   seconds of measuring and drawing after the last step
        """
        elapsed = max(self.elapsed, 1e-9)
        used = {TRAINING: self.used.get(TRAINING, 0.0), MEASURING: self.used.get(MEASURING, 0.0) + closing}
        shares = {f"{kind}_share": seconds / elapsed for kind, seconds in used.items()}
        stated = {"asked_minutes": self.minutes, "used_minutes": elapsed / 60, **shares}
        return {**stated, "stopped_early": self.stopped_early, "advice": self.advice or None}


@dataclass(frozen=True)
class Forecast:
    """Expected cost of a training."""

    steps: int
    step_seconds: float
    step_flops: float
    minutes: float
    parts: dict[str, float] = field(default_factory=dict)
    """Seconds by kind of work."""

    @property
    def pflop(self) -> float:
        """Operations of all steps, in 10¹⁵."""
        return self.steps * self.step_flops / 1e15

    def __str__(self) -> str:
        rate = self.step_flops / self.step_seconds / 1e9 if self.step_seconds else 0.0
        parts = ", ".join(f"{kind} {_clock_time(seconds)}" for kind, seconds in self.parts.items())
        line = f"{quantity(self.steps, 'step')}, {self.pflop:.3g} PFLOP, {self.minutes:.1f} min"
        line += f" at {rate:,.0f} GFLOP/s" if rate >= 0.5 else ""
        return f"{line} ({parts})" if parts else line


def own(value: T) -> T:
    """The agreement of a single process: its own value."""
    return value


def probe(step: Callable[[], None], seconds: float, agree: Callable[[bool], bool] = own) -> float:
    """Shortest time of a step in seconds, after two warm-up steps; takes about `seconds`, and at least two steps.

    `agree` returns the first process's value in all processes: they must take the same number of steps.
    """
    times: list[float] = []
    begin = time.perf_counter()
    while len(times) < 2 + PROBE_STEPS and agree(len(times) < 2 or time.perf_counter() - begin < seconds):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return min(times[2:] or times[1:])


class Pace:
    """Keeps a training to its budget: the steps left are those that fit into the time left at the pace of late."""

    def __init__(
        self,
        budget: Budget,
        clock: Clock,
        agree: Callable[[int], int] = own,
        relative_cost: Callable[[float], float] = lambda progress: 1.0,
    ) -> None:
        self.budget, self.clock, self.agree, self.relative_cost = budget, clock, agree, relative_cost
        self.fewest, self.most = 1, 2**40
        """Steps that are taken however little time there is, and after which nothing is left to gain."""
        self.work, self.seconds, self.counted = 0.0, 0.0, 0
        self.last = self._training_time()
        self.last_step = 0.0
        """Seconds per unit of work of the last step."""

    @property
    def pace(self) -> float:
        """Seconds per unit of work."""
        return self.seconds / self.work

    def keep(self) -> None:
        """Call after each step: plans the number of steps anew."""
        now, cost = self._training_time(), self.relative_cost(self.clock.progress_at(self.clock.step - 1))
        seconds, self.last = now - self.last, now
        kept = 0.0 if self.counted == 1 else math.exp(-seconds / (MEMORY * self.budget.seconds))  # the first was cold
        self.work, self.seconds, self.counted = kept * self.work + cost, kept * self.seconds + seconds, self.counted + 1
        self.last_step = seconds / cost
        left = self.clock.total - self.clock.step
        if left > 0 and (self.counted <= EXACT_STEPS or left < REFITS or self.clock.step % (left // REFITS) == 0):
            ahead = mean_cost(self.relative_cost, self.clock.progress)
            fitting = self.clock.step + int(self.budget.left / max(1e-9, self.pace * ahead))
            self.clock.refit(min(self.most, max(self.fewest, self.agree(fitting))))

    def _training_time(self) -> float:
        return self.budget.elapsed - self.budget.used.get(MEASURING, 0.0)


def mean_cost(relative_cost: Callable[[float], float], start: float = 0.0) -> float:
    """Mean relative cost of the steps from progress `start` to the end."""
    points = [start + (1 - start) * (index + 0.5) / 100 for index in range(100)]
    return sum(map(relative_cost, points)) / len(points)


def _clock_time(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
