from typing import get_args

import pytest
import torch

from trine.detect.cells import CELLS, CellName
from trine.detect.inside import trace
from trine.detect.recipe import DetectRecipe

VALUES = {
    "lstm": ["input gate", "forget gate", "output gate", "cell state", "output"],
    "gru": ["reset gate", "update gate", "output"],
    "rnn": ["output"],
}


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_the_equations_give_the_output_of_the_fused_layers(make_net, cell, layers):
    net = make_net(cell=cell, layers=layers)
    embedded = torch.randn(20, 8)
    traces = trace(net, embedded)
    assert [traced.layer for traced in traces] == list(range(layers))
    assert torch.allclose(traces[-1].values["output"], net.recurrence(embedded[None])[0][0], atol=1e-6)


def test_the_equations_give_the_cell_state_of_the_fused_layer(make_net):
    net = make_net()
    embedded = torch.randn(9, 8)
    _, (_, cell_state) = net.recurrence(embedded[None])
    assert torch.allclose(trace(net, embedded)[0].values["cell state"][-1], cell_state[0, 0], atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_every_gate_is_named_and_lies_between_zero_and_one(make_net, cell):
    (traced,) = trace(make_net(cell=cell), 3 * torch.randn(7, 8))
    assert list(traced.values) == VALUES[cell]
    for name, values in traced.values.items():
        assert values.shape == (7, 8)
        if "gate" in name:
            assert 0 <= values.min() <= values.max() <= 1


def test_a_registered_cell_is_a_layer_of_torch_a_setting_and_a_choice_of_the_command_line(make_net, trine):
    assert {name: type(make_net(cell=name).recurrence).__name__ for name in CELLS} == {
        "lstm": "LSTM",
        "gru": "GRU",
        "rnn": "RNN",
    }
    assert get_args(CellName) == tuple(CELLS)
    assert [DetectRecipe(cell=name).cell for name in CELLS] == list(CELLS)
    refused = trine("detect", "fit", "hostlab", "--cell", "transformer")
    assert refused.status == 2
    assert all(f'"{name}"' in refused.err for name in CELLS), "the message lists the choices"
