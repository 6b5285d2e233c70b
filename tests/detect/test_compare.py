import json

import pytest

from trine.detect.inside import CellComparison, compare_cells
from trine.detect.recipe import DetectRecipe
from trine.errors import DataError

TINY = {"hidden": 8, "embedding": 8, "epochs": 1, "least_steps": 1, "steps": 16}


def test_the_cells_are_trained_and_drawn_side_by_side(programs, tmp_path):
    found = compare_cells(DetectRecipe.preset(**TINY), programs, tmp_path, {"device": "cpu"})
    assert [one.cell for one in found] == ["rnn", "gru", "lstm"]
    assert all(one.gradient_at(1) == 1 and one.auc is not None for one in found)
    assert (tmp_path / "cells.png").read_bytes()[:4] == b"\x89PNG"
    written = json.loads((tmp_path / "cells.json").read_text())
    assert [one["cell"] for one in written] == ["rnn", "gru", "lstm"]
    assert len(written[0]["gradient"]) == len(found[0].gradient)
    assert (tmp_path / "gru" / "result.json").is_file()


def test_sequences_of_one_event_have_no_reach(tmp_path):
    path = tmp_path / "short.jsonl"
    path.write_text('{"events": "a"}\n{"events": "b"}\n' * 3)
    with pytest.raises(DataError, match="no reach"):
        compare_cells(DetectRecipe.preset(**TINY), path, tmp_path / "out", {"device": "cpu"})


def test_a_lag_beyond_the_last_is_the_last():
    assert CellComparison("rnn", 1.0, None, (2.0, 1.0)).gradient_at(50) == 0.5
