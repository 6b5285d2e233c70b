"""From the members' scores to one p-value per sequence.

Each member's score becomes a p-value among held-out normal sequences. A fixed rule fuses the p-values to one score.
This score becomes a p-value among held-out normal sequences too. No step uses abnormal sequences.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from trine.annotations import Bool, Float64, Int64
from trine.bundle import part
from trine.detect.evidence import Evidence, Surprisal
from trine.detect.member import Member
from trine.detect.members import MEMBERS, sources
from trine.detect.ngrams import NGrams
from trine.measures.conformal import EQUAL, MemberScores, Reference, References, Scores, smallest_bucket
from trine.sequences.vocabulary import EVENT, EncodedTable

LARGEST_P = 0.995
"""Largest p-value in Stouffer's sum; larger ones count as this one: a typical score shall not cancel an alarm."""

NetworkSurprisal = Mapping[str, Surprisal]
"""A network's surprisal of the events of a table, per column; empty without a network."""
Weights = tuple[float, ...]


def stouffer(p: MemberScores, weights: Weights) -> Scores:
    """Stouffer's combination: the sum over the members of the normal quantile of 1 − p, all weights equal.

    Two members that are both surprised outweigh one that is surprised alone. But each ordinary member lowers the sum:
    with many members, several typical scores cancel one extreme one.
    """
    quantiles = np.frompyfunc(NormalDist().inv_cdf, 1, 1)(np.minimum(p, LARGEST_P))
    return -np.asarray(quantiles.astype(np.float64).sum(1))


def harmonic(p: MemberScores, weights: Weights) -> Scores:
    """Minus the logarithm of the p-values' weighted harmonic mean (Wilson, 2019), which may depend on each other.

    It follows the smallest p-value, divided by its share of the weights: nothing cancels what is extreme to one member,
    and a member of small weight says nothing until its p-value is small.
    """
    shares = np.array(weights) / sum(weights)
    return np.asarray(np.log((shares / p).sum(1)))


FUSIONS: dict[str, Callable[[MemberScores, Weights], Scores]] = {"stouffer": stouffer, "harmonic": harmonic}
"""Rules that fuse p-values, one column and one weight per member, to one score; a higher one is stranger."""
FORMER_FUSION = "stouffer"
"""The rule of bundles that do not name one."""
FUSION = "harmonic"
"""The rule of new detectors. It was chosen on normal sequences and synthetic deviations (bench/notes/detect.md)."""


