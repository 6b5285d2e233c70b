"""Progress through a training, and the learning-rate schedules that follow it."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from trine.recipe import Recipe

Schedule = Callable[[float, float], float]


@dataclass
class Clock:
    """Steps taken and steps planned; progress from 0 to 1 stays continuous when the planned number changes."""

    total: int
    step: int = 0
    anchor_step: int = 0
    """Step of the last refit."""
    anchor_progress: float = 0.0
    """Progress at that step."""

    @property
    def progress(self) -> float:
        """Progress before the next step, in [0, 1)."""
        return self.progress_at(self.step)

    def progress_at(self, step: int) -> float:
        """Progress before a step that is not earlier than the last refit."""
        span = max(1, self.total - self.anchor_step)
        return self.anchor_progress + (1 - self.anchor_progress) * (step - self.anchor_step) / span

    @property
    def done(self) -> bool:
        """Whether all steps are taken."""
        return self.step >= self.total

    def refit(self, total: int) -> None:
        """Plan `total` steps from now on; progress continues from its present value at another pace."""
        self.anchor_progress, self.anchor_step = self.progress, self.step
        self.total = max(total, self.step + 1)


def triangular(progress: float, final: float) -> float:
    """A straight line from the peak rate to the final rate."""
    return 1 - (1 - final) * progress


def cosine(progress: float, final: float) -> float:
    """Half a cosine from the peak rate to the final rate (Loshchilov and Hutter, 2017)."""
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress))


def constant(progress: float, final: float) -> float:
    """The peak rate throughout."""
    return 1.0


SCHEDULES: dict[str, Schedule] = {"triangular": triangular, "cosine": cosine, "constant": constant}


def rate_factor(recipe: Recipe, progress: float) -> float:
    """Learning rate as a share of its peak at `progress` in [0, 1]: a linear warm-up, then the recipe's schedule."""
    if progress < recipe.warmup:
        return (progress + 1e-3) / (recipe.warmup + 1e-3)
    after = (progress - recipe.warmup) / (1 - recipe.warmup)
    return SCHEDULES[recipe.schedule](after, recipe.final_rate)
