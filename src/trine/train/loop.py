"""The one training loop.

- A step depends on the weights, the optimisers' state, the clock and (seed, step) only, so a run that was killed and
  resumed ends with the same weights, bit for bit.
- A non-finite loss takes the run back to its last good checkpoint at half the learning rate, twice.
- SIGINT and SIGTERM save before they stop.
"""

import contextlib
import math
import signal
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from types import FrameType
from typing import Any

import torch
import torch.distributed
from torch import Tensor, nn

from trine.errors import CheckpointError, DivergedError, InterruptedTraining
from trine.train import checkpoint
from trine.train.average import WeightAverage
from trine.train.budget import PROBE_SHARE, Budget, Forecast, Pace, probe
from trine.train.checkpoint import Checkpoint
from trine.train.clock import Clock
from trine.train.compute import count_flops
from trine.train.device import Device
from trine.train.objective import Figures, Objective
from trine.train.optimisers import Optimisers
from trine.train.progress import Reporter, Silent
from trine.train.run import Run
from trine.train.schedules import rate_factor

RESTARTS = 2
"""How often a non-finite loss is answered with half the learning rate before it is an error."""


@dataclass
class Cost:
    """What the training has cost so far, over all its processes and resumes."""

    flops: float = 0.0
    seconds: float = 0.0
    """Time in training steps and validations."""
    step_seconds: float = 0.0
    """Time in training steps alone, batches included."""
    samples: int = 0

    @property
    def gflops(self) -> float:
        """The rate held through the steps, in GFLOP/s."""
        return self.flops / self.step_seconds / 1e9 if self.step_seconds else 0.0