@dataclass(frozen=True, eq=False)
class Panel:
    """The members of one fold: fitted to its training sequences, calibrated on its held-out sequences."""

    members: tuple[Member, ...]
    reference: Reference
    fusion: str
    """Name of the rule in `FUSIONS`."""
    fused_reference: Scores
    """Fused scores of the held-out sequences, in rising order."""
    grams: NGrams | None = None
    """The n-gram model that the members read, or that explains the events where there is no network."""

    @classmethod
    def fitted(
        cls,
        names: Sequence[str],
        smallest: int,
        train: EncodedTable,
        held_out: EncodedTable,
        columns: NetworkSurprisal,
        fusion: str = FUSION,
        grams: NGrams | None = None,
    ) -> "Panel":
        """Fit every member to `train`, and take their scores of `held_out` as the reference.

        smallest   smallest number of normal sequences per length bucket
        columns    the network's surprisal of the held-out events; empty without a network
        grams      the n-grams of `train`, if they are counted already
        """
        needs_grams = "ngrams" in sources(tuple(names)) or not columns
        grams = (grams or NGrams.counted(train)) if needs_grams else None
        evidence = _evidence(held_out, columns, grams)
        members = tuple(MEMBERS[name].fitted(train, evidence) for name in names)
        reference = Reference(_raw(members, evidence), held_out.lengths, smallest, units(members))
        return cls.calibrated(members, reference, fusion, grams)

    @classmethod
    def calibrated(
        cls, members: tuple[Member, ...], reference: Reference, fusion: str = FUSION, grams: NGrams | None = None
    ) -> "Panel":
        """Fitted members with a reference of held-out normal sequences."""
        fused = FUSIONS[fusion](reference.own_p_values(), weights(members))
        return cls(members, reference, fusion, np.sort(fused), grams)

    def fuse(self, p: MemberScores) -> Scores:
        """The members' p-values as one score."""
        return FUSIONS[self.fusion](p, weights(self.members))

    def evidence(self, table: EncodedTable, columns: NetworkSurprisal) -> Evidence:
        """What the members read of a table."""
        return _evidence(table, columns, self.grams)

    def raw(self, evidence: Evidence) -> MemberScores:
        """The members' scores of a table's sequences."""
        return _raw(self.members, evidence)

    def at_least_as_strange(self, fused: Scores) -> Int64[np.ndarray, "sequences"]:
        """Number of held-out sequences that are at least as strange, for each fused score."""
        return len(self.fused_reference) - np.searchsorted(self.fused_reference, fused - EQUAL)

    def arrays(self) -> dict[str, np.ndarray]:
        """The reference's scores and lengths, the n-grams, and each member's arrays."""
        own = {"raw": self.reference.raw, "lengths": self.reference.lengths}
        grams = self.grams.arrays() if self.grams else {}
        own |= {f"{GRAMS}.{name}": value for name, value in grams.items()}
        return own | {f"{m.name}.{name}": value for m in self.members for name, value in m.arrays().items()}

    @classmethod
    def of_arrays(
        cls, names: Sequence[str], smallest: int, arrays: dict[str, np.ndarray], fusion: str = FUSION
    ) -> "Panel":
        """The panel with these arrays."""
        members = tuple(MEMBERS[name].of_arrays(part(arrays, name)) for name in names)
        reference = Reference(arrays["raw"], arrays["lengths"], smallest, units(members))
        return cls.calibrated(members, reference, fusion, _grams(arrays))


@dataclass(frozen=True)
class EnsembleScores:
    """An ensemble's scores and p-values of the sequences of a table."""

    raw: MemberScores
    """Each member's score, averaged over the folds."""
    member_p: MemberScores
    """Each member's p-value, averaged over the folds."""
    fused: Scores
    """Fused score, averaged over the folds; a higher one is stranger."""
    p_value: Scores
    """Cross-conformal p-value: the share of all held-out normal sequences that are at least as strange.

    Where the most recent sequences have another rate, the larger of it and the share of those.
    """
    surprisal: dict[str, Surprisal]
    """Surprisal of every event per column in nats, averaged over the folds: of the network, or else of the n-grams."""

    def strangest_first(self, begins: Scores) -> Int64[np.ndarray, "sequences"]:
        """Indices of the sequences by p-value, equal ones by score, then by their begin in seconds, NaN if unknown.

        All sequences that are stranger than every held-out one have the same p-value, the smallest that is possible.
        """
        return np.lexsort((begins, -self.fused, self.p_value))

    @classmethod
    def joined(cls, parts: "Sequence[EnsembleScores]") -> "EnsembleScores":
        """The scores of consecutive parts of a table as those of the table."""
        if len(parts) == 1:
            return parts[0]
        return cls(
            raw=np.concatenate([part.raw for part in parts]),
            member_p=np.concatenate([part.member_p for part in parts]),
            fused=np.concatenate([part.fused for part in parts]),
            p_value=np.concatenate([part.p_value for part in parts]),
            surprisal={name: np.concatenate([part.surprisal[name] for part in parts]) for name in parts[0].surprisal},
        )


@dataclass(frozen=True)
class TableScores:
    """A detector's scores of the sequences of a table."""

    ensemble: EnsembleScores
    flagged: Bool[np.ndarray, "sequences"]
    strangest_first: Int64[np.ndarray, "sequences"]
    """Indices of the sequences by p-value, then by score, then by time."""
    surprisal: Float64[np.ndarray, "events"]
    """Surprisal of each event in nats, averaged over the networks."""
    seconds: float
    """Time that scoring took."""


