"""K-fold cross-validation of the last layer: each training picture is answered by a layer that has not seen it.

The features are known, so a layer costs next to nothing.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int64
from torch import Tensor, nn

from trine.classify.recipe import ClassifyRecipe
from trine.nn.optimisers import AdamW

FOLDS = 5
"""Parts of the pictures; a layer is trained on all but one of them."""
STEPS, BATCH = 400, 64
"""Training steps of a layer, and pictures per step."""


def folds_of(labels: Int64[Tensor, "n"], groups: Int64[np.ndarray, "n"], seed: int) -> Int64[Tensor, "n"]:
    """A fold for each picture: the classes are spread evenly, pictures of one group share a fold."""
    order = np.random.default_rng(seed).permutation(len(groups))
    first = {int(groups[index]): int(index) for index in order[::-1]}
    dealt = sorted(first.values(), key=lambda index: (int(labels[index]), int(np.flatnonzero(order == index)[0])))
    fold = {int(groups[index]): place % FOLDS for place, index in enumerate(dealt)}
    return torch.tensor([fold[int(group)] for group in groups])


def cross_validated(
    features: Float[Tensor, "n features"],
    labels: Int64[Tensor, "n"],
    folds: Int64[Tensor, "n"],
    classes: int,
    recipe: ClassifyRecipe,
) -> Float[Tensor, "n classes"]:
    """Logits of each picture by a layer that was trained on the other folds."""
    each = [folds == fold for fold in torch.unique(folds).tolist()]
    heads = trained_heads(features, labels, [torch.nonzero(~apart)[:, 0] for apart in each], classes, recipe)
    logits = torch.zeros(len(labels), classes)
    with torch.inference_mode():
        for apart, head in zip(each, heads, strict=True):
            logits[apart] = head(features[apart])
    return logits


def spread(logits: Float[Tensor, "n classes"]) -> Float[Tensor, ""]:
    """Size of the differences between classes, which grows with the number of training steps."""
    return (logits - logits.mean(1, keepdim=True)).square().mean().sqrt()


def trained_heads(
    features: Float[Tensor, "n features"],
    labels: Int64[Tensor, "n"],
    parts: Sequence[Int64[Tensor, "_"]],
    classes: int,
    recipe: ClassifyRecipe,
) -> list[nn.Linear]:
    """A last layer for each part of the pictures, trained on it as the recipe says but in few steps.

    All layers take their steps together, with one dropout mask: nearly all of a step's time goes into that.
    """
    generator = torch.Generator().manual_seed(recipe.seed)
    weight = nn.Parameter(torch.zeros(len(parts), classes, features.shape[1]))
    bias = nn.Parameter(torch.zeros(len(parts), classes))
    optimiser, batch = AdamW([weight, bias], weight_decay=0.01), min(BATCH, *map(len, parts))
    for step in range(STEPS):
        chosen = torch.stack([part[torch.randint(len(part), (batch,), generator=generator)] for part in parts])
        mask = torch.rand(batch, features.shape[1], generator=generator) >= recipe.dropout
        logits = torch.baddbmm(bias[:, None], features[chosen] * (mask / (1 - recipe.dropout)), weight.transpose(1, 2))
        loss = F.cross_entropy(
            logits.flatten(0, 1), labels[chosen].flatten(), label_smoothing=recipe.label_smoothing, reduction="sum"
        )
        optimiser.clear_gradients()
        (loss / batch).backward()  # type: ignore[no-untyped-call]
        optimiser.step(recipe.adam_rate * (1 - step / STEPS))
    return [_layer(*parameters) for parameters in zip(weight.data, bias.data, strict=True)]


def _layer(weight: Float[Tensor, "classes features"], bias: Float[Tensor, "classes"]) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    layer.weight.data, layer.bias.data = weight, bias
    return layer
