"""The inside of a recurrent network, written out: gates and cell state at every event of a sequence.

torch's fused layers do not show their gates, so the equations stand here as in the papers; a test holds that they give
the fused layers' output.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

Trace = Float[Tensor, "time hidden"]


@dataclass(frozen=True)
class GateTrace:
    """What happened in one layer over a sequence: each gate, the cell state, the output; by name, in order."""

    layer: int
    parts: dict[str, Trace]


@torch.inference_mode()
def trace(recurrence: nn.RNNBase, embedded: Float[Tensor, "time embedding"]) -> list[GateTrace]:
    """The gates of every layer over one sequence of embedded events."""
    walk = {nn.LSTM: _lstm, nn.GRU: _gru, nn.RNN: _rnn}[type(recurrence)]
    traces, inputs = [], embedded
    for layer in range(recurrence.num_layers):
        weights = [getattr(recurrence, f"{kind}_l{layer}") for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
        parts = walk(inputs, *weights)
        traces.append(GateTrace(layer, parts))
        inputs = parts["output"]
    return traces


def _lstm(inputs: Tensor, w_input: Tensor, w_hidden: Tensor, b_input: Tensor, b_hidden: Tensor) -> dict[str, Trace]:
    """Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000)."""
    hidden = cell = torch.zeros(w_hidden.shape[1])
    rows: dict[str, list[Tensor]] = {
        "input gate": [],
        "forget gate": [],
        "output gate": [],
        "cell state": [],
        "output": [],
    }
    for given in inputs @ w_input.T + b_input + b_hidden:
        i, f, g, o = (given + w_hidden @ hidden).chunk(4)
        i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
        cell = f * cell + i * g
        hidden = o * cell.tanh()
        for values, value in zip(rows.values(), (i, f, o, cell, hidden), strict=True):
            values.append(value)
    return {name: torch.stack(values) for name, values in rows.items()}


def _gru(inputs: Tensor, w_input: Tensor, w_hidden: Tensor, b_input: Tensor, b_hidden: Tensor) -> dict[str, Trace]:
    """Cho et al. (2014), in the variant that torch computes."""
    hidden = torch.zeros(w_hidden.shape[1])
    rows: dict[str, list[Tensor]] = {"reset gate": [], "update gate": [], "output": []}
    for given in inputs @ w_input.T + b_input:
        reset_x, update_x, new_x = given.chunk(3)
        reset_h, update_h, new_h = (w_hidden @ hidden + b_hidden).chunk(3)
        reset, update = (reset_x + reset_h).sigmoid(), (update_x + update_h).sigmoid()
        hidden = update * hidden + (1 - update) * (new_x + reset * new_h).tanh()
        for values, value in zip(rows.values(), (reset, update, hidden), strict=True):
            values.append(value)
    return {name: torch.stack(values) for name, values in rows.items()}


def _rnn(inputs: Tensor, w_input: Tensor, w_hidden: Tensor, b_input: Tensor, b_hidden: Tensor) -> dict[str, Trace]:
    """Elman (1990): no gate at all."""
    hidden, outputs = torch.zeros(w_hidden.shape[1]), []
    for given in inputs @ w_input.T + b_input + b_hidden:
        hidden = (given + w_hidden @ hidden).tanh()
        outputs.append(hidden)
    return {"output": torch.stack(outputs)}