@dataclass
class Training:
    """One training of an objective in a run's folder."""

    objective: Objective
    run: Run
    device: Device
    reporter: Reporter = field(default_factory=Silent)
    budget: Budget | None = None

    def __post_init__(self) -> None:
        self.model = self.objective.model.to(self.device.name)
        self.average = WeightAverage(self.model, self.recipe.ema_decay) if self.recipe.ema_decay else None
        self.optimisers = Optimisers(self.objective.parameter_groups())
        self.clock = Clock(self.objective.steps())
        self.cost = Cost()
        self.restarts = 0
        self.figures: Figures = {}
        self.phase_flops: dict[object, float] = {}
        self.saved_at = time.monotonic()
        self.stop_signal: signal.Signals | None = None

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
        with self._catching_signals():
            self.stepping = self.device.wrap(self.model)
            self._begin(resume)
            try:
                self._train()
                self.objective.finishing(self.final_model)
            finally:
                self.reporter.close()
        return self.final_model

    # ---- before the first step

    def _begin(self, resume: bool) -> None:
        if resume and checkpoint.steps(self.run.checkpoints):
            saved = checkpoint.latest(self.run.checkpoints, self.reporter.note)
            self._restore(saved)
            if self.budget:
                self.budget.spent = saved.state["spent"]
            self.reporter.note(f"resuming at step {self.clock.step:,} of {self.clock.total:,}")
            if self.device.leads:
                self.run.rewind(self.clock.step)
        else:
            self._plan()
            self._save()

    def _plan(self) -> None:
        """Without a budget the recipe's own length; with one, as many steps as fit."""
        if self.budget is None:
            return
        step_seconds, flops = self._probe(self.budget)
        self.clock = Clock(max(1, int(self.budget.left / step_seconds)))
        minutes = (self.budget.elapsed + self.clock.total * step_seconds + self.budget.reserve) / 60
        self.reporter.note(f"forecast: {Forecast(self.clock.total, step_seconds, flops, minutes)}")

    def _probe(self, budget: Budget) -> tuple[float, float]:
        """Seconds of a step with its share of the validations, and its operations; leaves no trace in the weights."""
        before = self._snapshot()
        flops = 0.0

        def step() -> None:
            nonlocal flops
            flops = self.take_step(seed_step=0)[1]

        seconds = probe(step, PROBE_SHARE * budget.left)
        start = time.perf_counter()
        self.objective.validate(self.final_model)
        validation = time.perf_counter() - start
        self.optimisers.clear()
        self._restore(before)
        budget.reserve += validation * self.objective.closing_validations
        steps = max(1.0, (budget.left - validation * self.recipe.validations) / seconds)
        return seconds + validation * self.recipe.validations / steps, flops

    # ---- steps

    def _train(self) -> None:
        pace = Pace(self.budget, self.clock) if self.budget else None
        while not self.clock.done:
            begin = time.perf_counter()
            loss, flops = self.take_step(self.clock.step)
            if not math.isfinite(loss):
                self._back_off()
                continue
            self._account(loss, flops, time.perf_counter() - begin)
            self.clock.step += 1
            self._validate_when_due()
            if pace:
                pace.keep()
            self._save_when_due()

    def take_step(self, seed_step: int) -> tuple[float, float]:
        """Gradient and update of one step; returns the mean loss and the operations over all processes."""
        torch.manual_seed(self.recipe.seed * 1_000_003 + seed_step * self.device.world + self.device.rank)
        progress = self.clock.progress
        self.objective.starting(progress)
        batch = self.objective.batch(seed_step)
        phase = self.objective.phase(batch)

        def work() -> Tensor:
            self.model.train()
            with self.device.autocast():
                loss = self.objective.loss(self.stepping, batch, progress)
            loss.backward()  # type: ignore[no-untyped-call]
            if self.recipe.gradient_clip:
                nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.gradient_clip)
            self.last_loss = self._agreed(loss.detach())
            if math.isfinite(self.last_loss):
                self.optimisers.step(rate_factor(self.recipe, progress), progress)
            return loss

        if phase in self.phase_flops:
            work()
        else:
            self.phase_flops[phase] = count_flops(work)[1] * float(self.device.world)
        if self.average and math.isfinite(self.last_loss):
            self.average.update(self.model, seed_step)
        self.batch_samples = self.objective.samples(batch) * self.device.world
        return self.last_loss, self.phase_flops[phase]

    def _agreed(self, loss: Tensor) -> float:
        """The mean loss over all processes, which also agree on whether to stop."""
        if self.device.world == 1:
            return float(loss)
        shared = torch.stack([loss.float(), torch.tensor(float(self.stop_signal is not None), device=loss.device)])
        torch.distributed.all_reduce(shared)
        if shared[1] > 0 and self.stop_signal is None:
            self.stop_signal = signal.SIGTERM
        return float(shared[0]) / self.device.world

    def _account(self, loss: float, flops: float, seconds: float) -> None:
        self.cost.flops += flops
        self.cost.seconds += seconds
        self.cost.step_seconds += seconds
        self.cost.samples += self.batch_samples
        self.last_loss = loss
        step = self.clock.step + 1
        if self.device.leads:
            self.run.record({"step": step, "progress": self.clock.progress, "loss": loss, "seconds": self.cost.seconds})
            self.reporter.advance(step, self.clock.total, self._shown(loss))

    def _shown(self, loss: float) -> Figures:
        done = self.clock.step + 1
        left = (self.clock.total - done) * self.cost.seconds / done
        shown = {"loss": loss}
        if self.objective.headline in self.figures:
            shown[self.objective.headline] = self.figures[self.objective.headline]
        rate = self.cost.samples / self.cost.step_seconds
        return {**shown, f"{self.objective.unit}/s": rate, "GFLOP/s": self.cost.gflops, "left": left}

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
        stopping = self.stop_signal is not None and not self.clock.done
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
            checkpoint.save(self.run.checkpoints, self._snapshot())
        self.saved_at = time.monotonic()
        self.device.wait()

    def _weights_are_finite(self) -> bool:
        return all(bool(value.isfinite().all()) for value in self.model.parameters())

    def _snapshot(self) -> Checkpoint:
        parts = {
            "model": self.model.state_dict(),
            "average": self.average.state() if self.average else {},
            "optimiser": self.optimisers.state(),
            "objective": self.objective.state(),
        }
        state = {
            "clock": asdict(self.clock),
            "cost": asdict(self.cost),
            "rate": self.optimisers.rate,
            "restarts": self.restarts,
            "figures": self.figures,
            "spent": self.budget.elapsed if self.budget else 0.0,
        }
        tensors = {f"{part}.{name}": value.clone() for part, values in parts.items() for name, value in values.items()}
        return Checkpoint(self.clock.step, tensors, state)

    def _restore(self, saved: Checkpoint) -> None:
        try:
            self.model.load_state_dict(saved.part("model"))
            if self.average:
                self.average.load_state(saved.part("average"))
        except RuntimeError as problem:
            raise CheckpointError(
                f"{self.run.checkpoints}: of another network ({problem}): choose another --out"
            ) from None
        self.optimisers.load_state(saved.part("optimiser"))
        self.objective.load_state(saved.part("objective"))
        self.clock.__dict__.update(saved.state["clock"])
        self.cost = Cost(**saved.state["cost"])
        self.optimisers.rate, self.restarts = saved.state["rate"], saved.state["restarts"]
        self.figures = saved.state["figures"]

    def _back_off(self) -> None:
        """Back to the last good checkpoint at half the learning rate; after two such restarts, an error."""
        rate, restarts, step = self.optimisers.rate / 2, self.restarts + 1, self.clock.step
        if restarts > RESTARTS:
            raise DivergedError(
                f"the loss is not finite at step {step:,}, also at a quarter of the learning rate: "
                "check the data with `trine data check`, or lower the learning rate with --set"
            )
        self.optimisers.clear()
        self._restore(checkpoint.latest(self.run.checkpoints, self.reporter.note))
        self.optimisers.rate, self.restarts = rate, restarts
        if self.device.leads:
            self.run.rewind(self.clock.step)
        self.reporter.note(f"the loss is not finite at step {step:,}: back to step {self.clock.step:,}, half the rate")

    @contextlib.contextmanager
    def _catching_signals(self) -> Iterator[None]:
        def remember(number: int, _: FrameType | None) -> None:
            self.stop_signal = signal.Signals(number)

        try:
            before = {number: signal.signal(number, remember) for number in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # not the main thread: signals are its business
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
