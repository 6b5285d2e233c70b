"""The mixes of events of normal sequences, and the nearest of them.

Sparse: a sequence has few of the kinds of events. A hundred thousand sequences over thousands of kinds are compared in
pieces, in the memory of their events, with an even sample of the normal ones if these are very many.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from trine.annotations import Float32, Int32, Int64
from trine.detect.sampling import even_sample
from trine.sequences.vocabulary import EVENT, EncodedTable

EQUAL = 4e-6
"""Squared distances below this one are zero: rounding must not tell equal mixes of events apart."""
MOST = 20_000
"""Largest number of normal sequences that others are compared with: the time grows with the product of both."""
ROWS, KINDS = 512, 1_024
"""Largest numbers of sequences and of kinds in a full matrix: with 20,000 normal sequences, 80 MB."""
FULL = 0.02
"""Share of the profiles that have a kind from which on it is part of the full matrix."""
PRODUCTS = 1_000_000
"""Number of products of single cells that are added at once."""
Indices = Int64[np.ndarray, "sequences count"]
Distances = Float32[np.ndarray, "sequences count"]
Products = Float32[np.ndarray, "piece normal"]


@dataclass(frozen=True, eq=False)
class Cells:
    """What is not zero of a sparse matrix of sequences × kinds: square roots of shares; each row has length 1.

    In rising order of their rows, then of their kinds.
    """

    rows: Int64[np.ndarray, "cells"]
    kinds: Int64[np.ndarray, "cells"]
    values: Float32[np.ndarray, "cells"]

    @classmethod
    def of(cls, table: EncodedTable, width: int) -> "Cells":
        """The cells of a table's sequences; codes of `width` or more count as the last one."""
        codes = np.minimum(table.columns[EVENT], width - 1).astype(np.int64)
        places, counts = np.unique(np.repeat(np.arange(len(table)) * width, table.lengths) + codes, return_counts=True)
        rows, kinds = np.divmod(places, width)
        return cls(rows, kinds, np.sqrt(counts / table.lengths[rows]).astype(np.float32))

    def at(self, start: int, end: int) -> "Cells":
        """The rows from `start` to `end`, which are then counted from 0."""
        first, last = np.searchsorted(self.rows, (start, end))
        return Cells(self.rows[first:last] - start, self.kinds[first:last], self.values[first:last])

    def full(self, rows: int, columns: Int64[np.ndarray, "kinds"]) -> Float32[np.ndarray, "rows columns"]:
        """A full matrix of `rows` rows; `columns` has the column of each kind, −1 for kinds that are left out."""
        inside = columns[self.kinds] >= 0
        matrix = np.zeros((rows, int(columns.max(initial=-1)) + 1), np.float32)
        matrix[self.rows[inside], columns[self.kinds[inside]]] = self.values[inside]
        return matrix


