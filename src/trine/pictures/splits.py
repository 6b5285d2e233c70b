"""Cuts one part off a split: seeded, and with the same share of every class."""

import numpy as np

from trine.annotations import Int64
from trine.errors import UsageError


def stratified_cut(
    labels: Int64[np.ndarray, "n"] | None, n: int, share: float, seed: int
) -> tuple[Int64[np.ndarray, "stay"], Int64[np.ndarray, "cut"]]:
    """Indices of the pictures that stay and of those cut off, each in rising order.

    The cut holds `round(share * n)` pictures, at least one, distributed over the classes by largest remainder.
    Every class keeps at least one picture, so a class with a single picture stays whole.
    Raises `UsageError` for a share that is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise UsageError(f"a share of {share} cannot be cut off: it must lie between 0 and 1")
    groups = _shuffled_classes(np.zeros(n, np.int64) if labels is None else labels, seed)
    counts = _quotas(np.array([len(group) for group in groups], np.int64), share)
    cut = [group[:count] for group, count in zip(groups, counts, strict=True)]
    stay = [group[count:] for group, count in zip(groups, counts, strict=True)]
    return _joined(stay), _joined(cut)


def grouped_cut(
    labels: Int64[np.ndarray, "n"] | None, groups: Int64[np.ndarray, "n"], share: float, seed: int
) -> tuple[Int64[np.ndarray, "stay"], Int64[np.ndarray, "cut"]]:
    """`stratified_cut` with every group of pictures on one side.

    Without groups of several pictures it is the same cut. A group that does not fit into what its classes still give
    stays; if none fits, the smallest group of a class with several is cut off. The cut is empty if all is one group.
    """
    n = len(groups)
    if not 0 < share < 1:
        raise UsageError(f"a share of {share} cannot be cut off: it must lie between 0 and 1")
    own = np.zeros(n, np.int64) if labels is None else labels
    classes = _shuffled_classes(own, seed)
    left = _quotas(np.array([len(members) for members in classes], np.int64), share)
    index = {int(own[members[0]]): at for at, members in enumerate(classes) if len(members)}
    members_of = _members(groups)
    cut = np.zeros(n, bool)
    for at, members in enumerate(classes):
        for first in dict.fromkeys(groups[members].tolist()):
            if not left[at]:
                break
            group = members_of[first]
            needed = np.bincount([index[label] for label in own[group].tolist()], minlength=len(left))
            if not cut[group[0]] and (needed <= left).all():
                left -= needed
                cut[group] = True
    if not cut.any():
        cut[_smallest(members_of, own)] = True
    return np.flatnonzero(~cut), np.flatnonzero(cut)


def _members(groups: Int64[np.ndarray, "n"]) -> dict[int, Int64[np.ndarray, "_"]]:
    """The indices of the pictures of each group."""
    order = np.argsort(groups, kind="stable").astype(np.int64)
    parts = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    return {int(groups[part[0]]): part for part in parts if len(part)}


def _smallest(groups: dict[int, Int64[np.ndarray, "_"]], labels: Int64[np.ndarray, "n"]) -> Int64[np.ndarray, "_"]:
    """The smallest group that leaves every class a picture; empty if there is none."""
    sizes = np.bincount(labels) if len(labels) else np.zeros(0, np.int64)
    for group in sorted(groups.values(), key=len):
        if (np.bincount(labels[group], minlength=len(sizes)) < sizes)[labels[group]].all():
            return group
    return np.zeros(0, np.int64)


def _shuffled_classes(labels: Int64[np.ndarray, "n"], seed: int) -> list[Int64[np.ndarray, "_"]]:
    """The indices of each class, in random order."""
    order = np.random.default_rng(seed).permutation(len(labels)).astype(np.int64)
    order = order[np.argsort(labels[order], kind="stable")]
    return np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)


def _quotas(sizes: Int64[np.ndarray, "classes"], share: float) -> Int64[np.ndarray, "classes"]:
    """Number of pictures cut off each class: within one of its exact share, and less than the class has."""
    exact = sizes * share
    counts: Int64[np.ndarray, "classes"]
    counts = np.minimum(np.floor(exact).astype(np.int64), np.maximum(sizes - 1, 0))
    missing = max(1, round(float(exact.sum()))) - int(counts.sum())
    takers = [i for i in np.argsort(counts - exact, kind="stable") if counts[i] < sizes[i] - 1]
    counts[takers[: max(missing, 0)]] += 1
    return counts


def _joined(parts: list[Int64[np.ndarray, "_"]]) -> Int64[np.ndarray, "joined"]:
    return np.sort(np.concatenate(parts)) if parts else np.zeros(0, np.int64)
