"""How parameters move along their gradients: SGD with Nesterov's momentum, and AdamW.

Each does what torch's optimiser of that name does. torch's import its compiler when the first one is made, used or not,
and that takes a third of the time from a command's start to its first step.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable

import torch
from torch import Tensor, nn

Moving = list[tuple[nn.Parameter, Tensor]]
"""Parameters and their gradients."""


class Optimiser(ABC):
    """Moves parameters that have a gradient; `state` is what it remembers of each of them."""

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self.parameters = list(parameters)
        self.state: dict[nn.Parameter, dict[str, Tensor]] = {}

    @torch.no_grad()
    def step(self, rate: float) -> None:
        """One update at this learning rate."""
        self._update([(value, value.grad) for value in self.parameters if value.grad is not None], rate)

    def clear_gradients(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @abstractmethod
    def _update(self, moving: Moving, rate: float) -> None:
        """Move these parameters."""

    def _kept(self, parameter: nn.Parameter, kind: str) -> Tensor:
        """A tensor of the parameter's shape that is remembered; zeros at first."""
        state = self.state.setdefault(parameter, {})
        if kind not in state:
            state[kind] = torch.zeros_like(parameter)
        return state[kind]


class SGD(Optimiser):
    """Gradient descent with Nesterov's momentum; `weight_decay` times the weight is added to its gradient."""

    def __init__(self, parameters: Iterable[nn.Parameter], momentum: float = 0.0, weight_decay: float = 0.0) -> None:
        super().__init__(parameters)
        self.momentum, self.weight_decay = momentum, weight_decay

    def _update(self, moving: Moving, rate: float) -> None:
        for parameter, gradient in moving:
            decayed = gradient.add(parameter, alpha=self.weight_decay)
            velocity = self._kept(parameter, "momentum_buffer")
            parameter.add_(nesterov(decayed, velocity, self.momentum), alpha=-rate)


class AdamW(Optimiser):
    """Adam with decoupled weight decay (Loshchilov and Hutter, "Decoupled weight decay regularization", 2019)."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters)
        self.betas, self.epsilon, self.weight_decay = betas, epsilon, weight_decay

    def _update(self, moving: Moving, rate: float) -> None:
        slow, slower = self.betas
        for parameter, gradient in moving:
            mean = self._kept(parameter, "exp_avg").lerp_(gradient, 1 - slow)
            square = self._kept(parameter, "exp_avg_sq").mul_(slower).addcmul_(gradient, gradient, value=1 - slower)
            count = int(self.state[parameter].setdefault("step", torch.tensor(0.0)).add_(1))
            unbiased = (1 - slower**count) ** 0.5
            parameter.mul_(1 - rate * self.weight_decay)
            spread = square.sqrt().add_(self.epsilon * unbiased)
            parameter.addcdiv_(mean, spread, value=-rate * unbiased / (1 - slow**count))


def nesterov(gradient: Tensor, velocity: Tensor, momentum: float) -> Tensor:
    """The direction of Nesterov's momentum; `velocity` takes the gradient in."""
    velocity.mul_(momentum).add_(gradient)
    return gradient.add(velocity, alpha=momentum)
