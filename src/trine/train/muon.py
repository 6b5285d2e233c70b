"""Muon: momentum whose update is made orthogonal, for matrices and for convolution filters.

Keller Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024. A filter bank of shape
(out, in, height, width) is flattened to (out, in · height · width). torch's own Muon takes matrices only.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

QUINTIC = (3.4445, -4.7750, 2.0315)  # steepest at zero among quintics that keep singular values near one


def orthogonalise(matrix: Float[Tensor, "rows columns"], iterations: int = 3) -> Float[Tensor, "rows columns"]:
    """The nearest semi-orthogonal matrix, roughly: singular values that are not tiny end near one (Newton-Schulz)."""
    a, b, c = QUINTIC
    x: Tensor = matrix / (matrix.norm() + 1e-7)
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    for _ in range(iterations):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x


class Muon(torch.optim.Optimizer):
    """Nesterov momentum, made orthogonal. `normalise` first scales each filter bank to norm sqrt(out)."""

    def __init__(
        self,
        parameters: Iterable[nn.Parameter] | Iterable[dict[str, Any]],
        lr: float = 0.02,
        momentum: float = 0.6,
        iterations: int = 3,
        normalise: bool = True,
        weight_decay: float = 0.0,
    ) -> None:
        settings = {
            "lr": lr,
            "momentum": momentum,
            "iterations": iterations,
            "normalise": normalise,
            "weight_decay": weight_decay,
        }
        super().__init__(parameters, settings)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient, in the parameters' own precision."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    with torch.autocast(parameter.device.type, enabled=False):
                        self._update(parameter, parameter.grad, group)

    def _update(self, parameter: nn.Parameter, gradient: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum: Tensor = state["momentum"]
        momentum.mul_(group["momentum"]).add_(gradient)
        direction = gradient.add(momentum, alpha=group["momentum"])
        if group["normalise"]:
            parameter.mul_(len(parameter) ** 0.5 / parameter.norm().clamp_min(1e-7))
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        update = orthogonalise(direction.reshape(len(direction), -1), group["iterations"])
        parameter.add_(update.view_as(parameter), alpha=-group["lr"])
