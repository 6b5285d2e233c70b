"""From the members' scores to one p-value per sequence.

Each member's score becomes a p-value among held-out normal sequences. A fixed rule fuses the p-values to one score.
This score becomes a p-value among held-out normal sequences too. No step uses abnormal sequences.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from trine.bundle import part
from trine.detect.members import MEMBERS, Member, Surprisal
from trine.measures.conformal import MemberScores, Reference, Scores, smallest_bucket
from trine.sequences.vocabulary import EncodedTable

LARGEST_P = 0.995
"""Largest p-value that is fused; larger ones count as this one, so that a typical score cannot cancel an alarm."""


@dataclass(frozen=True, eq=False)
class Panel:
    """The members of one fold: fitted to its training sequences, calibrated on its held-out sequences."""

    members: tuple[Member, ...]
    reference: Reference
    fused_reference: Scores
    """Fused scores of the held-out sequences, in rising order."""

    @classmethod
    def fitted(
        cls, names: Sequence[str], smallest: int, train: EncodedTable, held_out: EncodedTable, surprisal: Surprisal
    ) -> "Panel":
        """Fit every member to `train`, and take their scores of `held_out` as the reference.

        smallest    smallest number of normal sequences per length bucket
        surprisal   the network's surprisal of the held-out events, in nats
        """
        members = tuple(MEMBERS[name].fitted(train) for name in names)
        return cls.calibrated(members, Reference(_raw(members, held_out, surprisal), held_out.lengths, smallest))

    @classmethod
    def calibrated(cls, members: tuple[Member, ...], reference: Reference) -> "Panel":
        """Fitted members with a reference of held-out normal sequences."""
        return cls(members, reference, np.sort(fuse(reference.own_p_values())))

    def raw(self, table: EncodedTable, surprisal: Surprisal) -> MemberScores:
        """The members' scores of a table's sequences."""
        return _raw(self.members, table, surprisal)

    def at_least_as_strange(self, fused: Scores) -> Int64[np.ndarray, "sequences"]:
        """Number of held-out sequences that are at least as strange, for each fused score."""
        return len(self.fused_reference) - np.searchsorted(self.fused_reference, fused, side="left")

    def tensors(self) -> dict[str, Tensor]:
        """The reference's scores and lengths, and each member's tensors."""
        own = {"raw": torch.from_numpy(self.reference.raw), "lengths": torch.from_numpy(self.reference.lengths)}
        return own | {f"{m.name}.{name}": value for m in self.members for name, value in m.tensors().items()}

    @classmethod
    def of_tensors(cls, names: Sequence[str], smallest: int, tensors: dict[str, Tensor]) -> "Panel":
        """The panel with these tensors."""
        members = tuple(MEMBERS[name].of_tensors(part(tensors, name)) for name in names)
        return cls.calibrated(members, Reference(tensors["raw"].numpy(), tensors["lengths"].numpy(), smallest))


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
    """Cross-conformal p-value: the share of all held-out normal sequences that are at least as strange."""


@dataclass(frozen=True)
class TableScores:
    """A detector's scores of the sequences of a table."""

    ensemble: EnsembleScores
    flagged: Bool[np.ndarray, "sequences"]
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

    @property
    def calibrated_on(self) -> int:
        """Number of held-out normal sequences over all folds."""
        return sum(len(panel.fused_reference) for panel in self.panels)

    def scores(self, table: EncodedTable, surprisals: Sequence[Surprisal]) -> EnsembleScores:
        """Scores and p-values of a table; `surprisals` has one array per fold, of its network."""
        raw = [panel.raw(table, surprisal) for panel, surprisal in zip(self.panels, surprisals, strict=True)]
        p = [panel.reference.p_values(r, table.lengths) for panel, r in zip(self.panels, raw, strict=True)]
        fused = [fuse(of_fold) for of_fold in p]
        stranger = [panel.at_least_as_strange(scores) for panel, scores in zip(self.panels, fused, strict=True)]
        return EnsembleScores(
            raw=np.mean(raw, 0),
            member_p=np.mean(p, 0),
            fused=np.mean(fused, 0),
            p_value=(1 + np.sum(stranger, 0)) / (1 + self.calibrated_on),
        )

    def tensors(self) -> dict[str, Tensor]:
        """The panels' tensors, by the fold's index."""
        return {f"{fold}.{k}": v for fold, panel in enumerate(self.panels) for k, v in panel.tensors().items()}

    @classmethod
    def of_tensors(cls, names: Sequence[str], folds: int, share: float, tensors: dict[str, Tensor]) -> "Ensemble":
        """The ensemble with these tensors; `share` is the share of normal sequences that may be flagged."""
        smallest = smallest_bucket(share)
        return cls(
            tuple(names),
            tuple(Panel.of_tensors(names, smallest, part(tensors, str(fold))) for fold in range(folds)),
        )


def fuse(p: MemberScores) -> Scores:
    """Stouffer's combination: the sum over the members of the normal quantile of 1 − p.

    Two members that are both surprised outweigh one that is surprised alone (Fisher's sum follows the smallest p). Yet
    one extreme p-value still raises the sum, which a mean of ranks would hide.
    """
    return np.asarray(-torch.special.ndtri(torch.from_numpy(np.minimum(p, LARGEST_P))).sum(1).numpy())


def _raw(members: Sequence[Member], table: EncodedTable, surprisal: Surprisal) -> MemberScores:
    return np.stack([member.score(table, surprisal) for member in members], 1)
