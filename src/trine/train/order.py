"""The order in which an epoch shows its samples."""

from functools import lru_cache

import torch
from jaxtyping import Int64
from torch import Tensor


@lru_cache(maxsize=2)
def epoch_order(seed: int, epoch: int, count: int) -> Int64[Tensor, "count"]:
    """The samples' places, shuffled anew each epoch; the same whenever it is asked for. Not to be changed in place."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed * 7_919 + epoch))
