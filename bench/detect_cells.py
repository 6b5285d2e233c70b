"""RNN, GRU and LSTM on hostlab: what each learns, and how far back each remembers. Cost on one core: 1 min."""

import record

LAGS = (1, 5, 10, 20, 50, 100)
SETTINGS = {"hidden": 64, "embedding": 64, "epochs": 4}

if __name__ == "__main__":
    out = record.RUNS / "cells-hostlab"
    words = [*record.set_to(**SETTINGS), *["--resume"] * (out / "rnn" / "recipe.json").exists()]
    found, _ = record.trine("detect", "fit", "hostlab", "--compare-cells", "--no-test", "--out", out, *words)
    rows = {
        one["cell"]: {
            "surprisal": one["surprisal"],
            "gradient": {str(lag): one["gradient"][lag - 1] / one["gradient"][0] for lag in LAGS},
        }
        for one in found
    }
    figures = {"data": "hostlab", "seeds": 1, "settings": SETTINGS, "cells": rows}
    record.keep("detect-cells", "python bench/detect_cells.py", figures)
