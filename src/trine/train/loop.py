"""The one training loop.

- A step depends on the weights, the optimisers' state, the clock and (seed, step) only, so a run that was killed and
  resumed ends with the same weights, bit for bit.
- A non-finite loss takes the run back to its last good checkpoint at half the learning rate, twice.
- SIGINT and SIGTERM save before they stop.
- Several processes take the same decisions: whatever a clock or a signal has a say in, the first one says for all.
"""

import math
import time
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn

from trine.device import Device
from trine.errors import CheckpointError, DivergedError, InterruptedTraining
from trine.machine import keep_freed_blocks
from trine.nn.average import WeightAverage
from trine.nn.operations import count_flops
from trine.progress import Figures, Reporter, Silent
from trine.train import checkpoint
from trine.train.budget import PROBE_SHARE, Budget, Forecast, Pace, mean_cost, probe
from trine.train.clock import Clock
from trine.train.cost import Cost
from trine.train.objective import Objective
from trine.train.optimisers import Optimisers
from trine.train.run import Run
from trine.train.schedules import rate_factor
from trine.train.signals import StopRequest
from trine.train.snapshot import restore, snapshot

FORECAST_AFTER = 3
"""Steps after which a training of the recipe's own length says what it will cost."""
RESTARTS = 2
"""How often a non-finite loss is answered with half the learning rate before it is an error."""


