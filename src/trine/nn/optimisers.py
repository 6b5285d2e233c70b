"""Optimisers: SGD with Nesterov's momentum, and AdamW.

Each computes the same updates as torch's optimiser of that name, AdamW with the same kernel. torch's classes import
torch's compiler when the first optimiser is made, even if nothing is compiled. That import takes a third of the time
from a command's start to its first training step.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from typing_extensions import override

ParametersAndGradients = list[tuple[nn.Parameter, Tensor]]
"""Parameters, each with its gradient."""


class Optimiser(ABC):
    """Updates the parameters that have a gradient.

    `state` holds the buffers of each parameter by name: momentum, moments, number of steps.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self.parameters = list(parameters)
        self.state: dict[nn.Parameter, dict[str, Tensor]] = {}

    @torch.no_grad()
    def step(self, learning_rate: float) -> None:
        """One update of all parameters that have a gradient."""
        pairs = [(value, value.grad) for value in self.parameters if value.grad is not None]
        if pairs:
            self._update(pairs, learning_rate)

    def clear_gradients(self) -> None:
        """Remove all gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @abstractmethod
    def _update(self, pairs: ParametersAndGradients, learning_rate: float) -> None:
        """Update these parameters."""

    def _buffers(self, pairs: ParametersAndGradients, name: str) -> list[Tensor]:
        """The buffer of this name for each parameter, in the parameter's shape; new ones are zero."""
        states = [self.state.setdefault(parameter, {}) for parameter, _ in pairs]
        for state, (parameter, _) in zip(states, pairs, strict=True):
            if name not in state:
                state[name] = torch.zeros_like(parameter)
        return [state[name] for state in states]


class SGD(Optimiser):
    """Gradient descent with Nesterov's momentum; `weight_decay` times the weight is added to its gradient."""

    def __init__(self, parameters: Iterable[nn.Parameter], momentum: float = 0.0, weight_decay: float = 0.0) -> None:
        super().__init__(parameters)
        self.momentum, self.weight_decay = momentum, weight_decay

    @override
    def _update(self, pairs: ParametersAndGradients, learning_rate: float) -> None:
        parameters, gradients = map(list, zip(*pairs, strict=True))
        decayed = torch._foreach_add(gradients, parameters, alpha=self.weight_decay)
        directions = nesterov(list(decayed), self._buffers(pairs, "momentum_buffer"), self.momentum)
        torch._foreach_add_(parameters, directions, alpha=-learning_rate)


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

    @override
    def _update(self, pairs: ParametersAndGradients, learning_rate: float) -> None:
        parameters: list[Tensor] = [parameter for parameter, _ in pairs]
        # the kernel does not check that gradients have the memory format of their parameters
        gradients = [g if g.stride() == p.stride() else laid_out_as(p, g) for p, g in pairs]
        means, squares = self._buffers(pairs, "exp_avg"), self._buffers(pairs, "exp_avg_sq")
        counts = [self.state[value].setdefault("step", value.new_zeros(())).add_(1) for value, _ in pairs]
        torch._fused_adamw_(
            parameters,
            gradients,
            means,
            squares,
            [],
            counts,
            lr=learning_rate,
            beta1=self.betas[0],
            beta2=self.betas[1],
            weight_decay=self.weight_decay,
            eps=self.epsilon,
            amsgrad=False,
            maximize=False,
        )


def nesterov(gradients: list[Tensor], velocities: list[Tensor], momentum: float) -> list[Tensor]:
    """The update directions of Nesterov's momentum. Adds the gradients to the decayed velocities, in place."""
    torch._foreach_mul_(velocities, momentum)
    torch._foreach_add_(velocities, gradients)
    return list(torch._foreach_add(gradients, velocities, alpha=momentum))


def laid_out_as(parameter: Tensor, value: Tensor) -> Tensor:
    """A copy of the value on the parameter's device and in the parameter's memory format."""
    return torch.empty_like(parameter).copy_(value)
