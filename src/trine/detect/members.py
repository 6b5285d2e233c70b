"""The members of the ensemble: the network's score of a sequence, and scores that detect what the network misses.

A member gives each sequence one number; a higher one is stranger. All members learn from normal sequences only.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor
from typing_extensions import override

from trine.detect.ngrams import NGrams
from trine.detect.surprisal import sequence_means
from trine.measures.conformal import Scores
from trine.sequences.vocabulary import EVENT, EncodedTable

Surprisal = Float64[np.ndarray, "events"]


class Member(ABC):
    """One way to score sequences. Immutable once fitted."""

    name: ClassVar[str]
    says: ClassVar[str]
    """Meaning of a high score, as the end of a sentence about the sequence."""

    @classmethod
    @abstractmethod
    def fitted(cls, train: EncodedTable) -> Self:
        """The member that learned from normal training sequences."""

    @abstractmethod
    def score(self, table: EncodedTable, surprisal: Surprisal) -> Scores:
        """One number per sequence; `surprisal` is the network's surprisal of each event, in nats."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """What the member learned."""

    @classmethod
    @abstractmethod
    def of_tensors(cls, tensors: dict[str, Tensor]) -> Self:
        """The member with these tensors."""


@dataclass(frozen=True, eq=False)
class NetworkSurprisal(Member):
    """The network's mean surprisal per event."""

    name: ClassVar[str] = "network"
    says: ClassVar[str] = "its events come in an order that the network did not expect"

    @override
    @classmethod
    def fitted(cls, train: EncodedTable) -> Self:
        return cls()

    @override
    def score(self, table: EncodedTable, surprisal: Surprisal) -> Scores:
        return sequence_means(surprisal, table.offsets)

    @override
    def tensors(self) -> dict[str, Tensor]:
        return {}

    @override
    @classmethod
    def of_tensors(cls, tensors: dict[str, Tensor]) -> Self:
        return cls()


@dataclass(frozen=True, eq=False)
class NearestCounts(Member):
    """Hellinger distance between the event shares of a sequence and of the nearest normal sequence, 0 to 1."""

    name: ClassVar[str] = "counts"
    says: ClassVar[str] = "no normal sequence has a similar mix of events"

    profiles: Float[Tensor, "normal codes"]
    """Square roots of the event shares of each training sequence."""

    @override
    @classmethod
    def fitted(cls, train: EncodedTable) -> Self:
        return cls(_profiles(train, int(train.columns[EVENT].max()) + 2))

    @override
    def score(self, table: EncodedTable, surprisal: Surprisal) -> Scores:
        return self.nearest(table)[1]

    def nearest(self, table: EncodedTable) -> tuple[Int64[np.ndarray, "sequences"], Scores]:
        """Index of the nearest training sequence of each sequence, and its distance."""
        indices, distances = self.neighbours(table, 1)
        return indices[:, 0].numpy(), distances[:, 0].double().numpy() / 2**0.5

    def neighbours(
        self, table: EncodedTable, count: int
    ) -> tuple[Int64[Tensor, "sequences count"], Float[Tensor, "sequences count"]]:
        """Indices of the nearest training sequences, nearest first, and the distances of their profiles."""
        pieces = torch.split(_profiles(table, self.profiles.shape[1]), 2_048)
        nearest = [torch.cdist(piece, self.profiles).topk(count, largest=False) for piece in pieces]
        return torch.cat([part.indices for part in nearest]), torch.cat([part.values for part in nearest])

    @override
    def tensors(self) -> dict[str, Tensor]:
        return {"profiles": self.profiles}

    @override
    @classmethod
    def of_tensors(cls, tensors: dict[str, Tensor]) -> Self:
        return cls(**tensors)


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

    lengths: Float64[Tensor, "normal"]
    """Logarithms of the training sequences' lengths."""

    @override
    @classmethod
    def fitted(cls, train: EncodedTable) -> Self:
        return cls(NearestCounts.fitted(train).profiles, torch.from_numpy(np.log(train.lengths)))

    @override
    def score(self, table: EncodedTable, surprisal: Surprisal) -> Scores:
        indices, _ = self.neighbours(table, min(self.neighbours_compared, len(self.lengths)))
        usual = self.lengths[indices]
        distance = (torch.from_numpy(np.log(table.lengths)) - usual.mean(1)).abs()
        return (distance / usual.std(1, unbiased=False).clamp_min(self.floor)).numpy()

    @override
    def tensors(self) -> dict[str, Tensor]:
        return {"profiles": self.profiles, "lengths": self.lengths}


