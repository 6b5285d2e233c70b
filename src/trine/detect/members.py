"""The members of the ensemble: the network's score of a sequence, and scores that detect what the network misses.

A member gives each sequence one number; a higher one is stranger. All members learn from normal sequences only.

- Means and shares per event (`network`, `ngrams`, `either`, `counts`, `unseen`, `attributes`) say how strange a
  sequence is on the whole.
- Sums (`excess`, `pairs`, `rare`, `size`, `attribute_excess`) grow with the evidence. They are logarithms, so that the
  exponential tail of their p-values is a power law of the sum: sums of normal sequences differ by factors.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import reduce
from typing import ClassVar, Literal, Self

import numpy as np

from trine.annotations import Float64, Int64, override
from trine.detect.evidence import FIRST, EventEvidence, Evidence, Surprisal
from trine.detect.profiles import Profiles
from trine.measures.conformal import Lengths, Scores
from trine.sequences.vocabulary import EVENT, EncodedTable

Source = Literal["network", "ngrams", "attributes"]
"""A model that a member reads: the network's events, the n-grams, or the network's further columns."""
EXTREME = 0.1
"""Weight of the sums: an extreme one outweighs it, and ordinary ones are noise beside the means."""
MOSTLY_ZERO = 0.3
"""Weight of a share that is zero in most normal sequences."""
ORDINARY = 0.99
"""Share of the normal events whose surprisal is ordinary: only what exceeds it adds up."""


@dataclass(frozen=True, eq=False)
class Member(ABC):
    """One way to score sequences. Immutable once fitted."""

    name: ClassVar[str]
    says: ClassVar[str]
    """Meaning of a high score, as the end of a sentence about the sequence."""
    reads: ClassVar[frozenset[Source]] = frozenset()
    """The models whose surprisal the member reads."""
    weight: ClassVar[float] = 1.0
    """Weight in the fusion: smaller for members whose ordinary scores say little."""
    unit: ClassVar[float] = np.inf
    """Scale of the tail of the p-values where no normal sequence has a tail; infinite: no p-value beyond the ranks."""

    @classmethod
    @abstractmethod
    def fitted(cls, train: EncodedTable, held_out: Evidence) -> Self:
        """The member that learned from normal training sequences; `held_out` are normal sequences beside them."""

    @abstractmethod
    def score(self, evidence: Evidence) -> Scores:
        """One number per sequence."""

    def arrays(self) -> dict[str, np.ndarray]:
        """What the member learned: its fields, which are arrays."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray]) -> Self:
        """The member with these arrays."""
        return cls(**arrays)


class Additive(Member):
    """A member whose score follows from a sum over the events: sequences that still go on are scored event by event."""

    @abstractmethod
    def terms(self, events: EventEvidence) -> Surprisal:
        """What each event adds to the sum of its sequence."""

    @abstractmethod
    def of_sums(self, sums: Scores, lengths: Lengths) -> Scores:
        """The scores of sequences with these sums and these numbers of events."""

    @override
    def score(self, evidence: Evidence) -> Scores:
        sums = np.add.reduceat(self.terms(evidence.events), evidence.table.offsets[:-1], dtype=np.float64)
        return self.of_sums(np.asarray(sums), evidence.table.lengths)


@dataclass(frozen=True, eq=False)
class Mean(Additive):
    """A mean per event. It learns nothing of its own."""

    @override
    @classmethod
    def fitted(cls, train: EncodedTable, held_out: Evidence) -> Self:
        return cls()

    @override
    def of_sums(self, sums: Scores, lengths: Lengths) -> Scores:
        return np.asarray(sums / lengths)


class LogSum(Additive):
    """The logarithm of 1 + a sum."""

    weight: ClassVar[float] = EXTREME
    unit: ClassVar[float] = 1.0

    @override
    def of_sums(self, sums: Scores, lengths: Lengths) -> Scores:
        return np.asarray(np.log1p(sums))


@dataclass(frozen=True, eq=False)
class NetworkSurprisal(Mean):
    """The network's mean surprisal per event."""

    name: ClassVar[str] = "network"
    says: ClassVar[str] = "its events come in an order that the network did not expect"
    reads: ClassVar[frozenset[Source]] = frozenset({"network"})

    @override
    def terms(self, events: EventEvidence) -> Surprisal:
        return events.network


@dataclass(frozen=True, eq=False)
class NGramSurprisal(Mean):
    """The mean surprisal per event under an n-gram model."""

    name: ClassVar[str] = "ngrams"
    says: ClassVar[str] = "it has short runs of events that are rare in normal sequences"
    reads: ClassVar[frozenset[Source]] = frozenset({"ngrams"})

    @override
    def terms(self, events: EventEvidence) -> Surprisal:
        return events.ngrams


