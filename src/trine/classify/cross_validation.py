"""K-fold cross-validation of the last layer: each training picture is answered by a layer that has not seen it.

The features are known, so a layer costs next to nothing.
"""

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
    logits = torch.zeros(len(labels), classes)
    for fold in torch.unique(folds).tolist():
        apart = folds == fold
        head = trained_head(features[~apart], labels[~apart], classes, recipe)
        with torch.inference_mode():
            logits[apart] = head(features[apart])
    return logits


def spread(logits: Float[Tensor, "n classes"]) -> Float[Tensor, ""]:
    """Size of the differences between classes, which grows with the number of training steps."""
    return (logits - logits.mean(1, keepdim=True)).square().mean().sqrt()


def trained_head(
    features: Float[Tensor, "n features"], labels: Int64[Tensor, "n"], classes: int, recipe: ClassifyRecipe
) -> nn.Linear:
    """A last layer, trained as the recipe says but in few steps."""
    generator = torch.Generator().manual_seed(recipe.seed)
    head = nn.Linear(features.shape[1], classes)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    optimiser = AdamW(head.parameters(), weight_decay=0.01)
    for step in range(STEPS):
        chosen = torch.randint(len(labels), (min(BATCH, len(labels)),), generator=generator)
        kept = (torch.rand(len(chosen), features.shape[1], generator=generator) >= recipe.dropout) / (
            1 - recipe.dropout
        )
        loss = F.cross_entropy(head(features[chosen] * kept), labels[chosen], label_smoothing=recipe.label_smoothing)
        optimiser.clear_gradients()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step(recipe.adam_rate * (1 - step / STEPS))
    return head
