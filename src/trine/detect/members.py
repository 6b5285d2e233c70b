"""The members: the network's own score of a sequence, and companions that see what it does not.

Each gives a sequence a number, the higher the stranger. What was learned is of normal sequences only.
"""

from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from trine.detect.ngrams import NGrams
from trine.detect.surprisal import Encoded, sequence_means
from trine.detect.vocabulary import EVENT

Surprisal = Float64[np.ndarray, "events"]
Scores = Float64[np.ndarray, "sequences"]


class Member(ABC):
    """One way to score sequences; `fit` sees normal training sequences only."""

    name: ClassVar[str]
    says: ClassVar[str]
    """What a high score means, for people."""

    def fit(self, train: Encoded) -> None:
        """Learn from normal sequences."""

    @abstractmethod
    def score(self, table: Encoded, surprisal: Surprisal) -> Scores:
        """A number a sequence, the higher the stranger; `surprisal` is the network's, event by event."""

    def tensors(self) -> dict[str, Tensor]:
        """What was learned."""
        return {}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take back what `tensors` gave."""


class MeanSurprisal(Member):
    """The network's mean surprisal an event."""

    name: ClassVar[str] = "lstm"
    says: ClassVar[str] = "its events come in an order that the network did not expect"

    def score(self, table: Encoded, surprisal: Surprisal) -> Scores:
        """Mean over the sequence's events."""
        return sequence_means(surprisal, table.offsets)


class NearestCounts(Member):
    """Distance of a sequence's event shares to the nearest normal sequence's (Hellinger)."""

    name: ClassVar[str] = "counts"
    says: ClassVar[str] = "no normal sequence has a like mix of events"

    def __init__(self) -> None:
        self.profiles = torch.zeros(0, 0)

    def fit(self, train: Encoded) -> None:
        """Keep the training sequences' profiles."""
        self.profiles = _profiles(train, int(train.columns[EVENT].max()) + 2)

    def score(self, table: Encoded, surprisal: Surprisal) -> Scores:
        """Distance to the nearest profile, 0 to 1."""
        return self.nearest(table)[1]

    def nearest(self, table: Encoded) -> tuple[Int64[np.ndarray, "sequences"], Scores]:
        """The nearest training sequence of each, and its distance."""
        places, distances = self.neighbours(table, 1)
        return places[:, 0].numpy(), distances[:, 0].double().numpy() / 2**0.5

    def neighbours(
        self, table: Encoded, count: int
    ) -> tuple[Int64[Tensor, "sequences count"], Float[Tensor, "sequences count"]]:
        """The nearest training sequences of each, nearest first, and the distances of their profiles."""
        pieces = torch.split(_profiles(table, self.profiles.shape[1]), 2_048)
        found = [torch.cdist(piece, self.profiles).topk(count, largest=False) for piece in pieces]
        return torch.cat([part.indices for part in found]), torch.cat([part.values for part in found])

    def tensors(self) -> dict[str, Tensor]:
        """The profiles."""
        return {"profiles": self.profiles}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take back the profiles."""
        self.profiles = tensors["profiles"]


class LengthGivenKind(NearestCounts):
    """How far a sequence's length is from the lengths of the normal sequences with the most alike event shares.

    In standard deviations of the logarithm, over the `alike` nearest.
    """

    name: ClassVar[str] = "length"
    says: ClassVar[str] = "it is far longer or shorter than normal sequences with a like mix of events"
    alike: ClassVar[int] = 10
    floor: ClassVar[float] = 0.1
    """The least standard deviation: a tenth more or less is never strange."""

    def __init__(self) -> None:
        super().__init__()
        self.lengths = torch.zeros(0, dtype=torch.float64)

    def fit(self, train: Encoded) -> None:
        """Keep the training sequences' profiles and lengths."""
        super().fit(train)
        self.lengths = torch.from_numpy(np.log(train.lengths))

    def score(self, table: Encoded, surprisal: Surprisal) -> Scores:
        """Distance of the logarithm of the length to the mean of its like, in standard deviations."""
        alike = self.lengths[self.neighbours(table, min(self.alike, len(self.lengths)))[0]]
        distance = (torch.from_numpy(np.log(table.lengths)) - alike.mean(1)).abs()
        return (distance / alike.std(1, unbiased=False).clamp_min(self.floor)).numpy()

    def tensors(self) -> dict[str, Tensor]:
        """The profiles and lengths."""
        return super().tensors() | {"lengths": self.lengths}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take back the profiles and lengths."""
        super().load_tensors(tensors)
        self.lengths = tensors["lengths"]


class NGramSurprisal(Member):
    """The mean surprisal an event of a model of short runs of events."""

    name: ClassVar[str] = "ngrams"
    says: ClassVar[str] = "it has short runs of events that normal sequences hardly have"

    def __init__(self) -> None:
        self.grams = NGrams()

    def fit(self, train: Encoded) -> None:
        """Count the training sequences' n-grams."""
        self.grams.fit(train)

    def score(self, table: Encoded, surprisal: Surprisal) -> Scores:
        """Mean over the sequence's events."""
        return sequence_means(self.grams.surprisal(table), table.offsets)

    def tensors(self) -> dict[str, Tensor]:
        """The n-grams."""
        return self.grams.tensors()

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take back the n-grams."""
        self.grams.load_tensors(tensors)


class EitherSurprisal(NGramSurprisal):
    """The mean over the events of the larger of two surprisals, the network's and the n-grams'.

    An event counts as expected where both expect it. Under a mixture of the two, each would excuse what surprises the
    other.
    """

    name: ClassVar[str] = "either"
    says: ClassVar[str] = "its events come in an order that the network or the runs seen before did not expect"

    def score(self, table: Encoded, surprisal: Surprisal) -> Scores:
        """Mean over the sequence's events."""
        return sequence_means(np.maximum(surprisal, self.grams.surprisal(table)), table.offsets)


