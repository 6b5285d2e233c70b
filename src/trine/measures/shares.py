"""Intervals and bounds of a share that was counted: so many of so many."""

import math

NORMAL_95 = 1.959964
"""Standard deviations of a normal distribution within which 95 % of it lie."""


def wilson_interval(count: int, total: int) -> tuple[float, float]:
    """95 % interval of a share (Wilson, 1927): it holds its share for few samples, and is never empty."""
    if not total:
        return 0.0, 1.0
    share, z2 = count / total, NORMAL_95**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = NORMAL_95 / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2))
    low = 0.0 if not count else centre - half
    return max(0.0, low), 1.0 if count == total else min(1.0, centre + half)


def share_interval(count: int, total: int) -> tuple[float, float]:
    """95 % Clopper-Pearson interval of a share."""
    from scipy.special import betaincinv

    high = float(betaincinv(count + 1, total - count, 0.975)) if count < total else 1.0
    return lower_bound(count, total, 0.025), high


def lower_bound(count: int, total: int, risk: float) -> float:
    """Share that is exceeded except with probability `risk`: the one-sided bound of Clopper and Pearson (1934)."""
    from scipy.special import betaincinv  # scipy.stats has it too, and takes a second to import

    return float(betaincinv(count, total - count + 1, risk)) if count else 0.0
