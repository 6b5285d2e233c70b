"""Pictures taken together: how many at once, and in which order an epoch shows them."""

from functools import lru_cache

import torch
from jaxtyping import Int64
from torch import Tensor

PIXELS = 500 * 32 * 32
"""Of the pictures that are judged together."""


def at_once(height: int, width: int) -> int:
    """How many pictures of this size are judged together."""
    return max(1, PIXELS // (height * width))


@lru_cache(maxsize=2)
def epoch_order(seed: int, epoch: int, count: int) -> Int64[Tensor, "count"]:
    """The samples' places, shuffled anew each epoch; the same whenever it is asked for. Not to be changed in place."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed * 7_919 + epoch))
