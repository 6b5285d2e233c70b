"""How parameters move along their gradients: SGD with Nesterov's momentum, and AdamW.

Each does what torch's optimiser of that name does, AdamW by the same kernel. torch's classes import its compiler when
the first one is made, used or not, and that takes a third of the time from a command's start to its first step.
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
        moving = [(value, value.grad) for value in self.parameters if value.grad is not None]
        if moving:
            self._update(moving, rate)

    def clear_gradients(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @abstractmethod
    def _update(self, moving: Moving, rate: float) -> None:
        """Move these parameters."""

    def _kept(self, moving: Moving, kind: str) -> list[Tensor]:
        """What is remembered of each parameter, in its shape; zeros at first."""
        states = [self.state.setdefault(parameter, {}) for parameter, _ in moving]
        for state, (parameter, _) in zip(states, moving, strict=True):
            if kind not in state:
                state[kind] = torch.zeros_like(parameter)
        return [state[kind] for state in states]


class SGD(Optimiser):
    """Gradient descent with Nesterov's momentum; `weight_decay` times the weight is added to its gradient."""

    def __init__(self, parameters: Iterable[nn.Parameter], momentum: float = 0.0, weight_decay: float = 0.0) -> None:
        super().__init__(parameters)
        self.momentum, self.weight_decay = momentum, weight_decay

    def _update(self, moving: Moving, rate: float) -> None:
        parameters, gradients = map(list, zip(*moving, strict=True))
        decayed = torch._foreach_add(gradients, parameters, alpha=self.weight_decay)
        directions = nesterov(list(decayed), self._kept(moving, "momentum_buffer"), self.momentum)
        torch._foreach_add_(parameters, directions, alpha=-rate)


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
        parameters: list[Tensor] = [parameter for parameter, _ in moving]
        # the kernel takes it for granted that gradients lie in memory as their parameters do
        gradients = [g if g.stride() == p.stride() else laid_out_as(p, g) for p, g in moving]
        means, squares = self._kept(moving, "exp_avg"), self._kept(moving, "exp_avg_sq")
        counts = [self.state[value].setdefault("step", value.new_zeros(())).add_(1) for value, _ in moving]
        torch._fused_adamw_(
            parameters,
            gradients,
            means,
            squares,
            [],
            counts,
            lr=rate,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=self.weight_decay,
            eps=self.epsilon,
            amsgrad=False,
            maximize=False,
        )


def nesterov(gradients: list[Tensor], velocities: list[Tensor], momentum: float) -> list[Tensor]:
    """The directions of Nesterov's momentum; the velocities take the gradients in."""
    torch._foreach_mul_(velocities, momentum)
    torch._foreach_add_(velocities, gradients)
    return list(torch._foreach_add(gradients, velocities, alpha=momentum))


def laid_out_as(parameter: Tensor, value: Tensor) -> Tensor:
    """A copy of the value on the parameter's device and in its memory format."""
    return torch.empty_like(parameter).copy_(value)
