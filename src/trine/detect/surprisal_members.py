"""Members that read surprisals: their mean per event, and what exceeds the ordinary."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from typing import ClassVar, Self

import numpy as np

from trine.annotations import Float64, override
from trine.detect.evidence import EventEvidence, Evidence, Surprisal
from trine.detect.member import ORDINARY, LogSum, Mean, Source
from trine.sequences.vocabulary import EncodedTable


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


def _total(columns: Mapping[str, Surprisal]) -> Surprisal:
    return np.asarray(reduce(np.add, columns.values()))
