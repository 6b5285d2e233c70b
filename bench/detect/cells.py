"""RNN, GRU and LSTM on hostlab: surprisal, and gradient norm over the distance in events. Cost on one core: 1 min."""

import argparse
from typing import Any

from bench.support import page, record

LAGS = (1, 5, 10, 20, 50, 100)
SETTINGS = {"hidden": 64, "embedding": 64, "epochs": 4}


def table(figures: dict[str, Any]) -> list[str]:
    """The table of docs/inside/recurrence.md."""
    lags = list(figures["cells"]["lstm"]["gradient"])[1:]
    head = ("cell", "surprisal, nats", *(f"{lag} back" for lag in lags))
    rows = [
        (name.upper(), f"{row['surprisal']:.3f}", *(f"{row['gradient'][lag]:.1e}" for lag in lags))
        for name, row in figures["cells"].items()
    ]
    return page.table(head, rows)


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    out = record.RUNS / "cells-hostlab"
    words = [*record.set_to(**SETTINGS), *["--resume"] * any(out.glob("*/recipe.json"))]
    cells, _ = record.trine("detect", "fit", "hostlab", "--compare-cells", "--no-test", "--out", out, *words)
    rows = {
        cell["cell"]: {
            "surprisal": cell["surprisal"],
            "gradient": {str(lag): cell["gradient"][lag - 1] / cell["gradient"][0] for lag in LAGS},
        }
        for cell in cells
    }
    figures = {"data": "hostlab", "seeds": 1, "settings": SETTINGS, "cells": rows}
    record.keep("detect-cells", "python -m bench.detect.cells", figures)
