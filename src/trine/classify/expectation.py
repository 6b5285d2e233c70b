"""Measured accuracies of named sets at known compute, from expected.json, for the forecast of a training."""

import json
from functools import cache
from pathlib import Path


@cache
def known(name: str) -> list[tuple[float, float, float]]:
    """(PFLOP, lowest and highest test accuracy over seeds) of each measured preset, by rising compute."""
    document = json.loads((Path(__file__).parent / "expected.json").read_text(encoding="utf-8"))
    return [(row["pflop"], row["low"], row["high"]) for row in document.get(name, [])]


def expected_accuracy(name: str, pflop: float) -> str:
    """A clause for the forecast, such as `; test accuracy 93.9 to 94.2 %`; empty for an unknown set."""
    rows = known(name)
    below = [row for row in rows if row[0] <= 1.1 * pflop]
    above = [row for row in rows if row[0] >= 0.9 * pflop]
    if below and above:
        return f"; test accuracy {100 * below[-1][1]:.1f} to {100 * above[0][2]:.1f} %"
    if below:
        return f"; test accuracy {100 * below[-1][1]:.1f} % or more"
    return f"; test accuracy up to {100 * above[0][2]:.1f} %" if above else ""
