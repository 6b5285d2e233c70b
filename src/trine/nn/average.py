"""The exponential moving average of a model's weights."""

import copy

import torch
from torch import Tensor, nn

EVERY = 4
"""Steps from one update to the next: weights hardly move in between, and each update passes over all of them twice."""


class WeightAverage:
    """A second copy of the model whose weights trail those being trained; buffers are copied as they are."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.model = copy.deepcopy(model).requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """Move towards the model, every few steps; early steps move further, so that the start is forgotten."""
        if step % EVERY:
            return
        decay = min(self.decay, (1 + step) / (10 + step)) ** EVERY
        averaged: list[Tensor] = [mine for mine in self.model.parameters() if mine.dtype.is_floating_point]
        current: list[Tensor] = [theirs.detach() for theirs in model.parameters() if theirs.dtype.is_floating_point]
        torch._foreach_lerp_(averaged, current, 1 - decay)
        for mine, theirs in zip(self.model.buffers(), model.buffers(), strict=True):
            mine.copy_(theirs)

    def state(self) -> dict[str, Tensor]:
        """The averaged weights."""
        return self.model.state_dict()

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take back what `state` gave."""
        self.model.load_state_dict(state)
