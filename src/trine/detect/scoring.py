"""From the members' scores to one p-value a sequence.

Each member's score becomes a p-value among held-out normal sequences; the p-values are fused by a fixed rule; the fused
score has a p-value of its own. No attack has a say in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from trine.bundle import part
from trine.detect.conformal import MemberScores, Reference, least_of_a_bucket
from trine.detect.members import MEMBERS, Scores, Surprisal
from trine.detect.surprisal import Encoded

CONTENT = 0.995
"""The largest p-value that is fused."""


class Panel:
    """The members of one fold: fitted to its training sequences, calibrated on its held-out ones."""

    def __init__(self, names: Sequence[str], least: int) -> None:
        self.members, self.least = [MEMBERS[name]() for name in names], least
        self.reference = Reference(np.zeros((0, len(self.members))), np.zeros(0, np.int64))
        self.fused_reference = np.zeros(0)

    def fit(self, train: Encoded, held_out: Encoded, surprisal: Surprisal) -> None:
        """Let every member learn from normal sequences, and keep the scores of held-out ones."""
        for member in self.members:
            member.fit(train)
        self.calibrate(self.raw(held_out, surprisal), held_out.lengths)

    def calibrate(self, raw: MemberScores, lengths: Int64[np.ndarray, "sequences"]) -> None:
        """Take these scores of held-out normal sequences, of these lengths, for what is normal."""
        self.reference = Reference(raw, lengths, self.least)
        self.fused_reference = np.sort(fuse(self.reference.own_p_values()))

    def raw(self, table: Encoded, surprisal: Surprisal) -> MemberScores:
        """The members' scores."""
        return np.stack([member.score(table, surprisal) for member in self.members], 1)

    def stranger(self, fused: Scores) -> Int64[np.ndarray, "sequences"]:
        """How many held-out sequences are at least as strange."""
        return len(self.fused_reference) - np.searchsorted(self.fused_reference, fused, side="left")

    def tensors(self) -> dict[str, Tensor]:
        """All that was learned, under the members' names."""
        own = {"raw": torch.from_numpy(self.reference.raw), "lengths": torch.from_numpy(self.reference.lengths)}
        return own | {f"{m.name}.{name}": value for m in self.members for name, value in m.tensors().items()}

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take back what `tensors` gave."""
        self.calibrate(tensors["raw"].numpy(), tensors["lengths"].numpy())
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
    """A panel a fold, and their common judgement: cross-conformal prediction (Vovk, 2015).

    `share` is that of normal sequences which may be flagged.
    """

    def __init__(self, names: Sequence[str], folds: int, share: float) -> None:
        self.names = tuple(names)
        self.panels = [Panel(names, least_of_a_bucket(share)) for _ in range(folds)]

    @property
    def calibrated_on(self) -> int:
        """Held-out normal sequences of all folds."""
        return sum(len(panel.fused_reference) for panel in self.panels)

    def judge(self, table: Encoded, surprisals: Sequence[Surprisal]) -> Judged:
        """Scores and p-values of a table; `surprisals` are the folds' networks'."""
        raw = [panel.raw(table, surprisal) for panel, surprisal in zip(self.panels, surprisals, strict=True)]
        p = [panel.reference.p_values(r, table.lengths) for panel, r in zip(self.panels, raw, strict=True)]
        fused = [fuse(of_fold) for of_fold in p]
        stranger = [panel.stranger(scores) for panel, scores in zip(self.panels, fused, strict=True)]
        return Judged(
            raw=np.mean(raw, 0),
            member_p=np.mean(p, 0),
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


def fuse(p: MemberScores) -> Scores:
    """Stouffer's combination: the sum over the members of the normal quantile of 1 − p.

    Two members that are both surprised outweigh one that is alone (Fisher's sum follows the smallest p), yet one that
    is overwhelmed still comes through, which a mean of ranks would lose. No member is more content than p = 0.995.
    """
    return np.asarray(-torch.special.ndtri(torch.from_numpy(np.minimum(p, CONTENT))).sum(1).numpy())
