"""The training loop.

- A step depends on weights, optimisers, clock and (seed, step) only: a run that was killed and resumed ends with the
  same weights, bit for bit, with the same number of threads. With `--minutes` it ends with the number of steps that was
  planned at its last checkpoint.
- A non-finite loss, or a validation loss that explodes, returns the run to its last good checkpoint at half the
  learning rate, at most twice.
- The weights of the best validation win where the last validation is worse by more than its noise; a training that gets
  worse stops.
- SIGINT and SIGTERM save a checkpoint before the process stops.
- Several processes take the same decisions: the first process decides whatever depends on time or on a signal.
"""

import math
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from torch import nn

from trine.device import Device
from trine.errors import CheckpointError, DivergedError, InterruptedTraining
from trine.plurals import quantity
from trine.progress import Figures, Reporter, Silent
from trine.train import checkpoint
from trine.train.best import Best
from trine.train.budget import (
    MEASURING,
    TRAINING,
    Budget,
    Forecast,
    Pace,
    mean_cost,
)
from trine.train.checkpoint import Checkpoint
from trine.train.cost import Cost
from trine.train.objective import Objective
from trine.train.plan import ValidationPlan, advice, forecast_within
from trine.train.run import Run
from trine.train.schedules import Clock
from trine.train.signals import StopRequest
from trine.train.step import Asked, Stepper, StepResult
from trine.train.threads import ThreadChoice