@dataclass(frozen=True, eq=False)
class Ensemble:
    """One panel per fold, combined by cross-conformal prediction (Vovk, 2015)."""

    names: tuple[str, ...]
    """Names of the members."""
    panels: tuple[Panel, ...]
    recent: References | None = None
    """Fused scores of the most recent normal sequences under the last panel, in rising order, where they differ from
    the others: a new sequence must be strange among these too."""

    @property
    def calibrated_on(self) -> int:
        """Number of held-out normal sequences over all folds."""
        return sum(len(panel.fused_reference) for panel in self.panels)

    @property
    def reads_network(self) -> bool:
        """Whether a member reads the surprisal of the network."""
        return bool(sources(self.names) & {"network", "attributes"})

    def scores(self, table: EncodedTable, columns: Sequence[NetworkSurprisal] = ()) -> EnsembleScores:
        """Scores and p-values of a table; `columns` has the surprisal of each fold's network, if there are any."""
        read = zip(self.panels, columns or [{}] * len(self.panels), strict=True)
        evidence = [panel.evidence(table, of_fold) for panel, of_fold in read]
        raw = [panel.raw(of_fold) for panel, of_fold in zip(self.panels, evidence, strict=True)]
        p = [panel.reference.p_values(r, table.lengths) for panel, r in zip(self.panels, raw, strict=True)]
        fused = [panel.fuse(of_fold) for panel, of_fold in zip(self.panels, p, strict=True)]
        return EnsembleScores(
            raw=np.mean(raw, 0),
            member_p=np.mean(p, 0),
            fused=np.mean(fused, 0),
            p_value=self._p_values(fused),
            surprisal=_mean_surprisal(evidence),
        )

    def _p_values(self, fused: Sequence[Scores]) -> Scores:
        stranger = [panel.at_least_as_strange(scores) for panel, scores in zip(self.panels, fused, strict=True)]
        p = (1 + np.sum(stranger, 0)) / (1 + self.calibrated_on)
        return p if self.recent is None else np.asarray(np.maximum(p, share_at_least(self.recent, fused[-1])))

    def arrays(self) -> dict[str, np.ndarray]:
        """The panels' arrays, by the fold's index."""
        recent = {} if self.recent is None else {"recent": self.recent}
        return recent | {f"{i}.{k}": v for i, panel in enumerate(self.panels) for k, v in panel.arrays().items()}

    @classmethod
    def of_arrays(
        cls, names: Sequence[str], folds: int, share: float, arrays: dict[str, np.ndarray], fusion: str = FUSION
    ) -> "Ensemble":
        """The ensemble with these arrays; `share` is the share of normal sequences that may be flagged."""
        smallest = smallest_bucket(share)
        return cls(
            tuple(names),
            tuple(Panel.of_arrays(names, smallest, part(arrays, str(fold)), fusion) for fold in range(folds)),
            arrays.get("recent"),
        )


GRAMS = "grams"
"""Name of the n-grams among a panel's arrays; earlier versions kept them with the members that read them."""


def share_at_least(reference: References, fused: Scores) -> Scores:
    """Conformal p-values: the share of the rising reference that is at least as strange, itself included."""
    return np.asarray((1 + len(reference) - np.searchsorted(reference, fused - EQUAL)) / (1 + len(reference)))


def units(members: Sequence[Member]) -> tuple[float, ...]:
    """The members' units of their p-values' tails."""
    return tuple(member.unit for member in members)


def weights(members: Sequence[Member]) -> Weights:
    """The members' weights in the fusion."""
    return tuple(member.weight for member in members)


def _grams(arrays: dict[str, np.ndarray]) -> NGrams | None:
    own = next((own for name in (GRAMS, "either", "ngrams") if (own := part(arrays, name))), None)
    return NGrams.of_arrays(own) if own else None


def _evidence(table: EncodedTable, columns: NetworkSurprisal, grams: NGrams | None) -> Evidence:
    return Evidence(table, columns, grams.surprisal(table) if grams else None)


def _mean_surprisal(evidence: Sequence[Evidence]) -> dict[str, Surprisal]:
    if evidence[0].columns:
        return {name: np.mean([each.columns[name] for each in evidence], 0) for name in evidence[0].columns}
    return {EVENT: np.mean([each.events.ngrams for each in evidence], 0)}


def _raw(members: Sequence[Member], evidence: Evidence) -> MemberScores:
    return np.stack([member.score(evidence) for member in members], 1)
