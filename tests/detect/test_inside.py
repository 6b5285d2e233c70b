import json

import numpy as np
import pytest
import torch

from tests.detect.conftest import encoded
from trine.detect.cells import CELLS
from trine.detect.inside import CellComparison, compare_cells, draw_reach, reach
from trine.detect.recipe import DetectRecipe
from trine.errors import DataError, UsageError
from trine.sequences.vocabulary import UNKNOWN

TINY = {"hidden": 8, "embedding": 8, "epochs": 1, "least_steps": 1, "steps": 16}


@pytest.fixture
def long_table():
    return encoded(*np.random.default_rng(0).integers(2, 12, (4, 60)))


# ---- reach


def test_open_forget_gates_reach_further_than_a_plain_layer_of_small_weights(make_net, long_table):
    lstm, plain = make_net(cell="lstm"), make_net(cell="rnn")
    with torch.no_grad():
        lstm.recurrence.bias_ih_l0.view(4, -1)[1] = 6.0
        plain.recurrence.weight_hh_l0 *= 0.3
    far = [norms[39] / norms[0] for norms in (reach(lstm, long_table, 40), reach(plain, long_table, 40))]
    assert far[0] > 1e-3
    assert far[1] < 1e-12


def test_the_norm_at_each_lag_is_that_of_the_gradient_with_respect_to_the_input_at_this_lag(make_net):
    net = make_net()
    embedded = net.embed({"event": torch.tensor([[0, 3, 4, 5, 6]])}).detach().requires_grad_(True)
    net.predict(net.recur(embedded)[0])["event"][0, -1].log_softmax(-1)[7].backward()
    expected = embedded.grad.norm(dim=-1)[0].flip(0)[:4]
    assert np.allclose(reach(net, encoded([3, 4, 5, 6, 7]), 4), expected.numpy(), atol=1e-7)


def test_an_event_that_the_network_never_met_reads_as_unknown(make_net, long_table):
    net = make_net()
    net.meet({"event": np.arange(2, 10)})
    met = [np.where(codes < 10, codes, UNKNOWN) for codes in long_table.codes]
    assert np.array_equal(reach(net, long_table, 20), reach(net, encoded(*met), 20))


def test_sequences_that_are_too_short_are_refused(make_net, long_table):
    with pytest.raises(ValueError, match="longer than 60"):
        reach(make_net(), long_table, 60)


def test_the_reach_is_drawn_as_a_png(make_net, long_table):
    assert draw_reach({"lstm": reach(make_net(), long_table, 20).tolist(), "rnn": [0.0] * 20})[:4] == b"\x89PNG"


# ---- cells compared


@pytest.mark.long
def test_every_cell_is_trained_and_drawn(programs, tmp_path):
    comparisons = compare_cells(DetectRecipe.preset(**TINY), programs, tmp_path, {"device": "cpu"})
    assert [comparison.cell for comparison in comparisons] == list(CELLS)
    assert all(comparison.gradient_at(1) == 1 and comparison.auc is not None for comparison in comparisons)
    assert (tmp_path / "cells.png").read_bytes()[:4] == b"\x89PNG"
    written = json.loads((tmp_path / "cells.json").read_text())
    assert [comparison["cell"] for comparison in written] == list(CELLS)
    assert len(written[0]["gradient"]) == len(comparisons[0].gradient)
    assert (tmp_path / "gru" / "result.json").is_file()


def test_sequences_of_one_event_have_no_reach(tmp_path):
    path = tmp_path / "short.jsonl"
    path.write_text('{"events": "a"}\n{"events": "b"}\n' * 3)
    with pytest.raises(DataError, match="no reach"):
        compare_cells(DetectRecipe.preset(**TINY), path, tmp_path / "out", {"device": "cpu"})


def test_cells_are_compared_in_one_process_only(programs, tmp_path, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="without torchrun"):
        compare_cells(DetectRecipe.preset(**TINY), programs, tmp_path / "out", {"device": "cpu"})
    assert not (tmp_path / "out").exists()


def test_a_lag_beyond_the_last_counts_as_the_last():
    assert CellComparison("rnn", 1.0, None, (2.0, 1.0)).gradient_at(50) == 0.5
