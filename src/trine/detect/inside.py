"""The inside of a recurrent network: its gates over a sequence, how far back it remembers, and the cells compared."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int64
from torch import Tensor

from trine import files
from trine.detect.cells import CELLS, Cell
from trine.detect.detector import Detector
from trine.detect.folds import split_normal
from trine.detect.network import EventNet
from trine.detect.recipe import DetectRecipe
from trine.device import choose
from trine.drawing import figure, png, styled
from trine.errors import DataError, UsageError
from trine.logs.readers import Sources
from trine.sequences.vocabulary import BEGIN, EVENT, UNKNOWN, EncodedTable

REACH = 100
"""Largest lag of the reach, in events."""
SEQUENCES = 32
"""Number of sequences over which the reach is averaged: the longest ones."""

Trace = Float[Tensor, "time hidden"]


@dataclass(frozen=True)
class LayerTrace:
    """Gates, cell state and output of one layer over the events of a sequence, by name."""

    layer: int
    values: dict[str, Trace]


@torch.inference_mode()
def trace(network: EventNet, embedded: Float[Tensor, "time embedding"]) -> list[LayerTrace]:
    """The values inside every layer over one sequence of embedded events."""
    traces, inputs, cell, recurrence = [], embedded, CELLS[network.cell], network.recurrence
    for layer in range(recurrence.num_layers):
        weights = [getattr(recurrence, f"{kind}_l{layer}") for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        traces.append(LayerTrace(layer, _layer_values(cell, inputs, *weights)))
        inputs = traces[-1].values["output"]
    return traces


def reach(network: EventNet, table: EncodedTable, lags: int = REACH) -> Float64[np.ndarray, "lags"]:
    """Mean norm of ∂ surprisal(t) / ∂ input(t − k) for k = 1 … `lags`, over the longest sequences.

    In a plain recurrent layer this gradient shrinks or grows by about the same factor per step: it vanishes or explodes
    (Bengio et al., 1994). Gates preserve it. Raises `ValueError` when no sequence is longer than `lags`.
    """
    long = [codes for codes in table.codes if len(codes) > lags]
    if not long:
        raise ValueError(f"no sequence is longer than {lags} events")
    chosen = np.stack([codes[: lags + 1] for codes in sorted(long, key=len, reverse=True)[:SEQUENCES]]).astype(np.int64)
    padded = torch.from_numpy(np.pad(chosen, ((0, 0), (1, 0)), constant_values=BEGIN))
    columns = {name: padded if name == EVENT else torch.full_like(padded, UNKNOWN) for name in network.columns}
    events = network.recognise(columns)[EVENT]
    inputs = {name: values[:, :-1] for name, values in {**columns, EVENT: events}.items()}
    return backwards(network, inputs, events[:, -1]).mean(0)[:lags].double().numpy()


def backwards(
    network: EventNet, inputs: dict[str, Tensor], then: Int64[Tensor, "batch"]
) -> Float[Tensor, "batch length"]:
    """Norms of ∂ surprisal of the event after each sequence / ∂ each of its inputs, the last input first."""
    with torch.enable_grad():
        embedded = network.embed(inputs).detach().requires_grad_(True)
        logits = network.predict(network.recur(embedded)[0])[EVENT]
        after = torch.nn.functional.cross_entropy(logits[:, -1], then, reduction="sum")
        (gradient,) = torch.autograd.grad(after, embedded)
    norms: Tensor = gradient.norm(dim=-1).flip(1)
    return norms


@dataclass(frozen=True)
class CellComparison:
    """Figures of one cell."""

    cell: str
    surprisal: float
    """Mean surprisal of the events of the evaluated split, in nats."""
    auc: float | None
    """Area under the ROC curve; None without a test split that has abnormal sequences."""
    gradient: tuple[float, ...]
    """The cell's `reach`: norm of the gradient at lags of 1, 2, … events."""

    def gradient_at(self, lag: int) -> float:
        """Norm at a lag, relative to the norm at lag 1; a lag beyond the last counts as the last."""
        return self.gradient[min(lag, len(self.gradient)) - 1] / max(self.gradient[0], 1e-30)


def compare_cells(recipe: DetectRecipe, data: Sources, out: Path, training: dict[str, Any]) -> list[CellComparison]:
    """Train every cell on the same data with the same settings, under `out`; writes cells.png and cells.json there.

    training   further arguments of `Detector.fit`
    Raises `DataError` when the held-out sequences have one event each, `UsageError` under torchrun.
    """
    if choose(training.get("device", "auto"), recipe.precision).world > 1:
        raise UsageError("--compare-cells trains in one process: start it without torchrun")
    comparisons = []
    for cell in CELLS:
        alone = recipe.changed(cell=cell, folds=1, members=["network"])
        model = Detector(recipe=alone).fit(data, **{**training, "out": out / cell})
        assert model.result is not None
        table = model.read(data, training.get("data_dir"))
        held_out = split_normal(table, model.recipe).folds[0].held_out
        longest = int(held_out.lengths.max())
        if longest < 2:
            raise DataError(
                f"{held_out.name}: the held-out sequences have one event each: there is no reach to compare"
            )
        encoded = EncodedTable.of(held_out, model.vocabulary)
        norms = reach(next(iter(model.networks)), encoded, min(REACH, longest - 1))
        metrics = model.result.metrics
        comparisons.append(CellComparison(cell, metrics["mean_surprisal"], metrics.get("auc"), tuple(norms.tolist())))
    files.write_bytes(out / "cells.png", draw_reach({each.cell: each.gradient for each in comparisons}))
    files.write_json(out / "cells.json", files.rounded([vars(each) for each in comparisons]))
    return comparisons


@styled
def draw_reach(curves: Mapping[str, Sequence[float]]) -> bytes:
    """A line chart of each cell's reach; the axis of the norm is logarithmic."""
    drawn, axes = figure(width=8, height=4.8)
    for name, norms in curves.items():
        axes.plot(np.arange(1, len(norms) + 1), np.maximum(norms, 1e-12), label=name)
    axes.set(yscale="log", xlabel="events back", ylabel="norm of the gradient", title="how far back the cells remember")
    axes.legend()
    return png(drawn)


def _layer_values(
    cell: Cell, inputs: Tensor, w_input: Tensor, w_hidden: Tensor, b_input: Tensor, b_hidden: Tensor
) -> dict[str, Trace]:
    zeros = w_hidden.new_zeros(w_hidden.shape[1])
    values: dict[str, Tensor] = {"cell state": zeros, "output": zeros}
    steps = []
    for x in inputs @ w_input.T + b_input:
        values = cell.step(x, w_hidden @ values["output"] + b_hidden, values)
        steps.append(values)
    return {name: torch.stack([step[name] for step in steps]) for name in steps[0]}
