import numpy as np
import pytest
import torch

from trine.detect.cells import CELLS
from trine.detect.network import FoldNets, SequenceDropout
from trine.sequences.vocabulary import BEGIN, UNKNOWN


@pytest.mark.parametrize("cell", CELLS)
def test_a_sequence_cut_in_two_gives_the_same_logits_if_the_state_is_carried(make_net, cell):
    net = make_net(cell=cell, layers=2)
    events = torch.randint(0, 12, (3, 10))
    whole, _ = net({"event": events})
    first, state = net({"event": events[:, :4]})
    second, _ = net({"event": events[:, 4:]}, state)
    assert torch.allclose(torch.cat([first["event"], second["event"]], 1), whole["event"], atol=1e-6)


def test_a_code_that_never_occurred_in_training_reads_as_unknown(make_net):
    net = make_net()
    net.meet({"event": np.array([2, 5, 5])})
    codes = net.recognise({"event": torch.arange(12)[None]})["event"][0].tolist()
    assert codes == [BEGIN, UNKNOWN, 2, UNKNOWN, UNKNOWN, 5, *[UNKNOWN] * 6]


def test_dropout_sets_a_unit_to_zero_for_a_whole_piece():
    dropped = SequenceDropout(0.5)(torch.ones(4, 9, 64))
    assert set(dropped.unique().tolist()) == {0.0, 2.0}
    assert (dropped == dropped[:, :1]).all()
    assert not (dropped[0] == dropped[1]).all()
    assert (SequenceDropout(0.5).eval()(torch.ones(1, 2, 3)) == 1).all()


def test_forget_gates_start_open(make_net):
    bias = make_net(layers=2).recurrence.bias_ih_l1
    assert (bias.view(4, 8)[1] == 1).all()


@pytest.mark.parametrize("column", ["type", "keys", "a.b", "training", "", "event codes"])
def test_a_column_may_have_any_name(make_net, column):
    net = make_net({"event": 5, column: 7})
    columns = {"event": torch.ones(1, 3, dtype=torch.long), column: torch.ones(1, 3, dtype=torch.long)}
    assert net(net.recognise(columns))[0][column].shape == (1, 3, 7)


def test_every_column_influences_every_prediction(make_net):
    net = make_net({"event": 5, "result": 7})
    columns = {"event": torch.full((1, 3), 2), "result": torch.full((1, 3), 2)}
    before = net(columns)[0]["event"]
    after = net({**columns, "result": torch.full((1, 3), 3)})[0]["event"]
    assert not torch.allclose(before, after)


def test_each_network_of_the_folds_reads_its_own_piece(make_net):
    nets = FoldNets([make_net(seed=0), make_net(seed=1)]).eval()
    pieces = [{"event": torch.full((1, 4), 3)}, {"event": torch.full((1, 4), 5)}]
    outputs = nets(pieces, [None, None])
    for net, piece, (logits, _) in zip(nets, pieces, outputs, strict=True):
        assert torch.equal(logits["event"], net(piece)[0]["event"])
