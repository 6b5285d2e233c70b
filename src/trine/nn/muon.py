"""Muon: momentum whose update is made orthogonal, for matrices and for convolution filters.

Keller Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024. A filter bank of shape
(out, in, height, width) is flattened to (out, in · height · width). torch's own Muon takes matrices only.
"""

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from trine.nn.optimisers import Moving, Optimiser, nesterov

QUINTIC = (3.4445, -4.7750, 2.0315)  # steepest at zero among quintics that keep singular values near one


def orthogonalise(
    matrices: Float[Tensor, "*many rows columns"], iterations: int = 3
) -> Float[Tensor, "*many rows columns"]:
    """The nearest semi-orthogonal matrix of each, roughly: singular values that are not tiny end near one.

    Newton-Schulz: each iteration multiplies X by a polynomial of its smaller Gram matrix, X Xᵀ or Xᵀ X. The polynomials
    commute, so all but the first and the last product are of Gram matrices.
    """
    flat = matrices.reshape(-1, *matrices.shape[-2:])
    x = flat / (flat.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    tall = x.shape[-2] > x.shape[-1]
    gram = torch.bmm(x.mT, x) if tall else torch.bmm(x, x.mT)
    product = factor = _polynomial(gram)
    for _ in range(iterations - 1):
        gram = torch.bmm(factor, torch.bmm(factor, gram))
        factor = _polynomial(gram)
        product = torch.bmm(factor, product)
    return (torch.bmm(x, product) if tall else torch.bmm(product, x)).view_as(matrices)


def _polynomial(gram: Float[Tensor, "many n n"]) -> Float[Tensor, "many n n"]:
    """What an iteration multiplies by."""
    a, b, c = QUINTIC
    found = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
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
        parameters = [parameter for parameter, _ in moving]
        filters = _rows(parameters, parameters)
        gradients = _rows([gradient for _, gradient in moving], parameters)
        velocities = _rows(self._kept(moving, "momentum"), parameters)
        directions = torch.stack(nesterov(gradients, velocities, self.momentum))
        if self.normalise:
            norms = torch._foreach_norm(filters)
            torch._foreach_mul_(filters, [len(filters[0]) ** 0.5 / max(float(norm), 1e-7) for norm in norms])
        torch._foreach_mul_(filters, 1 - rate * self.weight_decay)
        torch._foreach_add_(filters, list(orthogonalise(directions, self.iterations)), alpha=-rate)


def _rows(values: Sequence[Tensor], parameters: Sequence[Tensor]) -> list[Tensor]:
    """A row a filter, in the order of the parameters in memory: any order of columns gives the same update."""
    last = [value.dim() == 4 and value.is_contiguous(memory_format=torch.channels_last) for value in parameters]
    return [
        (value.permute(0, 2, 3, 1) if channels_last else value).flatten(1)
        for value, channels_last in zip(values, last, strict=True)
    ]
