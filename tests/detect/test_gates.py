import pytest
import torch

from trine.detect.inside import trace

PARTS = {
    "lstm": ["input gate", "forget gate", "output gate", "cell state", "output"],
    "gru": ["reset gate", "update gate", "output"],
    "rnn": ["output"],
}


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", PARTS)
def test_the_gates_written_out_give_the_fused_layers_output(make_net, cell, layers):
    net = make_net(cell=cell, layers=layers).eval()
    embedded = torch.randn(20, 8)
    traces = trace(net.recurrence, embedded)
    assert [part.layer for part in traces] == list(range(layers))
    assert torch.allclose(traces[-1].parts["output"], net.recurrence(embedded[None])[0][0], atol=1e-6)


@pytest.mark.parametrize("cell", PARTS)
def test_every_gate_is_named_and_lies_between_nought_and_one(make_net, cell):
    (found,) = trace(make_net(cell=cell).recurrence, 3 * torch.randn(7, 8))
    assert list(found.parts) == PARTS[cell]
    for name, values in found.parts.items():
        assert values.shape == (7, 8)
        if "gate" in name:
            assert 0 <= values.min() <= values.max() <= 1


def test_the_cell_state_is_that_of_the_fused_layer(make_net):
    net = make_net().eval()
    embedded = torch.randn(9, 8)
    assert torch.allclose(
        trace(net.recurrence, embedded)[0].parts["cell state"][-1],
        net.recurrence(embedded[None])[1][1][0, 0],
        atol=1e-6,
    )