@dataclass(frozen=True, eq=False)
class Profiles:
    """Square roots of the event shares of sequences; the distance of two is √2 times the Hellinger distance.

    A sparse matrix of sequences × kinds in compressed columns: kind k has the cells `starts[k]` to `starts[k + 1]`.
    """

    starts: Int64[np.ndarray, "kinds1"]
    rows: Int32[np.ndarray, "cells"]
    """Index of each cell's profile."""
    values: Float32[np.ndarray, "cells"]
    sequences: int
    """Number of profiles."""
    kept: Int64[np.ndarray, "normal"]
    """Index of each profile's sequence in the table of all normal ones."""
    former: Float32[np.ndarray, "normal kinds"] | None = None
    """All cells, in bundles of earlier versions: compared as these did, so that their distances are the same."""

    @classmethod
    def of(cls, table: EncodedTable, width: int) -> "Profiles":
        """The profiles of a table; codes of `width` or more count as the last one."""
        kept = even_sample(len(table), MOST)
        place = np.full(len(table), -1)
        place[kept] = np.arange(len(kept))
        cells = Cells.of(table, width)
        inside = np.flatnonzero(place[cells.rows] >= 0)
        order = inside[np.argsort(cells.kinds[inside], kind="stable")]
        starts = np.searchsorted(cells.kinds[order], np.arange(width + 1))
        return cls(starts, place[cells.rows[order]].astype(np.int32), cells.values[order], len(kept), kept)

    def nearest(self, table: EncodedTable, count: int) -> tuple[Indices, Distances]:
        """Indices of the `count` nearest profiles of each sequence of a table, nearest first, and their distances."""
        cells = Cells.of(table, self.width)
        if self.former is not None:
            distances = _distances(cells.full(len(table), np.arange(self.width)), self.former)
            indices = _largest(-distances, count)
            return indices, np.take_along_axis(distances, indices, 1)
        found = [_nearest(piece, count) for piece in self._products(cells, len(table))]
        if not found:
            return np.zeros((0, count), np.int64), np.zeros((0, count), np.float32)
        indices = np.concatenate([indices for indices, _ in found])
        return self.kept[indices], np.concatenate([distances for _, distances in found])

    @property
    def width(self) -> int:
        """Number of kinds."""
        return len(self.starts) - 1 if self.former is None else self.former.shape[1]

    def _products(self, cells: Cells, count: int) -> Iterator[Products]:
        """Scalar products of sequences with all profiles, for a piece of the `count` sequences at a time.

        Kinds that many profiles have are multiplied as full matrices, the others cell by cell.
        """
        columns, profiles = self._full
        for start in range(0, count, ROWS):
            rows = min(ROWS, count - start)
            piece = cells.at(start, start + rows)
            products = np.ascontiguousarray(piece.full(rows, columns) @ profiles)
            rest = columns[piece.kinds] < 0
            self._add(products, Cells(piece.rows[rest], piece.kinds[rest], piece.values[rest]))
            yield products

    @cached_property
    def _full(self) -> tuple[Int64[np.ndarray, "kinds"], Float32[np.ndarray, "columns normal"]]:
        """The kinds that many profiles have: the column of each kind, −1 for the others, and their full matrix."""
        having = np.diff(self.starts)
        frequent = np.argsort(-having, kind="stable")[:KINDS]
        full = np.sort(frequent[having[frequent] > FULL * self.sequences])
        columns = np.full(self.width, -1)
        columns[full] = np.arange(len(full))
        kinds = np.repeat(np.arange(self.width), having)
        return columns, Cells(self.rows.astype(np.int64), kinds, self.values).full(self.sequences, columns).T

    def _add(self, products: Products, cells: Cells) -> None:
        """Add the products of single cells with all profiles that have their kind."""
        counts = np.diff(self.starts)[cells.kinds]
        ends = np.cumsum(counts)
        cuts = np.searchsorted(ends, np.arange(PRODUCTS, ends[-1] if len(ends) else 0, PRODUCTS))
        for some in np.split(np.arange(len(counts)), cuts):
            repeated = np.repeat(some, counts[some])
            within = np.arange(len(repeated)) - np.repeat(np.cumsum(counts[some]) - counts[some], counts[some])
            of_profiles = self.starts[cells.kinds[repeated]] + within
            places = cells.rows[repeated] * self.sequences + self.rows[of_profiles]
            np.add.at(products.reshape(-1), places, cells.values[repeated] * self.values[of_profiles])

    def arrays(self) -> dict[str, np.ndarray]:
        """The profiles in compressed columns."""
        if self.former is not None:
            return {"profiles": self.former}
        sequences = np.array(self.sequences, np.int64)
        return {
            "starts": self.starts,
            "rows": self.rows,
            "values": self.values,
            "sequences": sequences,
            "kept": self.kept,
        }

    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray]) -> "Profiles":
        """The profiles with these arrays; earlier versions kept all cells as `profiles`."""
        if "profiles" in arrays:
            former = arrays["profiles"]
            none = np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32)
            return cls(*none, len(former), np.arange(len(former)), former)
        sequences = int(arrays["sequences"])
        kept = arrays.get("kept", np.arange(sequences))
        return cls(arrays["starts"], arrays["rows"], arrays["values"], sequences, kept)


def _nearest(products: Products, count: int) -> tuple[Indices, Distances]:
    indices = products.argmax(1)[:, None] if count == 1 else _largest(products, count)  # argmax is much faster
    squares = 2 - 2 * np.take_along_axis(products, indices, 1)
    return indices, np.sqrt(np.where(squares < EQUAL, np.float32(0), squares))


def _largest(values: Products, count: int) -> Indices:
    """Indices of the `count` largest values of each row, the largest first."""
    some = np.argpartition(-values, count - 1, 1)[:, :count]
    return np.take_along_axis(some, np.argsort(-np.take_along_axis(values, some, 1), 1, kind="stable"), 1)


def _distances(
    new: Float32[np.ndarray, "piece kinds"], profiles: Float32[np.ndarray, "normal kinds"]
) -> Float32[np.ndarray, "piece normal"]:
    """Distances of all pairs by one matrix product, |a − b|² = |a|² − 2ab + |b|², in single precision."""
    ones = (np.ones((len(each), 1), np.float32) for each in (new, profiles))
    squares = [np.square(each).sum(1, keepdims=True) for each in (new, profiles)]
    left = np.concatenate([-2 * new, squares[0], next(ones)], 1)
    right = np.concatenate([profiles, next(ones), squares[1]], 1)
    return np.asarray(np.sqrt(np.maximum(left @ right.T, 0)))
