import numpy as np
import pytest
import torch

from trine.detect.inside import draw_reach, reach
from trine.detect.surprisal import EncodedTable


@pytest.fixture
def long_table():
    codes = np.random.default_rng(0).integers(2, 12, 4 * 60)
    return EncodedTable({"event": codes}, np.arange(0, 241, 60))


def test_open_forget_gates_reach_further_than_a_plain_layer_of_small_weights(make_net, long_table):
    lstm, plain = make_net(cell="lstm"), make_net(cell="rnn")
    with torch.no_grad():
        lstm.recurrence.bias_ih_l0.view(4, -1)[1] = 6.0
        plain.recurrence.weight_hh_l0 *= 0.3
    far = [norms[39] / norms[0] for norms in (reach(lstm, long_table, 40), reach(plain, long_table, 40))]
    assert far[0] > 1e-3
    assert far[1] < 1e-12


def test_the_norm_at_each_lag_is_the_gradient_by_the_input_so_far_back(make_net):
    net = make_net().eval()
    codes = np.array([3, 4, 5, 6, 7])
    embedded = net.embed({"event": torch.tensor([[0, 3, 4, 5, 6]])}).detach().requires_grad_(True)
    net.predict(net.recur(embedded)[0])["event"][0, -1].log_softmax(-1)[7].backward()
    expected = embedded.grad.norm(dim=-1)[0].flip(0)[:4]
    found = reach(net, EncodedTable({"event": codes}, np.array([0, 5])), 4)
    assert np.allclose(found, expected.numpy(), atol=1e-7)


def test_sequences_that_are_too_short_are_refused(make_net, long_table):
    with pytest.raises(ValueError, match="longer than 60"):
        reach(make_net(), long_table, 60)


def test_the_picture_is_a_png(make_net, long_table):
    assert draw_reach({"lstm": reach(make_net(), long_table, 20).tolist(), "rnn": [0.0] * 20})[:4] == b"\x89PNG"