COLD_STEPS, FORECAST_AFTER = 2, 5
"""Steps whose time is not believed, and steps after which a training plans and forecasts its cost."""
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
        self.best: Best | None = None
        """Weights and figures of the best validation."""
        self.checks = ValidationPlan(self.objective, self.device)
        self.pace: Pace | None = None
        self.threads: ThreadChoice | None = None
        self.mean_loss = 0.0
        """Mean training loss of the last steps."""
        self.prepared = 0
        """What the objective has prepared."""
        self.cold_seconds = 0.0
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
            try:
                with self.reporter.working("training"):
                    self._begin(resume)
                    self._train()
                if self.budget and not (self.budget.advice or self.budget.stopped_early):  # fewer steps than planned
                    self._advise(self.budget, self.cost.step_seconds / max(1, self.clock.step))
                self._keep_best()
                if self.budget and self.clock.step >= self.objective.most_steps:
                    self.budget.stopped_early = True
                    self.reporter.note(f"{self.clock.step:,} steps are enough: more would add nothing")
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
            self._prepare(None)
            self._save()
        if self.budget and self.clock.step < FORECAST_AFTER:
            self._set_pace()  # later the number of steps stays as it was planned at the checkpoint

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
            if not self.run.stage:
                self.reporter.note(f"{self.run.folder}: no step was taken yet, starting from the beginning")
            return False
        saved = checkpoint.latest(folder, self.reporter.note)
        if self.budget:
            for name, value in saved.state.get("budget", {}).items():
                setattr(self.budget, name, value)
        self._prepare(saved)
        self._restore(saved)
        self.reporter.note(f"resuming at step {self.clock.step:,} of {self.clock.total:,}")
        return True

    def _prepare(self, saved: Checkpoint | None) -> None:
        """What the objective needs before its first step: as much as there is time for, or as a checkpoint had."""
        done = None
        if saved:
            self.objective.look_at(saved.state.get("looked_at", 1.0))
            done = saved.state.get("prepared")
        with self._spending(TRAINING):
            self.prepared = self.objective.prepare(self.budget, done)
        self.checks.looked_at = self.objective.look_at(1.0)
        self.cost.prepared_flops = self.objective.prepared_flops
        if line := self.objective.preparation():
            self.reporter.note(line)

    def _plan(self) -> None:
        """Forecast from the first steps that are warm; with a budget, also plan the validations."""
        seconds = (self.cost.step_seconds - self.cold_seconds) / (FORECAST_AFTER - COLD_STEPS)
        scale = mean_cost(self.objective.relative_cost) / self.objective.relative_cost(0.0)
        flops = self.cost.flops / FORECAST_AFTER * scale
        if self.budget is None:
            minutes = self.clock.total * seconds * scale / 60
            self._forecast(Forecast(self.clock.total, seconds * scale, flops, minutes))
            return
        per_sample = seconds * FORECAST_AFTER / max(1, self.cost.samples)
        self.checks.allow(self.budget, per_sample)
        self.checks.keep_back(self.budget, self.clock.progress)
        total = self.clock.step + int(self.budget.left / (seconds * scale))
        self.clock.refit(min(self.objective.most_steps, max(self.objective.fewest_steps, self.device.agree(total))))
        self._forecast(forecast_within(self.budget, self.clock.total, seconds * scale, flops))
        self._advise(self.budget, seconds * scale)

    def _advise(self, budget: Budget, step_seconds: float) -> None:
        """Say what budget would be enough, where this one leaves too few steps to learn from.

        The budget of a stage is a share of the run's: what is said of the first training stands for it.
        """
        if self.run.stage:
            return
        budget.advice = advice(budget, self.objective, self.clock, step_seconds)
        if budget.advice:
            self.reporter.note(
                f"warning: --minutes {budget.minutes:g} leaves time for {quantity(self.clock.total, 'training step')}, "
                f"too few to learn from: {budget.advice}"
            )

    def _forecast(self, forecast: Forecast) -> None:
        self.reporter.note(f"forecast: {forecast}{self.objective.expectation(forecast.pflop)}")

    def _set_pace(self) -> None:
        assert self.budget
        objective = self.objective
        self.pace = Pace(self.budget, self.clock, self.device.agree, objective.relative_cost)
        self.pace.fewest, self.pace.most = objective.fewest_steps, objective.most_steps
        if self.device.name == "cpu" and self.device.world == 1:
            self.threads = ThreadChoice(self.budget.now, self.budget.seconds)

    # ---- steps

    def _train(self) -> None:
        while not self.clock.done:
            begin = time.perf_counter()
            with self._spending(TRAINING):
                step = self.stepper.take(self.clock.step, self._asked)
            self.cost.add_step(step.flops, time.perf_counter() - begin, step.samples)
            last = self.clock.step + 1 == self.clock.total  # no later loss would show non-finite weights
            if math.isfinite(step.loss) and not (last and not self.stepper.weights_are_finite()):
                self._count(step)
            else:
                self._back_off("the loss is not finite")

    def _asked(self) -> Asked:
        due = time.monotonic() - self.saved_at >= self.objective.recipe.checkpoint_seconds
        return Asked(stop=self.stop.made, save=due)

    def _spending(self, kind: str) -> AbstractContextManager[None]:
        return self.budget.spending(kind) if self.budget else nullcontext()

    def _count(self, step: StepResult) -> None:
        """Accept a step: record it, plan anew, validate and save when due."""
        self._record(step.loss)
        self.mean_loss = step.loss if self.clock.step == 0 else 0.95 * self.mean_loss + 0.05 * step.loss
        before = self.clock.progress
        self.clock.step += 1
        if self.clock.step == COLD_STEPS:
            self.cold_seconds = self.cost.step_seconds
        if self.pace:
            self.pace.keep()
        if self.clock.step == FORECAST_AFTER and (self.pace or not self.budget):
            self._plan()
        if self.threads and self.pace:
            self.threads.check(self.pace.last_step)
        if self._validate_when_due(before):
            self._save_when_due(step.asked)

    def _record(self, loss: float) -> None:
        """Write the step that is about to be counted to the run's metrics, and show it."""
        if not self.device.leads:
            return
        step = self.clock.step + 1
        self.run.record({"step": step, "progress": self.clock.progress, "loss": loss, "seconds": self.cost.seconds})
        self.reporter.advance(step, self.clock.total, self._shown(loss))

    def _shown(self, loss: float) -> Figures:
        done = self.clock.step + 1
        left = self.budget.left if self.budget else (self.clock.total - done) * self.cost.seconds / done
        shown = {"loss": loss}
        if self.objective.headline in self.figures:
            shown[self.objective.headline] = self.figures[self.objective.headline]
        rates = {f"{self.objective.unit}/s": self.cost.sample_rate, "GFLOP/s": self.cost.gflops}
        return {**shown, **rates, "left": max(0.0, left)}

    def _validate_when_due(self, before: float) -> bool:
        """Validate if it is time; False when the validation showed a divergence, and the training went back.

        before   progress before the last step
        """
        count = self.checks.count
        progress = self.clock.progress
        if int(progress * count + 1e-9) == int(before * count + 1e-9):
            return True
        begin = time.perf_counter()
        with self._spending(MEASURING):
            self.figures = self.objective.validate(self.final_network)
            self.objective.validated(self.final_network, self.clock.step)
        seconds = time.perf_counter() - begin
        self.cost.seconds += seconds
        if self.budget:
            self.checks.seconds = seconds / self.checks.looked_at
            self.checks.keep_back(self.budget, progress)
        if self.device.leads:
            self.run.record({"step": self.clock.step, "progress": progress, "validation": self.figures})
        if self.objective.exploded(self.figures) and self.restarts < RESTARTS:
            self._back_off("the validation loss explodes")
            return False
        self._compare()
        return True

    def _compare(self) -> None:
        """Keep the weights of the best validation, and stop where the validations only get worse."""
        score, noise = self.objective.score(self.figures), self.objective.noise(self.figures)
        self.reporter.validated(self.clock.progress, score)
        if self.best is None or score < self.best.score:
            self.best = Best.of(self.final_network, self.clock.step, score, self.figures)
            return
        self.best.count(score, noise)
        if self._overfits(self.best, noise):
            self.reporter.note(
                f"stopped at step {self.clock.step:,}: the last {self.best.worse} validations were worse than that of "
                f"step {self.best.step:,}: more training would only fit the training samples"
            )
            self.clock.total = self.clock.step
            if self.budget:
                self.budget.stopped_early = True

    def _overfits(self, best: Best, noise: float) -> bool:
        """Whether the validations of the second half get worse while the training loss is below the best of them."""
        if not self.objective.patience or self.clock.done or self.clock.progress < 0.5:
            return False
        return best.worse >= self.objective.patience and self.mean_loss < best.score - noise

    def _keep_best(self) -> None:
        """Return to the weights of the best validation where the last one is worse by more than its noise."""
        if self.best is None or self.best.worse == 0:
            return
        shown = self.objective.headline if self.objective.headline in self.figures else "loss"
        self.reporter.note(
            f"the weights of step {self.best.step:,} are kept: {shown} {self.best.figures[shown]:.4g} on validation, "
            f"after the last step {self.figures[shown]:.4g}"
        )
        self.best.restore(self.final_network)
        self.figures = self.best.figures
        self.reporter.validated(self.clock.progress, self.best.score)

    # ---- checkpoints

    def _save_when_due(self, asked: Asked) -> None:
        stopping = asked.stop and not self.clock.done
        if asked.save or stopping or self.clock.done:
            self._save()
        if stopping:
            raise InterruptedTraining(
                f"stopped at step {self.clock.step:,} of {self.clock.total:,}; everything is saved in "
                f"{self.run.folder}: continue with the same command and --resume"
            )

    def _save(self) -> None:
        """Save a checkpoint; all processes are here at the same step."""
        self.objective.gather()
        if self.device.leads and self.stepper.weights_are_finite():
            snapshot = self.stepper.snapshot(
                cost=asdict(self.cost),
                restarts=self.restarts,
                figures=self.figures,
                validations=self.checks.count,
                looked_at=self.checks.looked_at,
                mean_loss=self.mean_loss,
                prepared=self.prepared,
                best=self.best.state() if self.best else None,
                budget=self._budget_state(),
            )
            kept = {f"best.{name}": value for name, value in (self.best.weights if self.best else {}).items()}
            checkpoint.save(self.run.checkpoints, replace(snapshot, tensors=snapshot.tensors | kept))
        self.saved_at = time.monotonic()

    def _budget_state(self) -> dict[str, Any]:
        if not self.budget:
            return {}
        names = ("kept_back", "used", "advice", "stopped_early")
        return {"spent": self.budget.elapsed, **{name: getattr(self.budget, name) for name in names}}

    def _restore(self, saved: Checkpoint) -> None:
        try:
            self.stepper.restore(saved)
        except CheckpointError as problem:
            raise CheckpointError(f"{self.run.checkpoints}: {problem}") from None
        state: dict[str, Any] = saved.state
        self.cost, self.restarts, self.figures = Cost(**state["cost"]), state["restarts"], state["figures"]
        best = state.get("best")
        self.best = Best(weights=saved.part("best"), **best) if best else None
        self.checks.count = state.get("validations", self.checks.count)
        self.mean_loss = state.get("mean_loss", 0.0)
        self.checks.looked_at = self.objective.look_at(state.get("looked_at", 1.0))

    def _rewind(self) -> None:
        if self.device.leads:
            self.run.rewind(self.clock.step)

    def _back_off(self, why: str) -> None:
        """Return to the last good checkpoint at half the learning rate. Raises `DivergedError` after two restarts."""
        optimisers, restarts, step, cost = self.stepper.optimisers, self.restarts + 1, self.clock.step, self.cost
        rate = optimisers.rate / 2
        if restarts > RESTARTS:
            raise DivergedError(
                f"{why} at step {step:,}, even at a quarter of the learning rate: "
                "check the data with `trine data check`, or lower the learning rate with --set"
            )
        optimisers.clear()
        self.device.wait()
        self._restore(checkpoint.latest(self.run.checkpoints, self.reporter.note, before=step))
        self.device.wait()
        optimisers.rate, self.restarts, self.cost = rate, restarts, cost
        self._rewind()
        if self.budget:
            self._set_pace()
        self.reporter.note(f"{why} at step {step:,}: back to step {self.clock.step:,} at half the learning rate")
