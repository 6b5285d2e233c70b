"""Which sequences a detector learns from, and which it is calibrated on: normal ones only."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from trine.data.sequences import SequenceTable
from trine.detect.recipe import DetectRecipe
from trine.errors import DataError


@dataclass(frozen=True, eq=False)
class Opened:
    """A table, and the folds of the normal sequences in it that may be learned from."""

    table: SequenceTable
    normal: SequenceTable
    """All normal sequences that some network learns from."""
    folds: tuple[tuple[SequenceTable, SequenceTable], ...]
    """What each network learns from, and the held-out sequences that it is calibrated on."""
    left_out: int
    """Abnormal sequences among the training rows, which are not used."""
    remarks: tuple[str, ...] = ()
    """What was noticed while the table was read."""


def split_normal(table: SequenceTable, recipe: DetectRecipe, remarks: Sequence[str] = ()) -> Opened:
    """The folds of a table's normal training rows, cut at random; a validation split is held out as it is.

    Rows labelled abnormal are left out. Raises `DataError` when too little is left to learn from.
    """
    rows = table.splits == "train" if (table.splits == "train").any() else table.splits != "test"
    normal = table.rows(rows & (table.labels != 1))
    held_out = table.rows((table.splits == "validation") & (table.labels != 1) & ~(table.splits == "train"))
    if len(normal) < 2:
        raise DataError(
            f"{table.name}: {len(normal)} normal sequence to learn from: give at least two, better hundreds"
        )
    if len(np.unique(normal.events)) < 2:
        raise DataError(f"{table.name}: one distinct event in the normal sequences: there is no order to learn")
    own = (table.splits == "train").any() and len(held_out)
    folds = ((normal, held_out),) if own else _folds(normal, recipe)
    return Opened(table, normal, folds, int((rows & (table.labels == 1)).sum()), tuple(remarks))


def even_sample(count: int, most: int) -> Int64[np.ndarray, "chosen"]:
    """Indices of at most so many of `count`, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def _folds(normal: SequenceTable, recipe: DetectRecipe) -> tuple[tuple[SequenceTable, SequenceTable], ...]:
    """Each part is held out once; with one fold, a single part of the recipe's share is."""
    count = min(recipe.folds, len(normal))
    order = np.random.default_rng(recipe.seed).permutation(len(normal))
    share = recipe.calibration_share if count == 1 else 1 / count
    size = min(max(1.0, share * len(normal)), len(normal) - 1)
    fold = (np.arange(len(normal)) / size).astype(np.int64)
    place = np.empty(len(normal), dtype=np.int64)
    place[order] = fold
    return tuple((normal.rows(place != part), normal.rows(place == part)) for part in range(count))
