"""Arguments of a generator's methods, checked before anything is computed."""

from collections.abc import Sequence

import numpy as np

from trine.errors import UsageError, nearest

LARGEST_SEED = 2**42
"""Largest seed of a sample: every block of pictures has random numbers of its own, and seeds have 64 bits."""


def check_sample(n: object, temperature: object, seed: object) -> None:
    """Raise `UsageError` for arguments of `sample` that are out of range."""
    if not isinstance(n, int | np.integer) or n < 1:
        raise UsageError(f"{n!r:.80} pictures: ask for one or more")
    if not isinstance(temperature, int | float) or not 0 <= temperature < float("inf"):
        raise UsageError(f"temperature {temperature!r:.80}: give 0 (the most typical picture) or more, such as 0.8")
    check_seed(seed)


def check_seed(seed: object) -> None:
    """Raise `UsageError` for what is no seed."""
    if not isinstance(seed, int | np.integer) or not 0 <= seed <= LARGEST_SEED:
        raise UsageError(f"seed {seed!r:.80}: give a whole number from 0 to {LARGEST_SEED:,}")


def label_codes(label: str | Sequence[str | None] | None, classes: Sequence[str], count: int) -> list[int] | None:
    """Index of the label of each of `count` pictures, the number of classes for an unknown one; None for none at all.

    Raises `UsageError` for a label that the model does not know, or another number of labels than pictures.
    """
    if label is None:
        return None
    labels = [label] * count if isinstance(label, str) else list(label)
    if len(labels) != count:
        raise UsageError(f"{len(labels)} labels for {count} pictures: give one for each, or one for all")
    if all(each is None for each in labels):
        return None
    indices = {each: label_index(each, classes) for each in set(labels)}
    return [len(classes) if (index := indices[each]) is None else index for each in labels]


def label_index(label: str | None, classes: Sequence[str]) -> int | None:
    """Index of a label; None for none. Raises `UsageError` when the model does not know it."""
    if label is None:
        return None
    if not isinstance(label, str):
        raise UsageError(f"label {label!r:.80}: give the name of a class")
    if label not in classes:
        known = ", ".join(classes) if classes else "none: it was trained without --label"
        raise UsageError(f"label {label!r:.80} is not known to the model: it knows {known}{nearest(label, classes)}")
    return list(classes).index(label)


def size_of(written: int | list[int]) -> tuple[int, int]:
    """Height and width of pictures, from what `written_size` gave."""
    height, width = (written, written) if isinstance(written, int) else written
    return height, width


def written_size(size: tuple[int, int]) -> int | list[int]:
    """Height and width as a bundle holds them: a single number for squares, as in versions that had no others."""
    return size[0] if size[0] == size[1] else list(size)
