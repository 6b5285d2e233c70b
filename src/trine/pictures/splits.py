"""Cut one part off a split: seeded, and with the same share of every class."""

import numpy as np
from jaxtyping import Int64

from trine.errors import UsageError


def stratified_cut(
    labels: Int64[np.ndarray, "n"] | None, n: int, share: float, seed: int
) -> tuple[Int64[np.ndarray, "stay"], Int64[np.ndarray, "cut"]]:
    """Positions of the part that stays and of the part cut off, each in rising order.

    The cut holds `round(share * n)` pictures, at least one, shared out over the classes by largest remainder.
    Every class keeps one picture at least, so a class with a single picture stays whole.
    """
    if not 0 < share < 1:
        raise UsageError(f"a share of {share} cannot be cut off: it must lie between 0 and 1")
    groups = _shuffled_classes(np.zeros(n, np.int64) if labels is None else labels, seed)
    counts = _quotas(np.array([len(group) for group in groups], np.int64), share)
    cut = [group[:count] for group, count in zip(groups, counts, strict=True)]
    stay = [group[count:] for group, count in zip(groups, counts, strict=True)]
    return _joined(stay), _joined(cut)


def _shuffled_classes(labels: Int64[np.ndarray, "n"], seed: int) -> list[Int64[np.ndarray, "_"]]:
    order = np.random.default_rng(seed).permutation(len(labels)).astype(np.int64)
    order = order[np.argsort(labels[order], kind="stable")]
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)


def _quotas(sizes: Int64[np.ndarray, "classes"], share: float) -> Int64[np.ndarray, "classes"]:
    """How many to take of each class: within one of its exact share, and never the last one."""
    exact = sizes * share
    counts: Int64[np.ndarray, "classes"]
    counts = np.minimum(np.floor(exact).astype(np.int64), np.maximum(sizes - 1, 0))
    missing = max(1, round(float(exact.sum()))) - int(counts.sum())
    takers = [i for i in np.argsort(counts - exact, kind="stable") if counts[i] < sizes[i] - 1]
    counts[takers[: max(missing, 0)]] += 1
    return counts


def _joined(parts: list[Int64[np.ndarray, "_"]]) -> Int64[np.ndarray, "joined"]:
    return np.sort(np.concatenate(parts)) if parts else np.zeros(0, np.int64)
