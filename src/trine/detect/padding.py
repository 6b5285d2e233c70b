"""Sequences of different lengths as padded batches for a recurrent network, and means of values per event."""

from collections.abc import Iterator

import numpy as np

from trine.annotations import Bool, Float, Float64, Int, Int64
from trine.sequences.vocabulary import BEGIN, EncodedTable

BATCH_EVENTS = 32_768
"""Largest number of events in a padded batch, padding included."""

Positions = Int64[np.ndarray, "batch time"]
"""Positions of the events of a batch in the table; −1: padding."""


def padded(table: EncodedTable, most_rows: int) -> Iterator[tuple[Positions, dict[str, Int64[np.ndarray, "batch _"]]]]:
    """Batches of at most `most_rows` sequences of similar length: positions, and codes per column.

    The codes begin with the start token: they have one column more than the positions.
    """
    lengths = table.lengths
    order, start = np.argsort(lengths, kind="stable"), 0
    while start < len(order):
        end = start + 1
        while end < len(order) and _fits(end + 1 - start, int(lengths[order[end]]), most_rows):
            end += 1
        chosen = order[start:end]
        steps = np.arange(lengths[chosen].max())
        inside = steps[None] < lengths[chosen][:, None]
        positions = np.where(inside, table.offsets[chosen][:, None] + steps, -1)
        yield positions, {name: _after_begin(codes[positions], inside) for name, codes in table.columns.items()}
        start = end


def sequence_means(
    values: Float[np.ndarray, "events"], offsets: Int64[np.ndarray, "bounds"]
) -> Float64[np.ndarray, "sequences"]:
    """Mean of a per-event value over each sequence."""
    return np.asarray(np.add.reduceat(values.astype(np.float64), offsets[:-1]) / np.diff(offsets))


def _fits(rows: int, length: int, most_rows: int) -> bool:
    return rows <= most_rows and rows * length <= BATCH_EVENTS


def _after_begin(
    codes: Int[np.ndarray, "batch time"], inside: Bool[np.ndarray, "batch time"]
) -> Int64[np.ndarray, "batch time1"]:
    known = np.where(inside, codes, BEGIN).astype(np.int64)
    return np.pad(known, ((0, 0), (1, 0)), constant_values=BEGIN)
