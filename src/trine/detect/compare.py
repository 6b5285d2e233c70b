"""RNN, GRU and LSTM side by side: how well each learns, and how far back each remembers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trine import files
from trine.detect.detector import Detector
from trine.detect.memory import REACH, draw_reach, reach
from trine.detect.recipe import DetectRecipe
from trine.detect.surprisal import Encoded
from trine.errors import DataError

CELLS = ("rnn", "gru", "lstm")


@dataclass(frozen=True)
class Comparison:
    """What one cell came to."""

    cell: str
    surprisal: float
    auc: float | None
    gradient: tuple[float, ...]
    """Norm of the gradient at 1, 2, … events back."""

    def gradient_at(self, lag: int) -> float:
        """The norm so many events back, as a share of the norm one event back."""
        return self.gradient[min(lag, len(self.gradient)) - 1] / max(self.gradient[0], 1e-30)


def compare_cells(recipe: DetectRecipe, data: str | Path, out: Path, training: dict[str, Any]) -> list[Comparison]:
    """Train each cell on the same data with the same settings, under `out`; draws cells.png and writes cells.json."""
    found = []
    for cell in CELLS:
        model = Detector(recipe=recipe.changed(cell=cell, folds=1)).fit(data, **{**training, "out": out / cell})
        assert model.result is not None
        table = model.open(data, training.get("data_dir"), model.recipe).folds[0][1]
        longest = int(table.lengths.max())
        if longest < 2:
            raise DataError(f"{table.name}: the held-out sequences have one event each: there is no reach to compare")
        norms = reach(next(iter(model.model)), Encoded.of(table, model.vocabulary), min(REACH, longest - 1))
        metrics = model.result.metrics
        found.append(Comparison(cell, metrics["mean_surprisal"], metrics.get("auc"), tuple(norms.tolist())))
    files.write_bytes(out / "cells.png", draw_reach({one.cell: one.gradient for one in found}))
    files.write_json(out / "cells.json", files.rounded([one.__dict__ for one in found]))
    return found
