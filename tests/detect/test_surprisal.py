import numpy as np
import pytest
import torch

from trine.detect import surprisal
from trine.detect.surprisal import EncodedTable, sequence_means, surprisals


@pytest.fixture
def ragged():
    draw = np.random.default_rng(0)
    lengths = draw.integers(1, 30, 12)
    return EncodedTable({"event": draw.integers(2, 12, lengths.sum())}, np.concatenate([[0], np.cumsum(lengths)]))


def by_hand(net, codes):
    logits = net.eval()({"event": torch.from_numpy(np.concatenate([[0], codes[:-1]]))[None]})[0]["event"][0]
    return -logits.log_softmax(-1)[torch.arange(len(codes)), torch.from_numpy(codes)].detach().numpy()


@pytest.mark.parametrize("cell", ["lstm", "gru", "rnn"])
def test_each_event_has_the_surprisal_it_has_in_its_sequence_alone(make_net, ragged, cell):
    net = make_net(cell=cell)
    expected = np.concatenate([by_hand(net, codes) for codes in ragged.codes])
    assert np.allclose(surprisals(net, ragged)["event"], expected, atol=1e-5)


def test_small_batches_give_the_same(make_net, ragged, monkeypatch):
    net = make_net()
    whole = surprisals(net, ragged)["event"]
    monkeypatch.setattr(surprisal, "BATCH_EVENTS", 10)
    assert np.allclose(surprisals(net, ragged)["event"], whole, atol=1e-5)


def test_never_seen_events_are_surprising_but_finite(make_net, ragged):
    net = make_net()
    net.meet({"event": np.array([2, 3])})
    assert np.isfinite(surprisals(net, ragged)["event"]).all()


def test_means_are_over_each_sequence():
    assert sequence_means(np.array([1.0, 3.0, 5.0]), np.array([0, 2, 3])).tolist() == [2.0, 5.0]
