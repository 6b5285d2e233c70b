"""How strange a picture's reconstruction error is, beside those of held-out pictures of the training."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from trine.annotations import Float


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
