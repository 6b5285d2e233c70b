"""`Realised`: what the sessions that have ended say of the calibration: share with a finding, distribution of p-values.

If normal activity is as in the calibration, p-values of sessions that have ended are uniform, but for the few sessions
that are strange. What is kept of them are counts in equal bins. The distance to the uniform distribution is that of
Kolmogorov and Smirnov, and its p-value takes into account that the calibration was a sample too. Sessions that are
alike have the same p-value, up to which the share of p-values is uniform but below which it is not: shares are compared
at the p-values that occur.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from trine.measures.shares import wilson_interval
from trine.plurals import quantity

BINS: Final = 100
DRIFTED: Final = 0.001
"""p-value of the distance from which on it is said: with thousands of sessions, small ones are no chance either."""
FAR: Final = 0.1
"""Distance from which on it is said."""
TERMS: Final = 100
"""Terms of the series of Kolmogorov's distribution."""


def bin_of(p_value: float) -> int:
    """Index of the bin of a p-value, from 0."""
    return min(BINS - 1, max(0, math.ceil(p_value * BINS - 1e-9) - 1))


@dataclass(frozen=True)
class Realised:
    """The sessions that have ended."""

    sessions: int
    found: int
    """Number of them with a finding."""
    target: float
    """Share of normal sessions that may have one: the threshold of the p-value."""
    distance: float
    """Largest difference between the share of p-values up to one that occurs, and this p-value."""
    p_value: float
    """Probability of such a distance where nothing has changed since the calibration."""

    @classmethod
    def of(cls, bins: Mapping[int, int], found: int, target: float, calibrated_on: int) -> "Realised":
        """Of numbers of sessions by the bins of their p-values; at least one session."""
        sessions = sum(bins.values())
        up_to, distance = 0, 0.0
        for index in sorted(bins):
            up_to += bins[index]
            distance = max(distance, abs(up_to / sessions - (index + 1) / BINS))
        both = sessions * calibrated_on / (sessions + calibrated_on)
        return cls(sessions, found, target, distance, kolmogorov(distance * math.sqrt(both)))

    @property
    def share(self) -> float:
        """Share of the sessions with a finding."""
        return self.found / self.sessions

    @property
    def drifted(self) -> bool:
        """Whether the p-values are far from uniform, and not by chance."""
        return self.distance >= FAR and self.p_value <= DRIFTED

    def line(self) -> str:
        """The figures for a person."""
        low, high = wilson_interval(self.found, self.sessions)
        told = f"findings in {100 * self.share:.2f} % of {quantity(self.sessions, 'session')} that ended"
        told += f" ({100 * low:.2f} to {100 * high:.2f}), target {100 * self.target:g} %"
        told += f"; p-values differ from uniform ones by {self.distance:.2f} (p = {self.p_value:.2g})"
        advice = "; activity is not that of the calibration: look at the findings, then `trine detect recalibrate`"
        return told + (advice if self.drifted else "")

    def as_json(self) -> dict[str, Any]:
        """The figures as a JSON object."""
        return {**vars(self), "share": self.share, "drifted": self.drifted}


def kolmogorov(scaled: float) -> float:
    """Probability of a larger distance, times the root of the number of values, by Kolmogorov's limit (1933)."""
    if scaled < 0.2:  # it is 1 to 12 digits there, and the series converges slowly
        return 1.0
    signs = (1.0 if k % 2 else -1.0 for k in range(1, TERMS))
    terms = (sign * math.exp(-2 * (k * scaled) ** 2) for k, sign in enumerate(signs, 1))
    return min(1.0, max(0.0, 2 * sum(terms)))
