"""Classes with very different numbers of pictures: training and calibration as if all were equally frequent.

- sampling: every epoch shows as many pictures of each class; those of small classes are repeated.
- logits: the logarithm of each class's share is added to its logit in the loss, so that the logits themselves need not
  favour large classes (logit adjustment: Menon et al., 2021).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int64
from torch import Tensor

UNEVEN = 3.0
"""Ratio of the largest to the smallest class from which classes are called uneven."""
PRIORS = {"none": "as in training", "sampling": "balanced", "logits": "balanced"}
"""The frequencies of the classes that calibrated probabilities assume, per setting of `balance`."""


def balanced_order(labels: Int64[Tensor, "n"], seed: int, epoch: int) -> Int64[Tensor, "n"]:
    """Indices of n pictures, nearly as many of each class, in random order; each picture about equally often per class.

    What does not divide evenly falls to other classes, and other pictures, in the next epoch.
    """
    generator = torch.Generator().manual_seed(seed * 7_919 + epoch)
    known, count = torch.unique(labels), len(labels)
    each, more = divmod(count, len(known))
    extra = (torch.arange(len(known)) - epoch * more) % len(known) < more
    parts = [
        _repeated(torch.nonzero(labels == label).flatten(), each + int(one), generator)
        for label, one in zip(known.tolist(), extra.tolist(), strict=True)
    ]
    rows = torch.cat(parts)
    return rows[torch.randperm(len(rows), generator=generator)]


def log_shares(labels: Int64[Tensor, "n"], classes: int) -> Float[Tensor, "classes"]:
    """Logarithm of the share of each class; a class without pictures counts as half a picture."""
    counts = labels.bincount(minlength=classes).float().clamp_min(0.5)
    return (counts / counts.sum()).log()


def as_answered(labels: Int64[Tensor, "n"], balance: str) -> Int64[Tensor, "n"]:
    """Indices of the held-out pictures to calibrate on: all, or as many of each class if classes are balanced."""
    return torch.arange(len(labels)) if balance == "none" else balanced_order(labels, 0, 0)


def uneven(counts: Sequence[int]) -> float | None:
    """Ratio of the largest to the smallest class if it is `UNEVEN` or more; `counts` are pictures per class."""
    there = [count for count in counts if count]
    ratio = max(there) / min(there) if there else 1.0
    return ratio if ratio >= UNEVEN else None


def _repeated(indices: Int64[Tensor, "n"], count: int, generator: torch.Generator) -> Int64[Tensor, "count"]:
    """So many of the indices, all equally often, the rest of them at random."""
    rounds = [indices[torch.randperm(len(indices), generator=generator)] for _ in range(-(-count // len(indices)))]
    return torch.cat(rounds)[:count] if rounds else indices[:0]
