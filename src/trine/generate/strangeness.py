"""How strange a picture's reconstruction error is, beside those of held-out pictures of the training."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from trine.annotations import Float
from trine.errors import UsageError


@dataclass(frozen=True)
class Strangeness:
    """One picture's reconstruction error, and its place among those of held-out pictures."""

    error: float
    """Mean squared error, with levels from 0 to 1."""
    percentile: float | None
    """Percentage of held-out pictures with a smaller error; None for models of former versions, which keep none."""
    p_value: float | None
    """Share of held-out pictures at least as strange, in either direction: small for an unfamiliar picture, and for
    an empty one, whose error is far too small."""

    def rarer_than(self, share: float) -> bool:
        """Whether it is an anomaly, where at most this share of pictures like the held-out ones may be called so."""
        return self.p_value is not None and self.p_value <= share


def check_false_alarms(share: float, held_out: int) -> None:
    """Raise `UsageError` for a share of false alarms that so many held-out pictures cannot show."""
    if not 0 < share < 1:
        raise UsageError(f"--false-alarms {share:g}: give a share between 0 and 1, such as 0.01")
    if share * (held_out + 1) < 2:
        least = f"give at least {2 / (held_out + 1):.2g}" if held_out > 2 else "train it again, on more"
        raise UsageError(f"--false-alarms {share:g}: the model has {held_out:,} held-out pictures to compare: {least}")


def strangeness(errors: Iterable[float], held_out: Float[np.ndarray, "n"]) -> list[Strangeness]:
    """Each error beside those of held-out pictures, ascending.

    The p-value is twice that of the nearer end: (1 + pictures beyond the error) / (1 + pictures), as of a conformal
    test. With n held-out pictures none is below 2 / (n + 1).
    """
    count = len(held_out)
    if not count:
        return [Strangeness(error, None, None) for error in errors]
    found = []
    for error in errors:
        below, up_to = (int(held_out.searchsorted(error, side)) for side in ("left", "right"))
        nearer = min(1 + up_to, 1 + count - below) / (count + 1)
        found.append(Strangeness(float(error), 100 * below / count, min(1.0, 2 * nearer)))
    return found
