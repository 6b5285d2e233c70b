"""The exponential moving average of a model's weights."""

import copy

import torch
from torch import Tensor, nn

EVERY = 4
"""Training steps per update of the average: weights change little in 4 steps, and each update reads and writes all of
them."""


class WeightAverage:
    """A second copy of a model. Its weights are the moving average of the trained weights; its buffers are copies."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move the average towards the model; does nothing in steps that are no multiple of `EVERY`.

        The decay is smaller in early steps, so that the average forgets the initial weights.
        """
        if step % EVERY:
            return
        decay = min(self.decay, (1 + step) / (10 + step)) ** EVERY
        averaged: list[Tensor] = [weight for weight in self.model.parameters() if weight.dtype.is_floating_point]
        trained: list[Tensor] = [weight.detach() for weight in model.parameters() if weight.dtype.is_floating_point]
        torch._foreach_lerp_(averaged, trained, 1 - decay)
        for copied, buffer in zip(self.model.buffers(), model.buffers(), strict=True):
            copied.copy_(buffer)

    def state(self) -> dict[str, Tensor]:
        """The averaged weights and the buffers."""
        return self.model.state_dict()

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` returned."""
        self.model.load_state_dict(state)