@dataclass
class Training:
    """One training of an objective in a run's folder."""

    objective: Objective
    run: Run
    device: Device
    reporter: Reporter = field(default_factory=Silent)
    budget: Budget | None = None

    def __post_init__(self) -> None:
        keep_freed_blocks()
        self.model = self.objective.model.to(self.device.name)
        self.stepping = self.device.wrap(self.model)
        self.average = WeightAverage(self.model, self.recipe.ema_decay) if self.recipe.ema_decay else None
        self.optimisers = Optimisers(self.objective.parameter_groups())
        self.clock = Clock(self.objective.steps())
        self.cost = Cost(prepared_flops=self.objective.prepared_flops)
        self.restarts = 0
        self.figures: Figures = {}
        self.phase_flops: dict[str, float] = {}
        self.pace: Pace | None = None
        self.saved_at = time.monotonic()
        self.stop = StopRequest()
        self.stopping = False

    @property
    def recipe(self) -> Any:
        """The settings the loop reads."""
        return self.objective.recipe

    @property
    def final_model(self) -> nn.Module:
        """The model whose weights count: the average if there is one."""
        return self.average.model if self.average else self.model

    def fit(self, resume: bool = False) -> nn.Module:
        """Train to the end and return the final model. Raises `InterruptedTraining`, `DivergedError`, `RunError`."""
        with self.stop.listening():
            self._begin(resume)
            try:
                self._train()
                self.objective.finishing(self.final_model)
            finally:
                self.reporter.close()
        return self.final_model

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
        """Go on from the newest whole checkpoint; False when no step was taken yet. Raises `CheckpointError`."""
        folder, history = self.run.checkpoints, self.run.history()
        if not checkpoint.steps(folder):
            if history:
                step = history[-1]["step"]
                raise CheckpointError(
                    f"{folder}: no checkpoint is left of a run that had come to step {step:,}: "
                    "put them back, or start again with another --out"
                )
            self.reporter.note(f"{self.run.folder}: no step was taken yet, starting from the beginning")
            return False
        saved = checkpoint.latest(folder, self.reporter.note)
        restore(self, saved)
        if self.budget:
            self.budget.spent, self.budget.reserve = saved.state["spent"], saved.state["reserve"]
        self.reporter.note(f"resuming at step {self.clock.step:,} of {self.clock.total:,}")
        return True

    def measure_step(self, seconds: float) -> tuple[float, float]:
        """Seconds and operations of a mean step, measured for about so many seconds; leaves no trace."""
        before = snapshot(self)
        flops = 0.0

        def step() -> None:
            nonlocal flops
            flops = self.take_step(seed_step=0)[1]

        later = mean_cost(self.objective.relative_cost) / self.objective.relative_cost(self.clock.progress)
        measured = probe(step, seconds, self.device.agree)
        self.optimisers.clear()
        restore(self, before)
        return measured * later, flops * later

    def _plan(self) -> None:
        """Without a budget the recipe's own length; with one, as many steps as fit."""
        if self.budget is None:
            return
        seconds, flops = self.measure_step(PROBE_SHARE * self.budget.left)
        start = time.perf_counter()
        self.objective.validate(self.final_model)
        validation = time.perf_counter() - start
        self.budget.reserve += validation * self.objective.closing_validations + self.objective.closing_seconds
        steps = (self.budget.left - validation * self.recipe.validations) / seconds
        self.clock = Clock(self.device.agree(max(1, int(steps))))
        self._forecast(seconds, flops, (self.budget.elapsed + self.budget.left + self.budget.reserve) / 60)

    def _forecast_own_length(self, flops: float) -> None:
        """The forecast of a training of the recipe's own length, from its first steps."""
        later = mean_cost(self.objective.relative_cost) / self.objective.relative_cost(0.0)
        seconds = later * self.cost.step_seconds / FORECAST_AFTER
        self._forecast(seconds, later * flops, self.clock.total * seconds / 60)

    def _forecast(self, seconds: float, flops: float, minutes: float) -> None:
        """Say what the training will cost, and for a known set how good it will be."""
        forecast = Forecast(self.clock.total, seconds, flops, minutes)
        self.reporter.note(f"forecast: {forecast}{self.objective.expectation(forecast.pflop)}")

    def _set_pace(self) -> None:
        if self.budget:
            self.pace = Pace(self.budget, self.clock, self.device.agree, self.objective.relative_cost)

    # ---- steps

    def _train(self) -> None:
        while not self.clock.done:
            begin = time.perf_counter()
            loss, flops = self.take_step(self.clock.step)
            self.cost.add_step(flops, time.perf_counter() - begin, self.batch_samples)
            if not self._sound(loss):
                self._back_off()
                continue
            self._tell(loss)
            self.clock.step += 1
            if self.clock.step == FORECAST_AFTER and self.budget is None:
                self._forecast_own_length(flops)
            self._validate_when_due()
            if self.pace:
                self.pace.keep()
            self._save_when_due()

    def take_step(self, seed_step: int) -> tuple[float, float]:
        """Gradient and update of one step; returns the mean loss and the operations over all processes."""
        torch.manual_seed(self.recipe.seed * 1_000_003 + seed_step * self.device.world + self.device.rank)
        progress = self.clock.progress
        self.objective.starting(progress)
        batch = self.objective.batch(seed_step)
        trained = self.optimisers.freeze(progress) if self.device.world == 1 else 0
        phase = repr((trained, self.objective.phase(batch)))
        if phase in self.phase_flops:
            loss = self._update(batch, progress)
        else:
            loss, flops = count_flops(lambda: self._update(batch, progress))
            self.phase_flops[phase] = flops * float(self.device.world)
        if self.average and math.isfinite(loss):
            self.average.update(self.model, seed_step)
        self.batch_samples = self.objective.samples(batch) * self.device.world
        return loss, self.phase_flops[phase]

    def _update(self, batch: Any, progress: float) -> float:
        """One update of the weights, left out when the loss is not finite; returns the loss."""
        self.model.train()
        with self.device.autocast():
            loss = self.objective.loss(self.stepping, batch, progress)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.recipe.gradient_clip:
            self._clip(self.recipe.gradient_clip)
        mean = self._agreed(loss.detach())
        if math.isfinite(mean):
            self.optimisers.step(rate_factor(self.recipe, progress), progress)
        else:
            self.optimisers.discard_gradients()
        return mean

    def _clip(self, longest: float) -> None:
        """Shorten the gradient if it is longer; most are not, and are left as they are without another pass."""
        norm = nn.utils.get_total_norm([value.grad for value in self.model.parameters() if value.grad is not None])
        if norm > longest:
            nn.utils.clip_grads_with_norm_(self.model.parameters(), longest, norm)

    def _agreed(self, loss: Tensor) -> float:
        """The mean loss over all processes, which also agree on whether to stop."""
        if self.device.world == 1:
            self.stopping = self.stop.made
            return float(loss)
        shared = torch.stack([loss.float(), torch.tensor(float(self.stop.made), device=loss.device)])
        torch.distributed.all_reduce(shared)
        self.stopping = bool(shared[1] > 0)
        return float(shared[0]) / self.device.world

    def _sound(self, loss: float) -> bool:
        """Whether the step can be built on; the last one must leave finite weights, as no later loss would tell."""
        last = self.clock.step + 1 == self.clock.total
        return math.isfinite(loss) and not (last and not self._weights_are_finite())

    def _tell(self, loss: float) -> None:
        """Write down what the step about to be counted found, and show it."""
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
        count = self.recipe.validations
        progress, before = self.clock.progress, self.clock.progress_at(self.clock.step - 1)
        if int(progress * count + 1e-9) == int(before * count + 1e-9):
            return
        begin = time.perf_counter()
        self.figures = self.objective.validate(self.final_model)
        self.cost.seconds += time.perf_counter() - begin
        if self.device.leads:
            self.run.record({"step": self.clock.step, "progress": self.clock.progress, "validation": self.figures})

    # ---- what survives

    def _save_when_due(self) -> None:
        stopping = self.stopping and not self.clock.done
        due = time.monotonic() - self.saved_at >= self.recipe.checkpoint_seconds
        if due or stopping or self.clock.done:
            self._save()
        if stopping:
            raise InterruptedTraining(
                f"stopped at step {self.clock.step:,} of {self.clock.total:,}, all saved in {self.run.folder}: "
                "go on with the same command and --resume"
            )

    def _save(self) -> None:
        if self.device.leads and self._weights_are_finite():
            checkpoint.save(self.run.checkpoints, snapshot(self))
        self.saved_at = time.monotonic()

    def _weights_are_finite(self) -> bool:
        return all(bool(value.isfinite().all()) for value in self.model.parameters())

    def _rewind(self) -> None:
        if self.device.leads:
            self.run.rewind(self.clock.step)

    def _back_off(self) -> None:
        """Back to the last good checkpoint at half the learning rate; after two such restarts, an error."""
        rate, restarts, step, cost = self.optimisers.rate / 2, self.restarts + 1, self.clock.step, self.cost
        if restarts > RESTARTS:
            raise DivergedError(
                f"the loss is not finite at step {step:,}, also at a quarter of the learning rate: "
                "check the data with `trine data check`, or lower the learning rate with --set"
            )
        self.optimisers.clear()
        self.device.wait()
        restore(self, checkpoint.latest(self.run.checkpoints, self.reporter.note, before=step))
        self.device.wait()
        self.optimisers.rate, self.restarts, self.cost = rate, restarts, cost
        self._rewind()
        self._set_pace()
        self.reporter.note(f"the loss is not finite at step {step:,}: back to step {self.clock.step:,}, half the rate")
