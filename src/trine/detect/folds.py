"""The sequences that a detector learns from and is calibrated on: normal ones only.

Where the data has no test split, a tenth of the normal sequences is set apart as one, so that the false-alarm rate is
measured on sequences that neither trained nor calibrated the detector.

Where the sequences have times, the most recent tenth of those that are learned from is held out in the last fold: its
network knows only what came before, as the detector will when it is used, so that the fold shows whether normal
behaviour drifts.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Int64

from trine.detect.recipe import DetectRecipe
from trine.errors import DataError
from trine.logs.readers import OpenedSequences
from trine.logs.reading import Reading
from trine.logs.record_texts import RecordTexts
from trine.sequences.table import SequenceTable

TEST_SHARE = 0.1
"""Share of the normal sequences that becomes the test split when there is none."""
TEST_LEAST = 20
"""Smallest number of normal sequences in a test split: a smaller one is not cut, it could not measure a rate."""
RECENT_SHARE, RECENT_LEAST = 0.1, 20
"""Share of the normal sequences that are the most recent part, and the smallest number of them."""


OF_A_LOG = (
    "divide the log by what its sessions belong to (--entity), or into windows (--window 15m or --window-events 200)"
)
"""Advice for a log that is one session."""


@dataclass(frozen=True, eq=False)
class Fold:
    """Sequences that one network learns from, and those that it is calibrated on.

    They are rows of a table, copied when they are asked for: the folds of a large log must not hold it several times.
    """

    table: SequenceTable
    train_rows: Int64[np.ndarray, "train"]
    held_out_rows: Int64[np.ndarray, "held_out"]

    @property
    def train(self) -> SequenceTable:
        """What the network learns from."""
        return self.table.rows(self.train_rows)

    @property
    def held_out(self) -> SequenceTable:
        """What it is calibrated on."""
        return self.table.rows(self.held_out_rows)


@dataclass(frozen=True, eq=False)
class NormalFolds:
    """A table, and the folds of its normal training sequences; no folds for a table that is only evaluated on."""

    table: SequenceTable
    normal: SequenceTable
    """All normal sequences that a network learns from."""
    folds: tuple[Fold, ...]
    left_out: int
    """Number of abnormal sequences among the training rows; they are not used."""
    remarks: tuple[str, ...] = ()
    """Remarks from reading the table."""
    recent: Bool[np.ndarray, "held_out"] | None = None
    """Which of the last fold's held-out sequences are the most recent ones; None without times."""
    kept_apart: int = 0
    """Number of normal sequences that were set apart as a test split."""
    log_format: str | None = None
    """Format of the raw log that the table was read from."""
    templates: str | None = None
    """Names of its events, as `EventNames.to_json` writes them."""
    reading: Reading | None = None
    """What became of its lines."""
    attribute_names: tuple[str, ...] = ()
    """Names of all attributes of its events, also of those that the table does not keep."""
    records: RecordTexts | None = None
    """The texts of the raw log's records, to show some of."""

    def of_log(self, opened: OpenedSequences) -> "NormalFolds":
        """A copy with what is known of the raw log, if the table was read from one."""
        if opened.reading is None or opened.names is None:
            return self
        return replace(
            self,
            log_format=opened.reading.format,
            templates=opened.names.to_json(),
            reading=opened.reading,
            attribute_names=opened.attribute_names,
            records=opened.records,
        )


def split_normal(table: SequenceTable, recipe: DetectRecipe, remarks: Sequence[str] = ()) -> NormalFolds:
    """Random folds of a table's normal training rows; a validation split is held out as it is.

    Rows labelled abnormal are left out; where a test split is cut here, they go into it. Raises `DataError` when fewer
    than two normal sequences or two distinct events are left.
    """
    rows = table.splits == "train" if (table.splits == "train").any() else table.splits != "test"
    left_out, count = int((rows & (table.labels == 1)).sum()), int((rows & (table.labels != 1)).sum())
    if not (table.splits == "test").any():
        table = _with_test(table, rows, recipe.seed)
        rows &= table.splits != "test"
    rows &= table.labels != 1
    normal = table.rows(rows)
    held_out = np.flatnonzero((table.splits == "validation") & (table.labels != 1))
    if len(normal) < 2:
        advice = OF_A_LOG if table.sources else "give at least two, better hundreds"
        raise DataError(f"{table.name}: {len(normal)} normal sequence to learn from: {advice}")
    if len(np.unique(normal.events)) < 2:
        raise DataError(f"{table.name}: one distinct event in the normal sequences: there is no order to learn")
    own_validation = (table.splits == "train").any() and len(held_out)
    own = (Fold(table, np.flatnonzero(rows), held_out),)
    folds, recent = (own, None) if own_validation else _folds(normal, recipe)
    return NormalFolds(table, normal, folds, left_out, tuple(remarks), recent, count - len(normal))


def _with_test(table: SequenceTable, rows: Bool[np.ndarray, "sequences"], seed: int) -> SequenceTable:
    """The table with a test split cut from these rows: a tenth of the normal ones and all abnormal ones."""
    normal = np.flatnonzero(rows & (table.labels != 1))
    count = round(TEST_SHARE * len(normal))
    if count < TEST_LEAST:
        return table
    splits = table.splits.copy()
    splits[np.random.default_rng((seed, len(normal))).permutation(normal)[:count]] = "test"
    splits[rows & (table.labels == 1)] = "test"
    return replace(table, splits=splits)


def _folds(normal: SequenceTable, recipe: DetectRecipe) -> tuple[tuple[Fold, ...], Bool[np.ndarray, "held_out"] | None]:
    """Each fold holds out another part of the sequences; a single fold holds out the recipe's `calibration_share`.

    The most recent sequences are held out in the last fold. The mask says which of its held-out sequences they are.
    """
    recent = _most_recent(normal)
    rest = np.flatnonzero(~recent)
    count = min(recipe.folds, len(rest))
    order = rest[np.random.default_rng(recipe.seed).permutation(len(rest))]
    share = recipe.calibration_share if count == 1 else 1 / count
    size = min(max(1.0, share * len(rest)), len(rest) - 1)
    part = np.full(len(normal), count - 1, dtype=np.int64)
    part[order] = (np.arange(len(rest)) / size).astype(np.int64)
    folds = tuple(Fold(normal, np.flatnonzero(part != index), np.flatnonzero(part == index)) for index in range(count))
    return folds, recent[part == count - 1] if recent.any() else None


def _most_recent(normal: SequenceTable) -> Bool[np.ndarray, "sequences"]:
    """Mask of the sequences that began last; of none where a sequence has no time, or where they are too few."""
    none = np.zeros(len(normal), dtype=bool)
    count = round(RECENT_SHARE * len(normal))
    if normal.times is None or count < RECENT_LEAST:
        return none
    begins = normal.times[normal.offsets[:-1]]
    if not np.isfinite(begins).all() or begins.min() == begins.max():
        return none
    none[np.argsort(begins, kind="stable")[-count:]] = True
    return none
