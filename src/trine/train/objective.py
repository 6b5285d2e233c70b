"""What a task gives the training loop: a network, batches, a loss, parameter groups and validation figures."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trine.progress import Figures
from trine.recipe import Recipe
from trine.train.budget import Budget


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that share an optimiser and a learning rate."""

    optimiser: str
    """Key of `trine.train.parameter_groups.OPTIMISERS`."""
    parameters: list[nn.Parameter]
    learning_rate: float
    """Peak rate; the schedule scales it."""
    options: dict[str, Any] = field(default_factory=dict)
    """Further arguments of the optimiser."""
    until: float = 1.0
    """Progress after which the group is frozen; its rate falls linearly to zero by then."""


class Objective(ABC):
    """One training task as the loop sees it. Subclasses set `network` and `recipe`.

    A resumed run is exact only if `batch` depends on the step, the recipe's seed and `state`, and on nothing else.
    Random numbers in `batch` and `loss` come from torch's global generator, which is seeded from (seed, step).
    """

    unit: ClassVar[str] = "samples"
    """What `samples` counts: pictures, events."""
    headline: ClassVar[str] = "loss"
    """Validation figure that is shown with the loss."""

    network: nn.Module
    recipe: Recipe
    prepared_flops: float = 0.0
    """Operations before the first step, such as features that are computed once."""
    closing_validations: float = 2.0
    """Duration of measuring after the last step (calibration, evaluation), in validations."""
    validation_samples: float = 0.0
    """Number of samples of a whole validation."""
    patience: ClassVar[int] = 0
    """Validations one after another, all worse than the best one by more than their noise, that end a training; 0: none
    do, because the validations of the schedule's middle say little about its end."""

    @abstractmethod
    def steps(self) -> int:
        """Length of the recipe in steps; 0 where there is nothing to train."""

    @abstractmethod
    def batch(self, step: int) -> Any:
        """This process's share of the batch of one step."""

    @abstractmethod
    def samples(self, batch: Any) -> int:
        """Number of samples in a batch."""

    @abstractmethod
    def loss(self, network: nn.Module, batch: Any, progress: float) -> Float[Tensor, ""]:
        """Mean loss of a batch; `progress` goes from 0 to 1 over the training."""

    @abstractmethod
    def parameter_groups(self) -> list[ParameterGroup]:
        """All trained parameters, each in exactly one group."""

    @abstractmethod
    def validate(self, network: nn.Module) -> Figures:
        """Figures on the validation split. Changes nothing in the training."""

    def prepare(self, budget: Budget | None, done: int | None = None) -> int:
        """Compute what the training needs before its first step; returns how much, for a checkpoint.

        budget   decides how much, if there is one
        done     what `prepare` returned in the run that is resumed: as much again, whatever the time
        """
        return 0

    def preparation(self) -> str:
        """A line about what was prepared. May be empty."""
        return ""

    @property
    def fewest_steps(self) -> int:
        """Steps that are taken however little time there is: of a training whose steps cost nearly nothing."""
        return 1

    @property
    def most_steps(self) -> int:
        """Steps after which nothing is left to gain: a budget for more is not used up."""
        return 2**40

    @property
    def few_steps(self) -> int:
        """Steps below which a budget gets a warning, if the recipe has as many."""
        return 0

    def closing_seconds(self, validation_seconds: float) -> float:
        """Duration of measuring after the last step, if that of a whole validation is known."""
        return validation_seconds * self.closing_validations

    def closing_seconds_now(self, validation_seconds: float) -> float:
        """The same, right before it, and measured if the pace may have changed since the last validation."""
        return self.closing_seconds(validation_seconds)

    def look_at(self, share: float) -> float:
        """Validate on about this share of the held-out samples from now on; returns the share that it is."""
        return 1.0

    def score(self, figures: Figures) -> float:
        """What validations are compared by; lower is better."""
        return figures.get("loss", 0.0)

    def noise(self, figures: Figures) -> float:
        """Difference of two scores that says nothing."""
        return 0.002 * abs(self.score(figures))

    def exploded(self, figures: Figures) -> bool:
        """Whether these figures show a divergence."""
        return not math.isfinite(figures.get("loss", 0.0))

    def relative_cost(self, progress: float) -> float:
        """Cost of a step at this progress, relative to the training's other steps."""
        return 1.0

    def expectation(self, pflop: float) -> str:
        """Clause for the forecast: the figures that this compute is known to give on this data. May be empty."""
        return ""

    def starting(self, progress: float) -> None:
        """Called before each step, for what changes over the training (crops, resolution)."""

    def validated(self, network: nn.Module, step: int) -> None:
        """Called after the scheduled validation at a step, for what is kept of the training's course."""

    def gather(self) -> None:
        """Called in all processes before a checkpoint: take in what each of them has recorded by itself.

        The first process writes the checkpoint, and all of them continue from it.
        """

    def finishing(self, network: nn.Module) -> None:
        """Called once with the final weights (batch-norm statistics)."""

    def phase(self, batch: Any) -> object:
        """Key of steps that cost the same compute; by default the shapes of the batch's tensors."""
        values = batch.values() if isinstance(batch, dict) else batch if isinstance(batch, tuple | list) else [batch]
        return tuple(value.shape for value in values if isinstance(value, torch.Tensor))

    def state(self) -> dict[str, Tensor]:
        """State, other than weights and optimiser, that a checkpoint must hold, such as a recurrent state."""
        return {}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
