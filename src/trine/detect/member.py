"""What a member of the ensemble is: one way to score sequences; most are sums over the events."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import ClassVar, Literal, Self

import numpy as np

from trine.annotations import override
from trine.detect.evidence import EventEvidence, Evidence, Surprisal
from trine.measures.conformal import Lengths, Scores
from trine.sequences.vocabulary import EncodedTable

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
