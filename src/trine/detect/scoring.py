"""From surprisals to one score a sequence: the network's own, and companions that see what it does not.

Each member gives a sequence a number, the higher the stranger. Its rank among held-out normal sequences is a conformal
p-value; the p-values are fused by a fixed rule; the fused score has a p-value of its own. No attack has a say in it.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float64, Int64
from torch import Tensor

from trine.bundle import part
from trine.detect.ngrams import NGrams
from trine.detect.surprisal import Encoded, sequence_means
from trine.detect.vocabulary import EVENT

Surprisal = Float64[np.ndarray, "events"]
Scores = Float64[np.ndarray, "sequences"]
MemberScores = Float64[np.ndarray, "sequences members"]
References = Float64[np.ndarray, "references"]
MemberReferences = Float64[np.ndarray, "references members"]
TAIL = 0.1
"""Share of the reference whose excess gives the tail its scale."""
CONTENT = 0.995
"""The largest p-value that is fused."""
EM_STEPS = 50


class Member(ABC):
    """One way to score sequences; `fit` sees normal training sequences only."""

    name: ClassVar[str]
    says: ClassVar[str]
    """What a high score means, for people."""

    def fit(self, train: Encoded) -> None:
        """Learn from normal sequences."""

    def tune(self, held_out: Encoded, surprisal: Surprisal) -> None:
        """Settle what normal sequences that were not learned from have to say."""

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
        places, distances = [np.zeros(0, np.int64)], [np.zeros(0)]
        for profiles in torch.split(_profiles(table, self.profiles.shape[1]), 2_048):
            found = torch.cdist(profiles, self.profiles).min(1)
            places.append(found.indices.numpy())
            distances.append(found.values.double().numpy() / 2**0.5)
        return np.concatenate(places), np.concatenate(distances)

    def tensors(self) -> dict[str, Tensor]:
        """The profiles."""
        return {"profiles": self.profiles}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take back the profiles."""
        self.profiles = tensors["profiles"]


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


