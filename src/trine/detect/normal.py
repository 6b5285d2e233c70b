"""Which sequences a detector learns from, and which it is calibrated on: normal ones only.

Where the data has no test split, a tenth of the normal sequences is taken away as one, so that the false-alarm rate is
measured on what neither taught nor calibrated.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int64

from trine.detect.recipe import DetectRecipe
from trine.errors import DataError
from trine.sequences.table import SequenceTable

TEST_SHARE = 0.1
"""Of the normal sequences, where there is no test split."""
TEST_LEAST = 20
"""Normal sequences on which a false-alarm rate is worth measuring; where a tenth is less, none is taken away."""


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
    kept_apart: int = 0
    """Normal sequences that were taken away for a test split."""


def split_normal(table: SequenceTable, recipe: DetectRecipe, remarks: Sequence[str] = ()) -> Opened:
    """The folds of a table's normal training rows, cut at random; a validation split is held out as it is.

    Rows labelled abnormal are left out; they are tested on where a test split is cut here. Raises `DataError` when too
    little is left to learn from.
    """
    rows = table.splits == "train" if (table.splits == "train").any() else table.splits != "test"
    left_out, count = int((rows & (table.labels == 1)).sum()), int((rows & (table.labels != 1)).sum())
    if not (table.splits == "test").any():
        table = _with_test(table, rows, recipe.seed)
        rows &= table.splits != "test"
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
    return Opened(table, normal, folds, left_out, tuple(remarks), count - len(normal))


def even_sample(count: int, most: int) -> Int64[np.ndarray, "chosen"]:
    """Indices of at most so many of `count`, evenly spread."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def _with_test(table: SequenceTable, rows: Bool[np.ndarray, "sequences"], seed: int) -> SequenceTable:
    """The table with a test split out of these rows, if they are enough: a tenth of the normal, and the abnormal."""
    normal = np.flatnonzero(rows & (table.labels != 1))
    count = round(TEST_SHARE * len(normal))
    if count < TEST_LEAST:
        return table
    splits = table.splits.copy()
    splits[np.random.default_rng((seed, len(normal))).permutation(normal)[:count]] = "test"
    splits[rows & (table.labels == 1)] = "test"
    return replace(table, splits=splits)


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
