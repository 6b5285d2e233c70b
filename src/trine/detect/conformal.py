"""How strange a score is among held-out normal ones: conformal p-values with a tail, among sequences of like length.

A short sequence's mean surprisal strays further than a long one's, so that what is strange for one is usual for the
other: where there are enough normal sequences, each is ranked among those of its own length (Vovk, 2012: Mondrian
conformal prediction). No attack has a say in it.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float64, Int64

from trine.detect.members import Scores

MemberScores = Float64[np.ndarray, "sequences members"]
Lengths = Int64[np.ndarray, "sequences"]
References = Float64[np.ndarray, "references"]
MemberReferences = Float64[np.ndarray, "references members"]
TAIL = 0.1
"""Share of the reference whose excess gives the tail its scale."""
LEAST = 1_000
"""Normal sequences of a bucket of lengths, at the least: the scale of a tail wants a hundred beyond its edge."""
FLAGGED = 10
"""Of them, how many would be flagged, at the least: fewer do not tell how strange is too strange for their length."""
BUCKETS = 8
"""Buckets of lengths, at the most."""


@dataclass(frozen=True, eq=False)
class Reference:
    """The members' scores of held-out normal sequences, and the sequences' lengths."""

    raw: MemberReferences
    lengths: Int64[np.ndarray, "references"]
    least: int = LEAST
    """Sequences of a bucket of lengths, at the least."""

    def p_values(self, raw: MemberScores, lengths: Lengths) -> MemberScores:
        """The p-value of each score of new sequences, a member a column."""
        found, buckets = np.empty_like(raw), self._buckets(lengths)
        for bucket, reference in enumerate(self._sorted):
            rows = buckets == bucket
            found[rows] = tail_p_values(raw[rows], reference)
        return found

    def own_p_values(self) -> MemberReferences:
        """The p-values of the reference's sequences, each as if it were new."""
        found, buckets = np.empty_like(self.raw), self._buckets(self.lengths)
        for bucket in range(len(self.edges) + 1):
            rows = buckets == bucket
            found[rows] = own_tail_p_values(self.raw[rows])
        return found

    @cached_property
    def edges(self) -> Int64[np.ndarray, "edges"]:
        """The greatest length of each bucket but the last."""
        least = max(self.least, len(self.lengths) // BUCKETS)
        edges: list[int] = []
        inside, left = 0, len(self.lengths)
        for length, count in zip(*np.unique(self.lengths, return_counts=True), strict=True):
            inside, left = inside + count, left - count
            if inside >= least and left >= least:
                edges, inside = [*edges, length], 0
        return np.array(edges, dtype=np.int64)

    @cached_property
    def _sorted(self) -> list[MemberReferences]:
        """The scores of each bucket, each member's in rising order."""
        buckets = self._buckets(self.lengths)
        return [np.sort(self.raw[buckets == bucket], 0) for bucket in range(len(self.edges) + 1)]

    def _buckets(self, lengths: Lengths) -> Lengths:
        return np.searchsorted(self.edges, lengths).astype(np.int64)


def least_of_a_bucket(share: float) -> int:
    """Normal sequences of a bucket of lengths, at the least, when this share of them may be flagged."""
    return max(LEAST, math.ceil(FLAGGED / share))


def tail_p_values(scores: MemberScores, reference: MemberReferences) -> MemberScores:
    """p-values, a member a column: mid-ranks among the reference, and beyond its upper tenth an exponential tail.

    Ranks alone cannot tell how far beyond all normal sequences a score lies. Never exactly 0.
    """
    columns = [_tail_p(scores[:, m], reference[:, m]) for m in range(scores.shape[1])]
    return np.stack(columns, 1)


def own_tail_p_values(reference: MemberScores) -> MemberScores:
    """`tail_p_values` of each sequence of the reference, whose own excess has no say in the scale of its tail.

    Its rank is that of a new sequence with its score: where scores are often equal, such as no unseen pair of events, a
    new one must not look a little stranger than all of the reference that are equal to it.
    """
    columns = [_own_tail_p(reference[:, m]) for m in range(reference.shape[1])]
    return np.stack(columns, 1)


def _own_tail_p(scores: Scores) -> Scores:
    ranks = _mid_ranks(scores, np.sort(scores))
    edge = np.quantile(scores, 1 - TAIL)
    excess = np.maximum(scores - edge, 0)
    count = int((excess > 0).sum())
    if count <= 1:
        return ranks
    others = (excess.sum() - excess) / (count - 1)
    return _with_tail(ranks, excess / np.maximum(others, 1e-12), count / len(scores))


def _tail_p(scores: Scores, reference: References) -> Scores:
    ranks = _mid_ranks(scores, reference)
    edge = np.quantile(reference, 1 - TAIL)
    beyond = reference[reference > edge]
    if not len(beyond):
        return ranks
    return _with_tail(ranks, (scores - edge) / np.mean(beyond - edge), len(beyond) / len(reference))


def _with_tail(ranks: Scores, excess: Scores, share: float) -> Scores:
    """Ranks up to the edge, beyond which so large a share lies; there the tail, by the excess in units of its scale."""
    tail = share * np.exp(-np.clip(excess, 0, 600))
    return np.asarray(np.where(excess > 0, tail, np.maximum(ranks, share)))


def _mid_ranks(scores: Scores, reference: References) -> Scores:
    """The share of the rising reference that is stranger than each score, and half of what is equal to it.

    Where most normal sequences score alike, such as no unseen pair of events, that score is then no news, not a comfort
    (Lancaster, 1961: mid-p). Never exactly 0 or 1: the score is half a sequence itself.
    """
    below_or_equal, below = np.searchsorted(reference, scores, "right"), np.searchsorted(reference, scores, "left")
    return (0.5 + len(reference) - (below_or_equal + below) / 2) / (1 + len(reference))
