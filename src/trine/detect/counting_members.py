"""Members that count: mixes of events, their length, pairs of events, rare events, all events."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from trine.annotations import Float64, Int64, override
from trine.detect.evidence import FIRST, EventEvidence, Evidence, Surprisal
from trine.detect.member import EXTREME, MOSTLY_ZERO, ORDINARY, Additive, LogSum, Member
from trine.detect.profiles import Profiles
from trine.measures.conformal import Lengths, Scores
from trine.sequences.vocabulary import EVENT, EncodedTable


@dataclass(frozen=True, eq=False)
class NearestCounts(Member):
    """Hellinger distance between the event shares of a sequence and of the nearest normal sequence, 0 to 1."""

    name: ClassVar[str] = "counts"
    says: ClassVar[str] = "no normal sequence has a similar mix of events"

    profiles: Profiles

    @override
    @classmethod
    def fitted(cls, train: EncodedTable, held_out: Evidence) -> Self:
        return cls(Profiles.of(train, int(train.columns[EVENT].max()) + 2))

    @override
    def score(self, evidence: Evidence) -> Scores:
        return self.nearest(evidence.table)[1]

    def nearest(self, table: EncodedTable) -> tuple[Int64[np.ndarray, "sequences"], Scores]:
        """Index of the nearest training sequence of each sequence, and its distance."""
        indices, distances = self.profiles.nearest(table, 1)
        return indices[:, 0], distances[:, 0].astype(np.float64) / 2**0.5

    @override
    def arrays(self) -> dict[str, np.ndarray]:
        return self.profiles.arrays()

    @override
    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        return cls(Profiles.of_arrays(arrays))


@dataclass(frozen=True, eq=False)
class LengthGivenCounts(NearestCounts):
    """Distance of a sequence's length to the lengths of normal sequences with similar event shares.

    In standard deviations of the logarithm of the length, over the nearest sequences.
    """

    name: ClassVar[str] = "length"
    says: ClassVar[str] = "it is far longer or shorter than normal sequences with a similar mix of events"
    neighbours_compared: ClassVar[int] = 10
    """Number of nearest training sequences whose lengths are compared with."""
    floor: ClassVar[float] = 0.1
    """Smallest standard deviation: a length that differs by a tenth is never strange."""

    lengths: Float64[np.ndarray, "normal"]
    """Logarithms of the training sequences' lengths."""

    @override
    @classmethod
    def fitted(cls, train: EncodedTable, held_out: Evidence) -> Self:
        return cls(NearestCounts.fitted(train, held_out).profiles, np.log(train.lengths))

    @override
    def score(self, evidence: Evidence) -> Scores:
        indices, _ = self.profiles.nearest(evidence.table, min(self.neighbours_compared, len(self.lengths)))
        usual = self.lengths[indices]
        distance = np.abs(np.log(evidence.table.lengths) - usual.mean(1))
        return np.asarray(distance / np.maximum(usual.std(1), self.floor))

    @override
    def arrays(self) -> dict[str, np.ndarray]:
        return {**self.profiles.arrays(), "lengths": self.lengths}

    @override
    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        return cls(Profiles.of_arrays(arrays), arrays["lengths"])


@dataclass(frozen=True, eq=False)
class UnseenPairs(Additive):
    """The share of a sequence's pairs of neighbouring events that no normal sequence has, 0 to 1.

    After stide (Forrest et al., 1996), with its shortest window: longer windows are often new in normal sequences too,
    most of all where the use of a system has changed since the training.
    """

    name: ClassVar[str] = "unseen"
    says: ClassVar[str] = "it has pairs of neighbouring events that no normal sequence has"
    weight: ClassVar[float] = MOSTLY_ZERO

    pairs: Int64[np.ndarray, "pairs"]
    """Pairs in the training sequences, in rising order."""

    @override
    @classmethod
    def fitted(cls, train: EncodedTable, held_out: Evidence) -> Self:
        pairs = _pairs(Evidence(train).events)
        return cls(np.unique(pairs[pairs >= 0]))

    @override
    def terms(self, events: EventEvidence) -> Surprisal:
        pairs = _pairs(events)
        return ((pairs >= 0) & ~np.isin(pairs, self.pairs)).astype(np.float64)

    @override
    def of_sums(self, sums: Scores, lengths: Lengths) -> Scores:
        return np.asarray(sums / (lengths - 1).clip(1))


@dataclass(frozen=True, eq=False)
class UnseenPairCount(LogSum, UnseenPairs):
    """The logarithm of 1 + the number of pairs of neighbouring events that no normal sequence has."""

    name: ClassVar[str] = "pairs"
    says: ClassVar[str] = "it has many pairs of neighbouring events that no normal sequence has"


@dataclass(frozen=True, eq=False)
class RareEvents(LogSum):
    """The logarithm of 1 + the summed rarity of a sequence's events, beyond what is ordinary.

    Rarity of an event: −ln of the share of the normal sequences that have it, in nats. Rarer than ordinary: rarer than
    99 % of the events of normal sequences. An event that no normal sequence has counts as one that half a sequence has.
    """

    name: ClassVar[str] = "rare"
    says: ClassVar[str] = "it has many events that are rare in normal sequences, or that no normal sequence has"

    rarity: Float64[np.ndarray, "codes"]
    """Rarity of each event beyond the ordinary; the last is that of all further codes."""

    @override
    @classmethod
    def fitted(cls, train: EncodedTable, held_out: Evidence) -> Self:
        codes = np.minimum(train.columns[EVENT], np.iinfo(np.int32).max).astype(np.int64)
        width = int(codes.max()) + 2
        rows = np.repeat(np.arange(len(train)), train.lengths)
        having = np.bincount(np.unique(rows * width + codes) % width, minlength=width)
        rarity = -np.log(np.maximum(having, 0.5) / len(train))
        return cls(np.maximum(0.0, rarity - np.quantile(rarity[codes], ORDINARY)))

    @override
    def terms(self, events: EventEvidence) -> Surprisal:
        return np.asarray(self.rarity[np.minimum(events.codes, len(self.rarity) - 1)])


@dataclass(frozen=True, eq=False)
class Size(Additive):
    """The logarithm of the number of events."""

    name: ClassVar[str] = "size"
    says: ClassVar[str] = "it has more events than normal sequences"
    weight: ClassVar[float] = EXTREME
    unit: ClassVar[float] = 1.0

    @override
    @classmethod
    def fitted(cls, train: EncodedTable, held_out: Evidence) -> Self:
        return cls()

    @override
    def terms(self, events: EventEvidence) -> Surprisal:
        return np.zeros(len(events.codes))

    @override
    def of_sums(self, sums: Scores, lengths: Lengths) -> Scores:
        return np.asarray(np.log(lengths))


def _pairs(events: EventEvidence) -> Int64[np.ndarray, "events"]:
    """Each event and its predecessor as one number; -1 for the first event of a sequence."""
    return np.where(events.previous == FIRST, -1, (events.previous << 32) | events.codes)
