"""Muon: momentum whose update is made orthogonal, for matrices and for convolution filters.

Keller Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024. A filter bank of shape
(out, in, height, width) is flattened to (out, in · height · width). torch's own Muon takes matrices only.
"""

from collections.abc import Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trine.train.descent import Moving, Optimiser, nesterov

QUINTIC = (3.4445, -4.7750, 2.0315)  # steepest at zero among quintics that keep singular values near one


def orthogonalise(
    matrices: Float[Tensor, "*many rows columns"], iterations: int = 3
) -> Float[Tensor, "*many rows columns"]:
    """The nearest semi-orthogonal matrix of each, roughly: singular values that are not tiny end near one.

    Newton-Schulz: each iteration multiplies X by a polynomial of its smaller Gram matrix, X Xᵀ or Xᵀ X. The polynomials
    commute, so all but the first and the last product are of Gram matrices.
    """
    x: Tensor = matrices / (matrices.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    tall = x.shape[-2] > x.shape[-1]
    gram = x.mT @ x if tall else x @ x.mT
    product = factor = _polynomial(gram)
    for _ in range(iterations - 1):
        gram = factor @ (factor @ gram)
        factor = _polynomial(gram)
        product = factor @ product
    return x @ product if tall else product @ x


def _polynomial(gram: Float[Tensor, "*many n n"]) -> Float[Tensor, "*many n n"]:
    """What an iteration multiplies by."""
    a, b, c = QUINTIC
    found = torch.add(b * gram, gram @ gram, alpha=c)
    found.diagonal(dim1=-2, dim2=-1).add_(a)
    return found


class Muon(Optimiser):
    """Nesterov momentum, made orthogonal. `normalise` first scales each filter bank to norm sqrt(out).

    Updates are computed in the parameters' own precision.
    """

    def __init__(
        self,
        parameters: Iterable[nn.Parameter],
        momentum: float = 0.6,
        iterations: int = 3,
        normalise: bool = True,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(parameters)
        self.momentum, self.weight_decay = momentum, weight_decay
        self.iterations, self.normalise = iterations, normalise

    def _update(self, moving: Moving, rate: float) -> None:
        alike: dict[tuple[int, ...], Moving] = {}
        for parameter, gradient in moving:
            alike.setdefault(tuple(parameter.flatten(1).shape), []).append((parameter, gradient))
        for group in alike.values():
            with torch.autocast(group[0][0].device.type, enabled=False):
                self._update_alike(group, rate)

    def _update_alike(self, moving: Moving, rate: float) -> None:
        """Parameters of one flattened shape: their directions are made orthogonal together."""
        directions = torch.stack(
            [nesterov(gradient, self._kept(value, "momentum"), self.momentum).flatten(1) for value, gradient in moving]
        )
        for (parameter, _), update in zip(moving, orthogonalise(directions, self.iterations), strict=True):
            if self.normalise:
                parameter.mul_(len(parameter) ** 0.5 / parameter.norm().clamp_min(1e-7))
            parameter.mul_(1 - rate * self.weight_decay)
            parameter.add_(update.view_as(parameter), alpha=-rate)
