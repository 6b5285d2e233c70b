"""Muon: momentum whose updates are made orthogonal, for matrices and for convolution filters.

Keller Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024. A filter bank of shape
(out, in, height, width) is flattened to (out, in · height · width). torch's own Muon takes matrices only.
"""

from collections.abc import Iterable, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from trine.nn.optimisers import Optimiser, ParametersAndGradients, nesterov

QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of x, x³ and x⁵ in the Newton-Schulz polynomial: the steepest at zero of the quintics that keep singular
values near 1."""


def orthogonalise(
    matrices: Float[Tensor, "*batch rows columns"], iterations: int = 3
) -> Float[Tensor, "*batch rows columns"]:
    """Approximately the nearest semi-orthogonal matrix of each: singular values that are not tiny end near 1.

    Newton-Schulz: each iteration multiplies X by a polynomial of its smaller Gram matrix, X Xᵀ or Xᵀ X. The polynomials
    commute, so all products but the first and the last are of Gram matrices.
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


def _polynomial(gram: Float[Tensor, "batch n n"]) -> Float[Tensor, "batch n n"]:
    """The factor that one iteration multiplies by: a I + b G + c G²."""
    a, b, c = QUINTIC
    factor = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
    factor.diagonal(dim1=-2, dim2=-1).add_(a)
    return factor


class Muon(Optimiser):
    """Nesterov's momentum, made orthogonal. Updates are computed in the precision of the parameters.

    normalise   scale each filter bank to norm √(number of filters) before each update
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

    @override
    def _update(self, pairs: ParametersAndGradients, learning_rate: float) -> None:
        groups: dict[tuple[int, ...], ParametersAndGradients] = {}
        for parameter, gradient in pairs:
            groups.setdefault(tuple(parameter.flatten(1).shape), []).append((parameter, gradient))
        for group in groups.values():
            with torch.autocast(group[0][0].device.type, enabled=False):
                self._update_group(group, learning_rate)

    def _update_group(self, pairs: ParametersAndGradients, learning_rate: float) -> None:
        """Update parameters of one flattened shape: their directions are made orthogonal in one batch."""
        parameters = [parameter for parameter, _ in pairs]
        filters = _rows(parameters, parameters)
        gradients = _rows([gradient for _, gradient in pairs], parameters)
        velocities = _rows(self._buffers(pairs, "momentum"), parameters)
        directions = torch.stack(nesterov(gradients, velocities, self.momentum))
        if self.normalise:
            norms = torch._foreach_norm(filters)
            torch._foreach_mul_(filters, [len(filters[0]) ** 0.5 / max(float(norm), 1e-7) for norm in norms])
        torch._foreach_mul_(filters, 1 - learning_rate * self.weight_decay)
        torch._foreach_add_(filters, list(orthogonalise(directions, self.iterations)), alpha=-learning_rate)


def _rows(values: Sequence[Tensor], parameters: Sequence[Tensor]) -> list[Tensor]:
    """Each value as a matrix with one row per filter, its columns in the order of the parameter's memory.

    The update does not depend on the order of the columns.
    """
    last = [value.dim() == 4 and value.is_contiguous(memory_format=torch.channels_last) for value in parameters]
    return [
        (value.permute(0, 2, 3, 1) if channels_last else value).flatten(1)
        for value, channels_last in zip(values, last, strict=True)
    ]
