"""The training loop.

- A step depends on weights, optimisers, clock and (seed, step) only: a run that was killed and resumed ends with the
  same weights, bit for bit.
- A non-finite loss returns the run to its last good checkpoint at half the learning rate, at most twice.
- SIGINT and SIGTERM save a checkpoint before the process stops.
- Several processes take the same decisions: the first process decides whatever depends on time or on a signal.
"""

import math
import time
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import nn

from trine.device import Device
from trine.errors import CheckpointError, DivergedError, InterruptedTraining
from trine.progress import Figures, Reporter, Silent
from trine.train import checkpoint
from trine.train.budget import PROBE_SHARE, Budget, Forecast, Pace, mean_cost
from trine.train.checkpoint import Checkpoint
from trine.train.cost import Cost
from trine.train.objective import Objective
from trine.train.run import Run
from trine.train.schedules import Clock
from trine.train.signals import StopRequest
from trine.train.step import Stepper, StepResult

FORECAST_AFTER = 3
"""Steps after which a training without a budget forecasts its cost."""
FEW_STEPS = 50
"""Training steps below which a budget gets a warning: a network has hardly left its initial weights."""
RESTARTS = 2
"""Restarts at half the learning rate before a non-finite loss is an error."""


@dataclass
class TrainingLoop:
    """One training of an objective in a run's folder."""

    objective: Objective
    run: Run
    device: Device
    reporter: Reporter = field(default_factory=Silent)
    budget: Budget | None = None

    def __post_init__(self) -> None:
        self.stepper = Stepper(self.objective, self.device)
        self.cost = Cost(prepared_flops=self.objective.prepared_flops)
        self.restarts = 0
        self.figures: Figures = {}
        """Figures of the last validation."""
        self.pace: Pace | None = None
        self.saved_at = time.monotonic()
        self.stop = StopRequest()

    @property
    def clock(self) -> Clock:
        """Steps taken and planned."""
        return self.stepper.clock

    @property
    def final_network(self) -> nn.Module:
        """The network that the training returns."""
        return self.stepper.final_network

    def fit(self, resume: bool = False) -> nn.Module:
        """Train to the end and return the final network.

        Raises `InterruptedTraining`, `DivergedError`, `CheckpointError`, `RunError`.
        """
        with self.stop.listening():
            self._begin(resume)
            try:
                self._train()
                self.objective.finishing(self.final_network)
            finally:
                self.reporter.close()
        return self.final_network

    # ---- before the first step

    def _begin(self, resume: bool) -> None:
        resumed = resume and self._resume()
        self.device.wait()
        if resumed:
            self._rewind()
        else:
            self._plan()
            self._save()
        self._set_pace()

    def _resume(self) -> bool:
        """Continue from the newest intact checkpoint; False when no step was taken yet. Raises `CheckpointError`."""
        folder, history = self.run.checkpoints, self.run.history()
        if not checkpoint.steps(folder):
            if history:
                step = history[-1]["step"]
                raise CheckpointError(
                    f"{folder}: no checkpoint is left of a run that had reached step {step:,}: "
                    "put them back, or start a new run with another --out"
                )
            self.reporter.note(f"{self.run.folder}: no step was taken yet, starting from the beginning")
            return False
        saved = checkpoint.latest(folder, self.reporter.note)
        self._restore(saved)
        if self.budget:
            self.budget.spent, self.budget.reserve = saved.state["spent"], saved.state["reserve"]
        self.reporter.note(f"resuming at step {self.clock.step:,} of {self.clock.total:,}")
        return True

    def _plan(self) -> None:
        """With a budget, plan as many steps as fit; without, keep the recipe's length."""
        if self.budget is None:
            return
        step = self.stepper.measure(PROBE_SHARE * self.budget.left)
        start = time.perf_counter()
        self.objective.validate(self.final_network)
        validation = time.perf_counter() - start
        self.budget.reserve += validation * self.objective.closing_validations + self.objective.closing_seconds
        left = self.budget.left - validation * self.objective.recipe.validations
        own_length = self.clock.total
        self.stepper.clock = Clock(self.device.agree(max(1, int(left / step.seconds))))
        minutes = (self.budget.elapsed + self.budget.left + self.budget.reserve) / 60
        self._forecast(Forecast(self.clock.total, step.seconds, step.flops, minutes))
        if self.clock.total < min(FEW_STEPS, own_length):
            self._warn_of_few_steps(self.budget.minutes - left / 60, step.seconds / 60, own_length)

    def _warn_of_few_steps(self, other: float, per_step: float, own_length: int) -> None:
        """Say what budget would be enough; in minutes: what other work takes, and a step."""
        asked = self.budget.minutes if self.budget else 0.0
        some, own = (_rounded_up(other + count * per_step) for count in (min(FEW_STEPS, own_length), own_length))
        self.reporter.note(
            f"warning: --minutes {asked:g} leaves time for {self.clock.total:,} training steps, too few to learn from: "
            f"{min(FEW_STEPS, own_length)} steps need --minutes {some}, the recipe's {own_length:,} steps {own}"
        )

    def _forecast_own_length(self, flops: float) -> None:
        """Forecast a training of the recipe's length from its first steps."""
        later = mean_cost(self.objective.relative_cost) / self.objective.relative_cost(0.0)
        seconds = later * self.cost.step_seconds / FORECAST_AFTER
        minutes = self.clock.total * seconds / 60
        self._forecast(Forecast(self.clock.total, seconds, later * flops, minutes))

    def _forecast(self, forecast: Forecast) -> None:
        self.reporter.note(f"forecast: {forecast}{self.objective.expectation(forecast.pflop)}")

    def _set_pace(self) -> None:
        if self.budget:
            self.pace = Pace(self.budget, self.clock, self.device.agree, self.objective.relative_cost)

    # ---- steps

    def _train(self) -> None:
        while not self.clock.done:
            begin = time.perf_counter()
            step = self.stepper.take(self.clock.step, stop=lambda: self.stop.made)
            self.cost.add_step(step.flops, time.perf_counter() - begin, step.samples)
            last = self.clock.step + 1 == self.clock.total  # no later loss would show non-finite weights
            if math.isfinite(step.loss) and not (last and not self.stepper.weights_are_finite()):
                self._count(step)
            else:
                self._back_off()

    def _count(self, step: StepResult) -> None:
        """Accept a step: record it, validate, adjust the pace and save when due."""
        self._record(step.loss)
        self.clock.step += 1
        if self.clock.step == FORECAST_AFTER and self.budget is None:
            self._forecast_own_length(step.flops)
        self._validate_when_due()
        if self.pace:
            self.pace.keep()
        self._save_when_due(step.stop)

    def _record(self, loss: float) -> None:
        """Write the step that is about to be counted to the run's metrics, and show it."""
        if not self.device.leads:
            return
        step = self.clock.step + 1
        self.run.record({"step": step, "progress": self.clock.progress, "loss": loss, "seconds": self.cost.seconds})
        self.reporter.advance(step, self.clock.total, self._shown(loss))

    def _shown(self, loss: float) -> Figures:
        done = self.clock.step + 1
        left = (self.clock.total - done) * self.cost.seconds / done
        shown = {"loss": loss}
        if self.objective.headline in self.figures:
            shown[self.objective.headline] = self.figures[self.objective.headline]
        return {**shown, f"{self.objective.unit}/s": self.cost.sample_rate, "GFLOP/s": self.cost.gflops, "left": left}

    def _validate_when_due(self) -> None:
        count = self.objective.recipe.validations
        progress, before = self.clock.progress, self.clock.progress_at(self.clock.step - 1)
        if int(progress * count + 1e-9) == int(before * count + 1e-9):
            return
        begin = time.perf_counter()
        self.figures = self.objective.validate(self.final_network)
        self.objective.validated(self.final_network)
        self.cost.seconds += time.perf_counter() - begin
        if self.device.leads:
            self.run.record({"step": self.clock.step, "progress": self.clock.progress, "validation": self.figures})

    # ---- checkpoints

    def _save_when_due(self, stop: bool) -> None:
        stopping = stop and not self.clock.done
        due = time.monotonic() - self.saved_at >= self.objective.recipe.checkpoint_seconds
        if due or stopping or self.clock.done:
            self._save()
        if stopping:
            raise InterruptedTraining(
                f"stopped at step {self.clock.step:,} of {self.clock.total:,}; everything is saved in "
                f"{self.run.folder}: continue with the same command and --resume"
            )

    def _save(self) -> None:
        if self.device.leads and self.stepper.weights_are_finite():
            snapshot = self.stepper.snapshot(
                cost=asdict(self.cost),
                restarts=self.restarts,
                figures=self.figures,
                spent=self.budget.elapsed if self.budget else 0.0,
                reserve=self.budget.reserve if self.budget else 0.0,
            )
            checkpoint.save(self.run.checkpoints, snapshot)
        self.saved_at = time.monotonic()

    def _restore(self, saved: Checkpoint) -> None:
        try:
            self.stepper.restore(saved)
        except CheckpointError as problem:
            raise CheckpointError(f"{self.run.checkpoints}: {problem}") from None
        state: dict[str, Any] = saved.state
        self.cost, self.restarts, self.figures = Cost(**state["cost"]), state["restarts"], state["figures"]

    def _rewind(self) -> None:
        if self.device.leads:
            self.run.rewind(self.clock.step)

    def _back_off(self) -> None:
        """Return to the last good checkpoint at half the learning rate. Raises `DivergedError` after two restarts."""
        optimisers, restarts, step, cost = self.stepper.optimisers, self.restarts + 1, self.clock.step, self.cost
        rate = optimisers.rate / 2
        if restarts > RESTARTS:
            raise DivergedError(
                f"the loss is not finite at step {step:,}, even at a quarter of the learning rate: "
                "check the data with `trine data check`, or lower the learning rate with --set"
            )
        optimisers.clear()
        self.device.wait()
        self._restore(checkpoint.latest(self.run.checkpoints, self.reporter.note, before=step))
        self.device.wait()
        optimisers.rate, self.restarts, self.cost = rate, restarts, cost
        self._rewind()
        self._set_pace()
        self.reporter.note(
            f"the loss is not finite at step {step:,}: back to step {self.clock.step:,} at half the learning rate"
        )


def _rounded_up(minutes: float) -> str:
    """Minutes with one digit after the point below ten, rounded up."""
    return f"{math.ceil(minutes):,}" if minutes >= 10 else f"{math.ceil(10 * minutes) / 10:g}"