@dataclass(frozen=True, eq=False)
class NGramSurprisal(Member):
    """The mean surprisal per event under an n-gram model."""

    name: ClassVar[str] = "ngrams"
    says: ClassVar[str] = "it has short runs of events that are rare in normal sequences"

    grams: NGrams

    @override
    @classmethod
    def fitted(cls, train: EncodedTable) -> Self:
        return cls(NGrams.counted(train))

    @override
    def score(self, table: EncodedTable, surprisal: Surprisal) -> Scores:
        return sequence_means(self.grams.surprisal(table), table.offsets)

    @override
    def tensors(self) -> dict[str, Tensor]:
        return self.grams.tensors()

    @override
    @classmethod
    def of_tensors(cls, tensors: dict[str, Tensor]) -> Self:
        return cls(NGrams.of_tensors(tensors))


@dataclass(frozen=True, eq=False)
class EitherSurprisal(NGramSurprisal):
    """The mean per event of the larger of two surprisals: the network's and the n-gram model's.

    An event counts as expected only if both models expect it. In a mixture of the two models, it would count as
    expected if one of them expects it.
    """

    name: ClassVar[str] = "either"
    says: ClassVar[str] = "its events come in an order that the network or the n-gram model did not expect"

    @override
    def score(self, table: EncodedTable, surprisal: Surprisal) -> Scores:
        return sequence_means(np.maximum(surprisal, self.grams.surprisal(table)), table.offsets)


@dataclass(frozen=True, eq=False)
class UnseenPairs(Member):
    """The share of a sequence's pairs of neighbouring events that no normal sequence has, 0 to 1.

    After stide (Forrest et al., 1996), with its shortest window: longer windows are often new in normal sequences too,
    most of all where the use of a system has changed since the training.
    """

    name: ClassVar[str] = "unseen"
    says: ClassVar[str] = "it has pairs of neighbouring events that no normal sequence has"

    pairs: Int64[np.ndarray, "pairs"]
    """Pairs in the training sequences, in rising order."""

    @override
    @classmethod
    def fitted(cls, train: EncodedTable) -> Self:
        pairs = _pairs(train)
        return cls(np.unique(pairs[pairs >= 0]))

    @override
    def score(self, table: EncodedTable, surprisal: Surprisal) -> Scores:
        pairs = _pairs(table)
        unseen = (pairs >= 0) & ~np.isin(pairs, self.pairs)
        shares: Scores = np.add.reduceat(unseen, table.offsets[:-1], dtype=np.float64) / (table.lengths - 1).clip(1)
        return shares

    @override
    def tensors(self) -> dict[str, Tensor]:
        return {"pairs": torch.from_numpy(self.pairs)}

    @override
    @classmethod
    def of_tensors(cls, tensors: dict[str, Tensor]) -> Self:
        return cls(tensors["pairs"].numpy())


MEMBERS: dict[str, type[Member]] = {
    member.name: member
    for member in (NetworkSurprisal, NearestCounts, LengthGivenCounts, NGramSurprisal, EitherSurprisal, UnseenPairs)
}


def _profiles(table: EncodedTable, width: int) -> Float[Tensor, "sequences width"]:
    """Square roots of the event shares of each sequence; codes of `width` or more count as the last one."""
    rows = np.repeat(np.arange(len(table)), table.lengths)
    cells = rows * width + np.minimum(table.columns[EVENT], width - 1)
    counts = np.bincount(cells, minlength=len(table) * width).reshape(len(table), width)
    shares = counts / table.lengths[:, None]
    return torch.from_numpy(np.sqrt(shares).astype(np.float32))


def _pairs(table: EncodedTable) -> Int64[np.ndarray, "events"]:
    """Each event and its predecessor as one number; -1 for the first event of a sequence."""
    codes = table.columns[EVENT]
    pairs = np.asarray((np.roll(codes, 1) << 32) | codes, dtype=np.int64)
    pairs[table.offsets[:-1]] = -1
    return pairs