class MixtureSurprisal(NGramSurprisal):
    """The mean surprisal an event of the network and the n-grams mixed: a better likelihood than either's.

    The network generalises, the counts remember; the network's share is the likeliest one for held-out normal events.
    """

    name: ClassVar[str] = "mixture"
    says: ClassVar[str] = "its events come in an order that neither the network nor runs seen before expect"

    def __init__(self) -> None:
        super().__init__()
        self.share = 0.5
        """Of the network in the mixture."""

    def tune(self, held_out: Encoded, surprisal: Surprisal) -> None:
        """Find the network's share."""
        self.share = likeliest_share(surprisal, self.grams.surprisal(held_out))

    def score(self, table: Encoded, surprisal: Surprisal) -> Scores:
        """Mean over the sequence's events."""
        return sequence_means(mixed(surprisal, self.grams.surprisal(table), self.share), table.offsets)

    def tensors(self) -> dict[str, Tensor]:
        """The n-grams and the network's share."""
        return super().tensors() | {"share": torch.tensor([self.share], dtype=torch.float64)}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take back the n-grams and the share."""
        super().load_tensors(tensors)
        self.share = float(tensors["share"])


class UnseenGrams(Member):
    """The share of a sequence's n-grams that no normal sequence has (after stide; Forrest et al., 1996)."""

    name: ClassVar[str] = "unseen"
    says: ClassVar[str] = "it has short runs of events that no normal sequence has"
    length: ClassVar[int] = 3

    def __init__(self) -> None:
        self.seen = np.zeros(0, np.int64)

    def fit(self, train: Encoded) -> None:
        """Keep the n-grams of the training sequences."""
        self.seen = np.unique(np.concatenate([_grams(codes, self.length) for codes in train.codes]))

    def score(self, table: Encoded, surprisal: Surprisal) -> Scores:
        """Share of unseen n-grams, 0 to 1."""
        return np.array([self._share(_grams(codes, self.length)) for codes in table.codes])

    def tensors(self) -> dict[str, Tensor]:
        """The n-grams."""
        return {"seen": torch.from_numpy(self.seen)}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take back the n-grams."""
        self.seen = tensors["seen"].numpy()

    def _share(self, grams: Int64[np.ndarray, "grams"]) -> float:
        return float((~np.isin(grams, self.seen)).mean()) if len(grams) else 0.0


MEMBERS: dict[str, type[Member]] = {
    member.name: member for member in (MeanSurprisal, NearestCounts, NGramSurprisal, MixtureSurprisal, UnseenGrams)
}


class Panel:
    """The members of one fold: fitted to its training sequences, calibrated on its held-out ones."""

    def __init__(self, names: Sequence[str]) -> None:
        self.members = [MEMBERS[name]() for name in names]
        self.reference = np.zeros((0, len(self.members)))
        """Scores of the held-out sequences, each member's in rising order."""
        self.fused_reference = np.zeros(0)

    def fit(self, train: Encoded, held_out: Encoded, surprisal: Surprisal) -> None:
        """Let every member learn from normal sequences, and keep the scores of held-out ones."""
        for member in self.members:
            member.fit(train)
            member.tune(held_out, surprisal)
        self.calibrate(self.raw(held_out, surprisal))

    def calibrate(self, raw: MemberScores) -> None:
        """Take these scores of held-out normal sequences for what is normal."""
        self.reference = np.sort(raw, 0)
        self.fused_reference = np.sort(fuse(own_tail_p_values(raw)))

    def raw(self, table: Encoded, surprisal: Surprisal) -> MemberScores:
        """The members' scores."""
        return np.stack([member.score(table, surprisal) for member in self.members], 1)

    def fused(self, raw: MemberScores) -> Scores:
        """The fused score of each sequence, the higher the stranger."""
        return fuse(tail_p_values(raw, self.reference))

    def stranger(self, fused: Scores) -> Int64[np.ndarray, "sequences"]:
        """How many held-out sequences are at least as strange."""
        return len(self.fused_reference) - np.searchsorted(self.fused_reference, fused, side="left")

    def tensors(self) -> dict[str, Tensor]:
        """All that was learned, under the members' names."""
        own = {"reference": torch.from_numpy(self.reference), "fused": torch.from_numpy(self.fused_reference)}
        return own | {f"{m.name}.{name}": value for m in self.members for name, value in m.tensors().items()}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take back what `tensors` gave."""
        self.reference, self.fused_reference = tensors["reference"].numpy(), tensors["fused"].numpy()
        for member in self.members:
            member.load_tensors(part(tensors, member.name))


@dataclass(frozen=True)
class Judged:
    """What an ensemble says of the sequences of a table."""

    raw: MemberScores
    """Each member's score, the mean over the folds."""
    member_p: MemberScores
    """Each member's p-value, the mean over the folds."""
    fused: Scores
    """The fused score, the mean over the folds; the higher the stranger."""
    p_value: Scores
    """Cross-conformal: the share of all held-out normal sequences that are at least as strange."""


