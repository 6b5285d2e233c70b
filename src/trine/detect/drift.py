"""Whether normal behaviour drifts: the false alarms on the most recent normal sequences, which no network has seen.

The last fold holds them out, beside sequences from before. Calibrated on those from before, it shows the rate that a
detector would have had in its first days of use, without a training of its own.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool

from trine.detect.scoring import Panel, share_at_least
from trine.measures.conformal import Reference, References
from trine.measures.shares import share_interval


@dataclass(frozen=True)
class Drift:
    """False alarms on the most recent normal sequences."""

    fpr: float
    """Share of them that would have been flagged."""
    fpr_interval: tuple[float, float]
    """95 % interval of that share."""
    normal: int
    """Number of most recent sequences."""
    stricter: bool
    """Whether their own threshold is used as well: the share is too large, and they are enough to set one."""

    def line(self, share: float) -> str:
        """The finding in words, for `share` of the normal sequences that may be flagged."""
        what = f"the most recent {self.normal:,} normal sequences have {100 * self.fpr:.1f} % false alarms"
        return f"{what} for a target of {100 * share:g} %: normal behaviour drifts; " + (
            "the threshold is set so that they have no more than the target"
            if self.stricter
            else f"more than {self.normal:,} are needed to set the threshold by them; train again often"
        )

    def as_json(self) -> dict[str, Any]:
        """The figures as a JSON object."""
        return {**asdict(self), "fpr_interval": list(self.fpr_interval)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Drift":
        """The figures that `as_json` wrote."""
        low, high = document["fpr_interval"]
        return cls(**{**document, "fpr_interval": (low, high)})


def measured(panel: Panel, recent: Bool[np.ndarray, "held_out"], share: float) -> Drift | None:
    """The drift of a fold's most recent held-out sequences; None if the others are too few to show such a share."""
    all_held_out = panel.reference
    if share * (1 + int((~recent).sum())) < 1:
        return None
    before = Reference(
        all_held_out.raw[~recent], all_held_out.lengths[~recent], all_held_out.smallest, all_held_out.units
    )
    reference = np.sort(panel.fuse(before.own_p_values()))
    fused = panel.fuse(before.p_values(all_held_out.raw[recent], all_held_out.lengths[recent]))
    alarms, count = int((share_at_least(reference, fused) <= share).sum()), int(recent.sum())
    interval = share_interval(alarms, count)
    return Drift(alarms / count, interval, count, bool(interval[0] > share and share * (1 + count) >= 1))


def drifts(drift: Drift, share: float) -> bool:
    """Whether the share of false alarms is beyond what chance explains."""
    return drift.fpr_interval[0] > share


def fused_scores(panel: Panel, recent: Bool[np.ndarray, "held_out"]) -> References:
    """Fused scores of the most recent sequences as held-out sequences of the fold, in rising order."""
    return np.sort(panel.fuse(panel.reference.own_p_values())[recent])
