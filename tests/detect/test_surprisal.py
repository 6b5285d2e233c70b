import numpy as np
import pytest
import torch

from trine.detect import padding, surprisal
from trine.detect.cells import CELLS
from trine.detect.padding import sequence_means
from trine.detect.surprisal import surprisals
from trine.sequences.vocabulary import EncodedTable


@pytest.fixture
def ragged():
    draw = np.random.default_rng(0)
    lengths = draw.integers(1, 30, 12)
    return EncodedTable({"event": draw.integers(2, 12, lengths.sum())}, np.concatenate([[0], np.cumsum(lengths)]))


def surprisal_alone(net, codes):
    """Surprisal of the events of one sequence."""
    logits = net({"event": torch.from_numpy(np.concatenate([[0], codes[:-1]]))[None]})[0]["event"][0]
    return -logits.log_softmax(-1)[torch.arange(len(codes)), torch.from_numpy(codes)].detach().numpy()


@pytest.mark.parametrize("cell", CELLS)
def test_padding_does_not_change_the_surprisal_of_an_event(make_net, ragged, cell):
    net = make_net(cell=cell)
    expected = np.concatenate([surprisal_alone(net, codes) for codes in ragged.codes])
    assert np.allclose(surprisals(net, ragged)["event"], expected, atol=1e-5)


def test_small_batches_give_the_same_surprisal(make_net, ragged, monkeypatch):
    net = make_net()
    whole = surprisals(net, ragged)["event"]
    monkeypatch.setattr(padding, "BATCH_EVENTS", 10)
    assert np.allclose(surprisals(net, ragged)["event"], whole, atol=1e-5)


def test_events_that_were_never_met_have_a_finite_surprisal(make_net, ragged):
    net = make_net()
    net.meet({"event": np.array([2, 3])})
    assert np.isfinite(surprisals(net, ragged)["event"]).all()


def test_means_are_over_each_sequence():
    assert sequence_means(np.array([1.0, 3.0, 5.0]), np.array([0, 2, 3])).tolist() == [2.0, 5.0]


@pytest.mark.parametrize("cell", CELLS)
def test_long_sequences_are_read_in_pieces_with_the_state_carried_over(make_net, ragged, monkeypatch, cell):
    net = make_net(cell=cell, layers=2)
    whole = surprisals(net, ragged)["event"]
    monkeypatch.setattr(surprisal, "LOGITS", 5 * net.codes)
    assert np.allclose(surprisals(net, ragged)["event"], whole, atol=1e-5)


def test_no_more_logits_than_allowed_are_computed_at_once(make_net, monkeypatch):
    net, seen = make_net(sizes={"event": 5_000}), []
    monkeypatch.setattr(surprisal, "LOGITS", 100_000)
    net.register_forward_hook(lambda module, inputs, outputs: seen.append(outputs[0]["event"].numel()))
    surprisals(net, EncodedTable({"event": np.full(3_000, 2)}, np.array([0, 2_000, 2_500, *range(2_501, 3_001)])))
    assert max(seen) <= 100_000
