"""Learning-rate schedules: the factor on the peak rate at each point of a training."""

import math
from collections.abc import Callable

from trine.recipe import Recipe

Schedule = Callable[[float, float], float]


def triangular(progress: float, final: float) -> float:
    """A straight line from the peak down to the final rate."""
    return 1 - (1 - final) * progress


def cosine(progress: float, final: float) -> float:
    """Half a cosine from the peak down to the final rate (Loshchilov and Hutter, 2017)."""
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress))


def constant(progress: float, final: float) -> float:
    """The peak rate throughout."""
    return 1.0


SCHEDULES: dict[str, Schedule] = {"triangular": triangular, "cosine": cosine, "constant": constant}


def rate_factor(recipe: Recipe, progress: float) -> float:
    """The share of the peak rate at `progress` in 0..1: a linear warm-up, then the recipe's schedule."""
    if progress < recipe.warmup:
        return (progress + 1e-3) / (recipe.warmup + 1e-3)
    after = (progress - recipe.warmup) / (1 - recipe.warmup)
    return SCHEDULES[recipe.schedule](after, recipe.final_rate)
