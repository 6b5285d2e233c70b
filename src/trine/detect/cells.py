"""The recurrent cells, each registered once: torch's layer and the equations of one step.

torch's fused layers do not return their gates, so the equations are written out here; a test checks them against the
fused layers. This module does not import torch: recipes and the command line read the names of the cells.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

Step = Callable[["Tensor", "Tensor", Mapping[str, "Tensor"]], dict[str, "Tensor"]]
"""(W x + b, U h + c, values at time t − 1) -> values at time t by name: gates, cell state if any, output."""


@dataclass(frozen=True)
class Cell:
    """A recurrent layer."""

    layer: str
    """Name of the class in `torch.nn`."""
    step: Step
    """Equations of one step."""
    onnx_order: tuple[int, ...]
    """For each gate of ONNX's operator of the same name, the index of its block among torch's weights."""
    onnx_settings: Mapping[str, int] = field(default_factory=dict)
    """Attributes of that operator with which it computes the same."""
    open_gate: int | None = None
    """Index of the forget gate among the blocks of the bias. Its bias starts at 1 (Jozefowicz et al., 2015)."""


def _lstm(x: "Tensor", h: "Tensor", before: Mapping[str, "Tensor"]) -> dict[str, "Tensor"]:
    """Hochreiter and Schmidhuber (1997), with the forget gate of Gers et al. (2000)."""
    i, f, g, o = (x + h).chunk(4)
    i, f, o = i.sigmoid(), f.sigmoid(), o.sigmoid()
    cell = f * before["cell state"] + i * g.tanh()
    return {"input gate": i, "forget gate": f, "output gate": o, "cell state": cell, "output": o * cell.tanh()}


def _gru(x: "Tensor", h: "Tensor", before: Mapping[str, "Tensor"]) -> dict[str, "Tensor"]:
    """Cho et al. (2014), in the variant that torch computes: the reset gate acts on U h + c."""
    (reset_x, update_x, new_x), (reset_h, update_h, new_h) = x.chunk(3), h.chunk(3)
    reset, update = (reset_x + reset_h).sigmoid(), (update_x + update_h).sigmoid()
    output = update * before["output"] + (1 - update) * (new_x + reset * new_h).tanh()
    return {"reset gate": reset, "update gate": update, "output": output}


def _rnn(x: "Tensor", h: "Tensor", before: Mapping[str, "Tensor"]) -> dict[str, "Tensor"]:
    """Elman (1990): no gate."""
    return {"output": (x + h).tanh()}


CELLS: dict[str, Cell] = {
    "lstm": Cell("LSTM", _lstm, onnx_order=(0, 3, 1, 2), open_gate=1),
    "gru": Cell("GRU", _gru, onnx_order=(1, 0, 2), onnx_settings={"linear_before_reset": 1}),
    "rnn": Cell("RNN", _rnn, onnx_order=(0,)),
}

if TYPE_CHECKING:
    CellName = str
else:
    CellName = Literal[*CELLS]
