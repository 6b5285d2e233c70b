"""Conformal p-values of scores among held-out normal sequences of similar length, with an exponential tail.

The mean surprisal of short sequences varies more than that of long ones: the same score can be usual for one length and
strange for another. Where there are enough normal sequences, each sequence is ranked among those of its own length
(Mondrian conformal prediction; Vovk, 2012). No abnormal sequence is used.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from trine.annotations import Float64, Int64

Scores = Float64[np.ndarray, "sequences"]
MemberScores = Float64[np.ndarray, "sequences members"]
Lengths = Int64[np.ndarray, "sequences"]
References = Float64[np.ndarray, "references"]
MemberReferences = Float64[np.ndarray, "references members"]
TAIL = 40
"""Number of the strangest reference scores to which the exponential tail is fitted."""
SMALLEST_TAIL, LARGEST_TAIL = 0.01, 0.1
"""Limits of their share. Tails heavier than exponential look light from far inside: fitted to the upper tenth, one
member's extremes outrank those of all others (bench/notes/detect.md)."""
SMALLEST = 1_000
"""Smallest number of normal sequences per length bucket: the threshold lies beyond most of them."""
FLAGGED = 10
"""Smallest number of sequences per bucket beyond the threshold: with fewer, the threshold is not precise."""
BUCKETS = 8
"""Largest number of length buckets."""
EQUAL = 1e-5
"""Scores that differ by less are equal. Rounding differs with the batch, the processor and the runtime: where most
normal sequences have the same score, it must not make one of them stranger than all others."""