@dataclass(frozen=True, eq=False)
class EitherSurprisal(Mean):
    """The mean per event of the larger of two surprisals: the network's and the n-gram model's.

    An event counts as expected only if both models expect it. In a mixture of the two models, it would count as
    expected if one of them expects it.
    """

    name: ClassVar[str] = "either"
    says: ClassVar[str] = "its events come in an order that the network or the n-gram model did not expect"
    reads: ClassVar[frozenset[Source]] = frozenset({"network", "ngrams"})

    @override
    def terms(self, events: EventEvidence) -> Surprisal:
        return events.larger


@dataclass(frozen=True, eq=False)
class AttributeSurprisal(Mean):
    """The network's mean surprisal per event of the further columns, summed over them."""

    name: ClassVar[str] = "attributes"
    says: ClassVar[str] = "the times or other attributes of its events are not those that the network expected"
    reads: ClassVar[frozenset[Source]] = frozenset({"attributes"})

    @override
    def terms(self, events: EventEvidence) -> Surprisal:
        return _total(events.attributes)


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


@dataclass(frozen=True, eq=False)
class ExcessSurprisal(LogSum):
    """The logarithm of 1 + the summed surprisal of a sequence's events, beyond what is ordinary, in nats.

    Ordinary is what 99 % of the events of held-out normal sequences stay below.
    """

    name: ClassVar[str] = "excess"
    says: ClassVar[str] = "many of its events are very surprising to the network or the n-gram model"
    reads: ClassVar[frozenset[Source]] = frozenset({"network", "ngrams"})

    level: Float64[np.ndarray, "columns"]
    """The ordinary surprisal; one value per column that is read."""

    @override
    @classmethod
    def fitted(cls, train: EncodedTable, held_out: Evidence) -> Self:
        levels = [np.quantile(values, ORDINARY) for values in cls.surprisals(held_out.events)]
        return cls(np.array(levels, dtype=np.float64))

    @classmethod
    def surprisals(cls, events: EventEvidence) -> list[Surprisal]:
        """What is summed: one array per column."""
        return [events.larger]

    @override
    def terms(self, events: EventEvidence) -> Surprisal:
        read = zip(self.surprisals(events), self.level.tolist(), strict=True)
        return np.asarray(reduce(np.add, [np.maximum(0.0, values - level) for values, level in read]))


@dataclass(frozen=True, eq=False)
class NGramExcess(ExcessSurprisal):
    """`ExcessSurprisal` under the n-gram model alone."""

    name: ClassVar[str] = "ngram_excess"
    says: ClassVar[str] = "it has many short runs of events that are very rare in normal sequences"
    reads: ClassVar[frozenset[Source]] = frozenset({"ngrams"})

    @override
    @classmethod
    def surprisals(cls, events: EventEvidence) -> list[Surprisal]:
        return [events.ngrams]


@dataclass(frozen=True, eq=False)
class AttributeExcess(ExcessSurprisal):
    """`ExcessSurprisal` of the further columns, each beyond its own ordinary surprisal."""

    name: ClassVar[str] = "attribute_excess"
    says: ClassVar[str] = "some of its events have times or other attributes that are very surprising to the network"
    reads: ClassVar[frozenset[Source]] = frozenset({"attributes"})

    @override
    @classmethod
    def surprisals(cls, events: EventEvidence) -> list[Surprisal]:
        return list(events.attributes.values())


MEMBERS: dict[str, type[Member]] = {
    member.name: member
    for member in (
        NetworkSurprisal,
        NearestCounts,
        LengthGivenCounts,
        NGramSurprisal,
        EitherSurprisal,
        UnseenPairs,
        ExcessSurprisal,
        NGramExcess,
        UnseenPairCount,
        RareEvents,
        Size,
        AttributeSurprisal,
        AttributeExcess,
    )
}

FORMER_MEMBERS = {"lstm": "network"}
"""Names of members in recipes of version 0.1.0, and their present names."""
WITHOUT_NETWORK: Mapping[str, str] = {"network": "ngrams", "either": "ngrams", "excess": "ngram_excess"}
"""The member that takes another's place where the network is not used."""


def sources(members: tuple[str, ...]) -> frozenset[Source]:
    """The models whose surprisal these members read."""
    return frozenset[Source]().union(*(MEMBERS[name].reads for name in members))


def without_network(members: tuple[str, ...]) -> tuple[str, ...]:
    """The members, those that read the network replaced by those that read the n-grams in the same way."""
    return tuple(dict.fromkeys(WITHOUT_NETWORK.get(name, name) for name in members))


def _total(columns: Mapping[str, Surprisal]) -> Surprisal:
    return np.asarray(reduce(np.add, columns.values()))


def _pairs(events: EventEvidence) -> Int64[np.ndarray, "events"]:
    """Each event and its predecessor as one number; -1 for the first event of a sequence."""
    return np.where(events.previous == FIRST, -1, (events.previous << 32) | events.codes)
