"""What a task gives the training loop: a model, batches, a loss, parameter groups and validation figures."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trine.progress import Figures
from trine.recipe import Recipe


@dataclass(frozen=True)
class ParameterGroup:
    """Parameters that one optimiser treats alike; its learning rate is scaled by the schedule."""

    optimiser: str
    """A key of `trine.train.optimisers.OPTIMISERS`."""
    parameters: list[nn.Parameter]
    learning_rate: float
    options: dict[str, Any] = field(default_factory=dict)
    until: float = 1.0
    """The share of the training after which this group stays as it is; its rate falls to zero by then."""


class Objective(ABC):
    """One task, as the loop sees it. Subclasses set `model` and `recipe`.

    `batch` must depend on nothing but the step, the recipe's seed and `state`: that is what makes a resumed run exact.
    Random numbers drawn in `loss` are seeded by the loop from the seed and the step.
    """

    unit: ClassVar[str] = "samples"
    """What `samples` counts: pictures, events."""
    headline: ClassVar[str] = "loss"
    """The validation figure shown beside the loss."""

    model: nn.Module
    recipe: Recipe
    prepared_flops: float = 0.0
    """Operations spent beside the steps: features that are computed once, a prior that is fitted afterwards."""
    closing_validations: float = 2.0
    """What follows the last step (evaluation, calibration, pictures) takes as long as so many validations."""
    closing_seconds: float = 0.0
    """And so many seconds more."""

    @abstractmethod
    def steps(self) -> int:
        """Length of the recipe in steps."""

    @abstractmethod
    def batch(self, step: int) -> Any:
        """This process's share of the batch of one step."""

    @abstractmethod
    def samples(self, batch: Any) -> int:
        """How many samples a batch holds."""

    @abstractmethod
    def loss(self, model: nn.Module, batch: Any, progress: float) -> Float[Tensor, ""]:
        """The mean loss of a batch; `progress` runs from 0 to 1 over the training."""

    @abstractmethod
    def parameter_groups(self) -> list[ParameterGroup]:
        """Every trained parameter, each in one group."""

    @abstractmethod
    def validate(self, model: nn.Module) -> Figures:
        """Figures on the validation split; must leave the training's state as it was."""

    def relative_cost(self, progress: float) -> float:
        """What a step costs at this point of the training, beside others of it."""
        return 1.0

    def expectation(self, pflop: float) -> str:
        """What figures so much compute is known to give on this data, to follow the forecast; else nothing."""
        return ""

    def starting(self, progress: float) -> None:
        """Called before each step, for what changes over the training (frozen parts, resolution)."""

    def finishing(self, model: nn.Module) -> None:
        """Called once with the final weights, before they are saved (batch norm statistics, a fitted prior)."""

    def phase(self, batch: Any) -> object:
        """Steps of equal phase cost the same compute; by default the shapes of the batch's tensors."""
        values = batch.values() if isinstance(batch, dict) else batch if isinstance(batch, tuple | list) else [batch]
        return tuple(value.shape for value in values if isinstance(value, torch.Tensor))

    def state(self) -> dict[str, Tensor]:
        """What must survive beside weights and optimiser (a recurrent state carried from batch to batch)."""
        return {}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take back what `state` gave."""