@dataclass(frozen=True, eq=False)
class Reference:
    """The members' scores of held-out normal sequences, and the sequences' lengths."""

    raw: MemberReferences
    lengths: Int64[np.ndarray, "references"]
    smallest: int = SMALLEST
    """Smallest number of sequences per length bucket."""
    units: tuple[float, ...] = ()
    """Each member's scale of the tail where the reference has none; none: infinite scales."""

    def p_values(self, raw: MemberScores, lengths: Lengths) -> MemberScores:
        """p-values of new sequences' scores, one column per member."""
        p, buckets = np.empty_like(raw), self._buckets(lengths)
        for bucket, reference in enumerate(self._rankings):
            rows = np.flatnonzero(buckets == bucket)
            if len(rows):
                p[rows] = reference.p_values(merged(raw[rows], reference.scores))
        return p

    def own_p_values(self) -> MemberReferences:
        """p-values of the reference's own sequences, each treated as if it were new."""
        p, buckets = np.empty_like(self.raw), self._buckets(self.lengths)
        for bucket in range(len(self.edges) + 1):
            rows = buckets == bucket
            p[rows] = own_tail_p_values(merged(self.raw[rows], np.sort(self.raw[rows], 0)))
        return p

    @cached_property
    def edges(self) -> Int64[np.ndarray, "edges"]:
        """Largest length of each bucket but the last."""
        smallest = max(self.smallest, len(self.lengths) // BUCKETS)
        edges: list[int] = []
        inside, left = 0, len(self.lengths)
        for length, count in zip(*np.unique(self.lengths, return_counts=True), strict=True):
            inside, left = inside + count, left - count
            if inside >= smallest and left >= smallest:
                edges, inside = [*edges, length], 0
        return np.array(edges, dtype=np.int64)

    @cached_property
    def _rankings(self) -> list["Ranking"]:
        """One per bucket."""
        buckets = self._buckets(self.lengths)
        rising = (np.sort(self.raw[buckets == bucket], 0) for bucket in range(len(self.edges) + 1))
        return [Ranking(merged(scores, scores), self.units) for scores in rising]

    def _buckets(self, lengths: Lengths) -> Lengths:
        return np.searchsorted(self.edges, lengths).astype(np.int64)


def merged(scores: MemberScores, reference: MemberReferences) -> MemberScores:
    """The scores, those that are equal but for rounding to a score of the rising reference replaced by it."""
    found = scores.copy()
    for column, references in zip(found.T, reference.T, strict=True):
        nearest = references[np.minimum(np.searchsorted(references, column - EQUAL), len(references) - 1)]
        column[:] = np.where(np.abs(nearest - column) <= EQUAL, nearest, column)
    return found


def smallest_bucket(share: float) -> int:
    """Smallest number of normal sequences per length bucket, when `share` of them may be flagged."""
    return max(SMALLEST, math.ceil(FLAGGED / share))


@dataclass(frozen=True, eq=False)
class Ranking:
    """Scores of normal sequences, each member's column in rising order: new scores are ranked among them.

    Ranks alone cannot tell how far a score lies beyond all normal sequences: beyond the strangest ones, p-values follow
    an exponential tail. They are never exactly 0. Where the strangest scores are equal, as where no normal sequence has
    an unseen event, the tail's scale is the member's unit; without a finite one there is no tail.
    """

    scores: MemberReferences
    units: tuple[float, ...] = ()
    """One per member; none: infinite ones."""

    def p_values(self, scores: MemberScores) -> MemberScores:
        """p-values of new scores, one column per member: mid-ranks, then the tail."""
        columns = [self._p_values(scores[:, member], member) for member in range(scores.shape[1])]
        return np.stack(columns, 1)

    def _p_values(self, scores: Scores, member: int) -> Scores:
        ranks, tail = _mid_ranks(scores, self.scores[:, member]), self._tails[member]
        if not tail.share:
            unit = self.units[member] if self.units else math.inf
            return np.asarray(ranks * np.exp(-np.clip((scores - tail.edge) / unit, 0, 600)))
        return _with_tail(ranks, (scores - tail.edge) / tail.scale, tail.share)

    @cached_property
    def _tails(self) -> list["Tail"]:
        return [Tail.of(column) for column in self.scores.T]


class Tail(NamedTuple):
    """The strangest scores of a reference."""

    edge: float
    """Where the tail begins."""
    scale: float
    """Mean excess of the scores beyond the edge."""
    share: float
    """Share of the scores beyond the edge; 0 where the strangest ones are equal."""

    @classmethod
    def of(cls, reference: References) -> "Tail":
        """The tail of these scores."""
        edge = _tail_edge(reference)
        beyond = reference[reference > edge]
        scale = float(np.mean(beyond - edge)) if len(beyond) else math.inf
        return cls(edge, scale, len(beyond) / len(reference))


def tail_p_values(scores: MemberScores, reference: MemberReferences, units: tuple[float, ...] = ()) -> MemberScores:
    """p-values of new scores in a `Ranking` that is used once."""
    return Ranking(reference, units).p_values(scores)


def tail_share(count: int) -> float:
    """Share of a reference of so many scores that is its tail."""
    return min(LARGEST_TAIL, max(SMALLEST_TAIL, TAIL / count))


def own_tail_p_values(reference: MemberScores) -> MemberScores:
    """`tail_p_values` of each reference sequence; its own excess is left out when the tail's scale is estimated.

    Its rank is that of a new sequence with the same score. Where many scores are equal, such as zero unseen pairs, a
    new sequence must not look stranger than the reference sequences that equal it.
    """
    columns = [_own_tail_p(reference[:, m]) for m in range(reference.shape[1])]
    return np.stack(columns, 1)


def _own_tail_p(scores: Scores) -> Scores:
    ranks = _mid_ranks(scores, np.sort(scores))
    edge = _tail_edge(scores)
    excess = np.maximum(scores - edge, 0)
    count = int((excess > 0).sum())
    if count <= 1:
        return ranks
    others = (excess.sum() - excess) / (count - 1)
    return _with_tail(ranks, excess / np.maximum(others, 1e-12), count / len(scores))


def _tail_edge(reference: Scores) -> float:
    """Where the tail begins."""
    return float(np.quantile(reference, 1 - tail_share(len(reference))))


def _with_tail(ranks: Scores, excess: Scores, share: float) -> Scores:
    """Ranks up to the tail's edge, then the tail. `share` of the reference lies beyond; `excess` is in tail scales."""
    tail = share * np.exp(-np.clip(excess, 0, 600))
    return np.asarray(np.where(excess > 0, tail, np.maximum(ranks, share)))


def _mid_ranks(scores: Scores, reference: References) -> Scores:
    """Share of the rising reference that is stranger than each score, plus half of what equals it (mid-p).

    Where most normal sequences have the same score, that score is neutral: p is about one half, not one. Never exactly
    0 or 1: the new sequence counts as half a sequence itself.
    """
    below_or_equal, below = np.searchsorted(reference, scores, "right"), np.searchsorted(reference, scores, "left")
    return (0.5 + len(reference) - (below_or_equal + below) / 2) / (1 + len(reference))
