"""One training step, and all the state it depends on: measurable without a run folder."""

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple

import torch
import torch.distributed
from torch import Tensor, nn

from trine.bundle import joined
from trine.device import Device
from trine.errors import CheckpointError
from trine.machine import keep_freed_blocks
from trine.nn.average import WeightAverage
from trine.nn.operations import count_flops
from trine.recipe import Recipe
from trine.train.budget import mean_cost, probe
from trine.train.checkpoint import Checkpoint
from trine.train.objective import Objective
from trine.train.parameter_groups import GroupedOptimisers
from trine.train.schedules import Clock, rate_factor

PROBE_SECONDS = 0.5
"""Time for measuring the duration of a step of a further training."""


class Asked(NamedTuple):
    """What a process asks of the training, or any process of several."""

    stop: bool = False
    """To end now: a signal came."""
    save: bool = False
    """A checkpoint: it is time for one."""


@dataclass(frozen=True)
class StepResult:
    """What one step did, over all processes."""

    loss: float
    """Mean loss; not finite when no update was made."""
    flops: float
    samples: int
    asked: Asked


@dataclass(frozen=True)
class StepCost:
    """Mean cost of a step over the training that is ahead."""

    seconds: float
    flops: float


class Stepper:
    """Network, average, optimisers and clock of a training.

    A step depends on these, on the objective's state and on (seed, step), and on nothing else.
    """

    def __init__(self, objective: Objective, device: Device) -> None:
        keep_freed_blocks()
        self.objective, self.device = objective, device
        self.network = objective.network.to(device.name)
        self.stepping = device.wrap(self.network)
        decay = self.recipe.ema_decay
        self.average = WeightAverage(self.network, decay) if decay else None
        self.optimisers = GroupedOptimisers(objective.parameter_groups())
        self.clock = Clock(objective.steps())
        self.phase_flops: dict[str, float] = {}
        """Operations of a step of each phase, over all processes."""

    @property
    def recipe(self) -> Recipe:
        """The settings that a step reads."""
        return self.objective.recipe

    @property
    def final_network(self) -> nn.Module:
        """The network that the training returns: the averaged one if there is an average."""
        return self.average.model if self.average else self.network

    def take(self, seed_step: int, asked: Callable[[], Asked] = Asked) -> StepResult:
        """Gradient and update of one step. The clock stays: only its caller knows whether the step counts.

        asked   tells after the gradient what this process asks; all processes learn what any of them asks
        """
        torch.manual_seed(self.recipe.seed * 1_000_003 + seed_step * self.device.world + self.device.rank)
        progress = self.clock.progress
        self.objective.starting(progress)
        batch = self.objective.batch(seed_step)
        trained = self.optimisers.freeze(progress) if self.device.world == 1 else 0
        phase = repr((trained, self.objective.phase(batch)))
        if phase in self.phase_flops:
            loss, found = self._update(batch, progress, asked)
        else:
            (loss, found), flops = count_flops(lambda: self._update(batch, progress, asked))
            self.phase_flops[phase] = flops * float(self.device.world)
        if self.average and math.isfinite(loss):
            self.average.update(self.network, seed_step)
        return StepResult(loss, self.phase_flops[phase], self.objective.samples(batch) * self.device.world, found)

    def measure(self, seconds: float) -> StepCost:
        """Cost of a mean step, measured for about `seconds`; the training's state is as before afterwards."""
        before = self.snapshot()
        flops = 0.0

        def step() -> None:
            nonlocal flops
            flops = self.take(seed_step=0).flops

        later = mean_cost(self.objective.relative_cost) / self.objective.relative_cost(self.clock.progress)
        measured = probe(step, seconds, self.device.agree)
        self.optimisers.clear()
        self.restore(before)
        return StepCost(measured * later, flops * later)

    def weights_are_finite(self) -> bool:
        """Whether every weight is a finite number."""
        return all(bool(value.isfinite().all()) for value in self.network.parameters())

    def snapshot(self, **further: Any) -> Checkpoint:
        """A copy of everything that the next steps depend on; `further` values are kept with it as JSON."""
        parts = {
            "model": self.network.state_dict(),
            "average": self.average.state() if self.average else {},
            "optimiser": self.optimisers.state(),
            "objective": self.objective.state(),
        }
        tensors = {name: value.clone() for name, value in joined(parts).items()}
        state = {"clock": asdict(self.clock), "rate": self.optimisers.rate, "phase_flops": dict(self.phase_flops)}
        return Checkpoint(self.clock.step, tensors, state | further)

    def restore(self, saved: Checkpoint) -> None:
        """Return to a checkpoint. Raises `CheckpointError` when its network has another shape."""
        try:
            self.network.load_state_dict(saved.part("model"))
            if self.average:
                self.average.load_state(saved.part("average"))
        except RuntimeError as problem:
            reason = " ".join(str(problem).split())
            raise CheckpointError(f"the checkpoint is of another network ({reason}): choose another --out") from None
        self.optimisers.load_state(saved.part("optimiser"))
        self.objective.load_state(saved.part("objective"))
        self.clock.__dict__.update(saved.state["clock"])
        self.optimisers.rate = saved.state["rate"]
        self.phase_flops = {**self.phase_flops, **saved.state["phase_flops"]}

    def _update(self, batch: Any, progress: float, asked: Callable[[], Asked]) -> tuple[float, Asked]:
        """Update the weights unless the loss is not finite; returns the loss, and what is asked."""
        self.network.train()
        with self.device.autocast():
            loss = self.objective.loss(self.stepping, batch, progress)
        loss.backward()  # type: ignore[no-untyped-call]
        if self.recipe.gradient_clip:
            self._clip(self.recipe.gradient_clip)
        mean, found = self._agreed(loss.detach(), asked())
        if math.isfinite(mean):
            self.optimisers.step(rate_factor(self.recipe, progress), progress)
        else:
            self.optimisers.discard_gradients()
        return mean, found

    def _clip(self, longest: float) -> None:
        """Limit the gradient's norm; a shorter gradient is left as it is, which saves a pass over the weights."""
        norm = nn.utils.get_total_norm([value.grad for value in self.network.parameters() if value.grad is not None])
        if norm > longest:
            nn.utils.clip_grads_with_norm_(self.network.parameters(), longest, norm)

    def _agreed(self, loss: Tensor, asked: Asked) -> tuple[float, Asked]:
        """Mean loss over all processes, and what any of them asks."""
        if self.device.world == 1:
            return float(loss), asked
        shared = torch.cat([loss.float()[None], torch.tensor(asked, dtype=torch.float32, device=loss.device)])
        torch.distributed.all_reduce(shared)
        total, *asking = shared.tolist()
        return total / self.device.world, Asked(*(count > 0 for count in asking))


def stage_device(device: Device) -> Device:
    """The device of a further training: that of the first, in this process alone and in single precision."""
    return replace(device.alone, bfloat16=False)


def stage_seconds(objective: Objective, device: Device) -> float:
    """Duration of a further training, in seconds, estimated from a few steps, which change its network."""
    return Stepper(objective, stage_device(device)).measure(PROBE_SECONDS).seconds * objective.steps()
