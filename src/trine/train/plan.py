"""What a budget leaves for: validations and what they look at, the forecast, and the advice where it is too short."""

import math

from trine.device import Device
from trine.train.budget import (
    CLOSING_SHARE,
    DRAWING,
    MEASURING,
    STAGES,
    TRAINING,
    VALIDATING_SHARE,
    VALIDATIONS,
    Budget,
    Forecast,
)
from trine.train.objective import Objective
from trine.train.schedules import Clock

FORWARD = 0.4
"""Cost of a sample in a validation relative to one in a training step, until a validation was timed."""
LEAST_VALIDATIONS = 4
"""Validations that a budget leaves of the recipe's: of fewer samples rather than fewer."""
FEW_STEPS = 50
"""Training steps below which a budget gets a warning: a network has hardly left its initial weights."""


class ValidationPlan:
    """The validations of a training: how many, and what share of the held-out samples they look at."""

    def __init__(self, objective: Objective, device: Device) -> None:
        self.objective, self.device = objective, device
        self.count = objective.recipe.validations
        self.looked_at = 1.0
        """Share of the held-out samples that a validation looks at."""
        self.seconds = 0.0
        """Duration of a validation on all held-out samples, as far as known."""

    def allow(self, budget: Budget, step_seconds: float) -> None:
        """Choose count and share so that the validations take no more than their share of the budget.

        step_seconds   time of a sample in a training step
        """
        self.seconds = FORWARD * step_seconds * self.objective.validation_samples
        allowed, most = VALIDATING_SHARE * budget.seconds, self.objective.recipe.validations
        single = max(self.seconds, 1e-9)
        count = min(most, max(min(most, LEAST_VALIDATIONS), int(allowed / single)))
        share = min(1.0, allowed / (single * max(1, count)))
        self.count, share = self.device.agree((count, share))
        self.looked_at = self.objective.look_at(share)
        if self.looked_at > share:  # it cannot look at fewer
            self.count = self.device.agree(min(most, max(1, int(allowed / (single * self.looked_at)))))

    def keep_back(self, budget: Budget, progress: float) -> None:
        """Keep time back for the validations ahead and for what follows the last step, at the present pace."""
        ahead = self.count - int(progress * self.count + 1e-9)
        budget.kept_back[VALIDATIONS] = ahead * self.seconds * self.looked_at
        budget.keep_for_drawing()
        budget.kept_back[MEASURING] = min(self.objective.closing_seconds(self.seconds), CLOSING_SHARE * budget.seconds)


def forecast_within(budget: Budget, steps: int, step_seconds: float, step_flops: float) -> Forecast:
    """The forecast of a training of so many steps, with the time of all kinds of work."""
    kept = budget.kept_back
    measuring = budget.used.get(MEASURING, 0.0) + kept[VALIDATIONS] + kept[MEASURING]
    training = steps * step_seconds + kept.get(STAGES, 0.0)
    parts = {TRAINING: training, MEASURING: measuring, DRAWING: kept[DRAWING]}
    minutes = (budget.elapsed + budget.left + sum(kept.values())) / 60
    return Forecast(steps, step_seconds, step_flops, minutes, parts)


def advice(budget: Budget, objective: Objective, clock: Clock, step_seconds: float) -> str:
    """What budget would be enough; empty where this one leaves enough steps to learn from."""
    own = objective.steps()
    few = min(max(FEW_STEPS, objective.few_steps), own)
    if clock.total >= few:
        return ""
    other = budget.minutes - budget.left / 60
    some, all_steps = (_rounded_up(other + (count - clock.step) * step_seconds / 60) for count in (few, own))
    return f"{few} steps need --minutes {some}, the recipe's {own:,} steps {all_steps}"


def _rounded_up(minutes: float) -> str:
    """Minutes with one digit after the point below ten, rounded up."""
    return f"{math.ceil(minutes):,}" if minutes >= 10 else f"{math.ceil(10 * minutes) / 10:g}"
