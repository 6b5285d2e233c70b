"""The mixes of events of normal sequences, and the nearest of them.

Sparse: a sequence has few of the kinds of events. A hundred thousand sequences over thousands of kinds are compared in
pieces, in the memory of their events, with an even sample of the normal ones if these are very many.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64
from scipy.sparse import csc_array, csr_array
from torch import Tensor

from trine.sequences.vocabulary import EVENT, EncodedTable

EQUAL = 4e-6
"""Squared distances below this one are zero: rounding must not tell equal mixes of events apart."""
MOST = 20_000
"""Largest number of normal sequences that others are compared with: the time grows with the product of both."""
ROWS, KINDS = 512, 1_024
"""Largest numbers of sequences and of kinds in a full matrix: with 20,000 normal sequences, 80 MB."""
FULL = 0.02
"""Share of the profiles that have a kind from which on it is part of the full matrix."""
Indices = Int64[np.ndarray, "sequences count"]
Distances = Float32[np.ndarray, "sequences count"]


@dataclass(frozen=True, eq=False)
class Profiles:
    """Square roots of the event shares of sequences; the distance of two is √2 times the Hellinger distance."""

    roots: csc_array
    """Sequences × kinds; each row has length 1."""
    kept: Int64[np.ndarray, "normal"]
    """Index of each row's sequence in the table of all normal ones."""
    former: Float32[Tensor, "normal kinds"] | None = None
    """All cells, in bundles of earlier versions: compared as these did, so that their distances are the same."""

    @classmethod
    def of(cls, table: EncodedTable, width: int) -> "Profiles":
        """The profiles of a table; codes of `width` or more count as the last one."""
        roots = _roots(table, width)
        kept = np.linspace(0, len(table) - 1, min(len(table), MOST)).astype(np.int64)
        return cls((roots if len(kept) == len(table) else roots[kept]).tocsc(), kept)

    def nearest(self, table: EncodedTable, count: int) -> tuple[Indices, Distances]:
        """Indices of the `count` nearest profiles of each sequence of a table, nearest first, and their distances."""
        roots = _roots(table, self.roots.shape[1])
        if self.former is not None:
            best = torch.cdist(torch.from_numpy(roots.toarray()), self.former).topk(count, largest=False)
            return best.indices.numpy(), best.values.numpy()
        found = [_nearest(piece, count) for piece in self._products(roots)]
        if not found:
            return np.zeros((0, count), np.int64), np.zeros((0, count), np.float32)
        indices = np.concatenate([indices for indices, _ in found])
        return self.kept[indices], np.concatenate([distances for _, distances in found])

    def _products(self, roots: csr_array) -> Iterator[Float32[np.ndarray, "piece normal"]]:
        """Scalar products with all profiles, for a piece of the sequences at a time.

        Kinds that many profiles have are multiplied as full matrices, the others as sparse ones.
        """
        having = np.diff(self.roots.indptr)
        order = np.argsort(-having, kind="stable")[:KINDS]
        full = np.sort(order[having[order] > FULL * self.roots.shape[0]])
        rest = np.setdiff1d(np.arange(len(having)), full)
        full_profiles, rest_profiles = self.roots[:, full].toarray().T, self.roots[:, rest].T.tocsr()
        for start in range(0, roots.shape[0], ROWS):
            piece = roots[start : start + ROWS]
            products = piece[:, full].toarray() @ full_profiles
            products += (piece[:, rest] @ rest_profiles).toarray()
            yield products

    def tensors(self) -> dict[str, Tensor]:
        """The profiles in compressed columns."""
        if self.former is not None:
            return {"profiles": self.former}
        return {
            "starts": torch.from_numpy(self.roots.indptr.astype(np.int64)),
            "rows": torch.from_numpy(self.roots.indices.astype(np.int32)),
            "values": torch.from_numpy(self.roots.data),
            "sequences": torch.tensor(self.roots.shape[0]),
            "kept": torch.from_numpy(self.kept),
        }

    @classmethod
    def of_tensors(cls, tensors: dict[str, Tensor]) -> "Profiles":
        """The profiles with these tensors; earlier versions kept all cells as `profiles`."""
        if "profiles" in tensors:
            former = tensors["profiles"]
            return cls(csc_array(former.numpy()), np.arange(len(former)), former)
        starts = tensors["starts"].numpy()
        shape = (int(tensors["sequences"]), len(starts) - 1)
        kept = tensors["kept"].numpy() if "kept" in tensors else np.arange(shape[0])
        return cls(csc_array((tensors["values"].numpy(), tensors["rows"].numpy(), starts), shape), kept)


def _roots(table: EncodedTable, width: int) -> csr_array:
    codes = np.minimum(table.columns[EVENT], width - 1).astype(np.int32)
    counts = csr_array((np.ones(len(codes), np.float64), codes, table.offsets), (len(table), width), copy=True)
    counts.sum_duplicates()
    shares = counts.data / np.repeat(table.lengths, np.diff(counts.indptr))
    return csr_array((np.sqrt(shares).astype(np.float32), counts.indices, counts.indptr), counts.shape)


def _nearest(products: Float32[np.ndarray, "piece normal"], count: int) -> tuple[Indices, Distances]:
    if count == 1:  # much faster than topk
        indices = products.argmax(1)[:, None]
        best = np.take_along_axis(products, indices, 1)
    else:
        values, places = torch.from_numpy(products).topk(count)
        best, indices = values.numpy(), places.numpy()
    squares = 2 - 2 * best
    return indices, np.sqrt(np.where(squares < EQUAL, np.float32(0), squares))