class UnseenPairs(Member):
    """The share of a sequence's pairs of neighbouring events that no normal sequence has.

    After stide (Forrest et al., 1996), with its shortest window: longer runs are often new in normal sequences too,
    most of all where a system's use has moved on since it was learned.
    """

    name: ClassVar[str] = "unseen"
    says: ClassVar[str] = "its events follow one another as in no normal sequence"

    def __init__(self) -> None:
        self.seen = np.zeros(0, np.int64)

    def fit(self, train: Encoded) -> None:
        """Keep the pairs of the training sequences."""
        pairs = _pairs(train)
        self.seen = np.unique(pairs[pairs >= 0])

    def score(self, table: Encoded, surprisal: Surprisal) -> Scores:
        """Share of unseen pairs, 0 to 1."""
        pairs = _pairs(table)
        unseen = (pairs >= 0) & ~np.isin(pairs, self.seen)
        shares: Scores = np.add.reduceat(unseen, table.offsets[:-1], dtype=np.float64) / (table.lengths - 1).clip(1)
        return shares

    def tensors(self) -> dict[str, Tensor]:
        """The pairs."""
        return {"pairs": torch.from_numpy(self.seen)}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take back the pairs."""
        self.seen = tensors["pairs"].numpy()


MEMBERS: dict[str, type[Member]] = {
    member.name: member
    for member in (MeanSurprisal, NearestCounts, LengthGivenKind, NGramSurprisal, EitherSurprisal, UnseenPairs)
}


def _profiles(table: Encoded, width: int) -> Tensor:
    """Square roots of the shares of each event in each sequence; codes beyond `width` count as the last one."""
    rows = np.repeat(np.arange(len(table)), table.lengths)
    cells = rows * width + np.minimum(table.columns[EVENT], width - 1)
    counts = np.bincount(cells, minlength=len(table) * width).reshape(len(table), width)
    shares = counts / table.lengths[:, None]
    return torch.from_numpy(np.sqrt(shares).astype(np.float32))


def _pairs(table: Encoded) -> Int64[np.ndarray, "events"]:
    """Each event and the one before it, as one number; -1 where a sequence begins."""
    codes = table.columns[EVENT]
    pairs = np.asarray((np.roll(codes, 1) << 32) | codes, dtype=np.int64)
    pairs[table.offsets[:-1]] = -1
    return pairs