class Ensemble:
    """A panel a fold, and their common judgement: cross-conformal prediction (Vovk, 2015)."""

    def __init__(self, names: Sequence[str], folds: int) -> None:
        self.names = tuple(names)
        self.panels = [Panel(names) for _ in range(folds)]

    @property
    def calibrated_on(self) -> int:
        """Held-out normal sequences of all folds."""
        return sum(len(panel.fused_reference) for panel in self.panels)

    def judge(self, table: Encoded, surprisals: Sequence[Surprisal]) -> Judged:
        """Scores and p-values of a table; `surprisals` are the folds' networks'."""
        raw = [panel.raw(table, surprisal) for panel, surprisal in zip(self.panels, surprisals, strict=True)]
        fused = [panel.fused(scores) for panel, scores in zip(self.panels, raw, strict=True)]
        stranger = [panel.stranger(scores) for panel, scores in zip(self.panels, fused, strict=True)]
        return Judged(
            raw=np.mean(raw, 0),
            member_p=np.mean([tail_p_values(r, panel.reference) for panel, r in zip(self.panels, raw, strict=True)], 0),
            fused=np.mean(fused, 0),
            p_value=(1 + np.sum(stranger, 0)) / (1 + self.calibrated_on),
        )

    def tensors(self) -> dict[str, Tensor]:
        """All that the panels learned."""
        return {f"{fold}.{k}": v for fold, panel in enumerate(self.panels) for k, v in panel.tensors().items()}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take back what `tensors` gave."""
        for fold, panel in enumerate(self.panels):
            panel.load_tensors(part(tensors, str(fold)))


def tail_p_values(scores: MemberScores, reference: MemberReferences) -> MemberScores:
    """p-values, a member a column: ranks among the reference, and beyond its upper tenth an exponential tail.

    Ranks alone cannot tell how far beyond all normal sequences a score lies. Never exactly 0.
    """
    columns = [_tail_p(scores[:, m], reference[:, m]) for m in range(scores.shape[1])]
    return np.stack(columns, 1)


def own_tail_p_values(reference: MemberScores) -> MemberScores:
    """`tail_p_values` of each sequence of the reference among the others: as if it were new."""
    columns = [_own_tail_p(reference[:, m]) for m in range(reference.shape[1])]
    return np.stack(columns, 1)


def _own_tail_p(scores: Scores) -> Scores:
    ordered, n = np.sort(scores), len(scores)
    ranks = np.maximum(n - np.searchsorted(ordered, scores, side="left"), 1) / n
    edge = np.quantile(scores, 1 - TAIL)
    beyond = scores > edge
    count, excess = int(beyond.sum()), np.where(beyond, scores - edge, 0.0)
    others = (excess.sum() - excess) / max(1, count - 1)
    share = count / n
    tail = share * np.exp(-np.clip(excess / np.maximum(others, 1e-12), 0, 600))
    return np.where(beyond, tail, np.maximum(ranks, share)) if count > 1 else np.asarray(ranks)


def _tail_p(scores: Scores, reference: References) -> Scores:
    ranks = (1 + len(reference) - np.searchsorted(reference, scores, side="left")) / (1 + len(reference))
    edge = np.quantile(reference, 1 - TAIL)
    excess = float(np.mean(reference[reference > edge] - edge)) if (reference > edge).any() else 0.0
    if excess <= 0:
        return np.asarray(ranks)
    share = float((reference > edge).mean())
    tail = share * np.exp(-np.clip((scores - edge) / excess, 0, 600))
    return np.where(scores > edge, tail, np.maximum(ranks, share))


def fuse(p: MemberScores) -> Scores:
    """Stouffer's combination: the sum over the members of the normal quantile of 1 − p.

    Two members that are both surprised outweigh one that is alone (Fisher's sum follows the smallest p), yet one that
    is overwhelmed still comes through, which a mean of ranks would lose. No member is more content than p = 0.995.
    """
    return np.asarray(-torch.special.ndtri(torch.from_numpy(np.minimum(p, CONTENT))).sum(1).numpy())


def mixed(network: Surprisal, grams: Surprisal, share: float) -> Surprisal:
    """Surprisal under a mixture of two models, the network's share given."""
    with np.errstate(divide="ignore"):
        return np.asarray(-np.logaddexp(np.log(share) - network, np.log1p(-share) - grams))


def likeliest_share(network: Surprisal, grams: Surprisal) -> float:
    """The network's share in the mixture under which these events are likeliest (expectation maximisation)."""
    share = 0.5
    for _ in range(EM_STEPS):
        share = float(np.exp(np.log(max(share, 1e-9)) - network + mixed(network, grams, share)).mean())
        share = min(share, 1.0)
    return share


def _profiles(table: Encoded, width: int) -> Tensor:
    """Square roots of the shares of each event in each sequence; codes beyond `width` count as the last one."""
    rows = np.repeat(np.arange(len(table)), np.diff(table.offsets))
    cells = rows * width + np.minimum(table.columns[EVENT], width - 1)
    counts = np.bincount(cells, minlength=len(table) * width).reshape(len(table), width)
    shares = counts / np.diff(table.offsets)[:, None]
    return torch.from_numpy(np.sqrt(shares).astype(np.float32))


def _grams(codes: Int64[np.ndarray, "length"], length: int) -> Int64[np.ndarray, "grams"]:
    """Each run of `length` codes as one number (20 bits a code)."""
    count = len(codes) - length + 1
    grams = np.zeros(max(count, 0), dtype=np.int64)
    for place in range(length if count > 0 else 0):
        grams = (grams << 20) | codes[place : place + count]
    return grams
