"""Gates and cell state, drawn."""

import numpy as np
import pytest
import torch

from tests.texts import written
from trine.detect.explain import explain
from trine.detect.gates import draw_gates, draw_unit, telling, window


@pytest.fixture(scope="module")
def odd(detector, programs):
    """A spliced run."""
    table = detector.read(programs).split("test")
    return table.rows(np.flatnonzero(table.labels == 1)[:1])


def test_the_gates_and_the_states_of_many_units_are_named(detector, odd):
    with written() as texts:
        draw_gates(detector, odd)
    texts.check()
    assert {"input gate", "forget gate", "output gate", "cell state", "output", "event"} <= set(texts.texts)


def test_one_unit_is_drawn_over_the_events_with_their_names(detector, odd):
    (explanation,) = explain(detector, odd)
    with written() as texts:
        draw_unit(detector, odd, explanation, most=12)
    texts.check()
    assert {"input\ngate", "forget\ngate", "output\ngate", "cell\nstate", "nats"} <= set(texts.texts)
    shown = [odd.vocabulary[odd.events[place]] for place in window(np.array(explanation.course), 12)]
    assert "ptrace" in shown
    assert [text for text in texts.texts if text in odd.vocabulary] == shown


@pytest.mark.parametrize("words", [["very many words " * 9, "猫 " * 60, "very many wor" * 9], ["open"]])
def test_any_names_of_events_are_apart_on_the_axis(detector, make_table, words):
    table = make_table([*["open", "read", "read", "close"] * 8, *words])
    with written() as texts:
        draw_unit(detector, table, explain(detector, table)[0])
    texts.check()


@pytest.mark.parametrize(("cell", "gates"), [("gru", 2), ("rnn", 0)])
def test_a_cell_without_a_cell_state_shows_its_output(make_detector, programs, odd, cell, gates):
    model = make_detector(programs, cell=cell, epochs=1, folds=1, members=["network"])
    with written() as texts:
        draw_unit(model, odd, explain(model, odd)[0])
    assert "output" in texts.texts
    assert sum(text.endswith("gate") for text in texts.texts) == gates


def test_the_telling_unit_holds_its_state_and_then_changes_it():
    flickers = torch.tensor([1.0, -1.0] * 5)
    remembers = torch.tensor([1.0] * 5 + [-0.9] * 5)
    assert telling(torch.stack([torch.zeros(10), flickers, remembers], 1)) == 2
    assert telling(torch.zeros(1, 3)) == 0


def test_the_window_holds_the_most_surprising_event():
    for place in (0, 7, 99):
        surprisal = np.zeros(100)
        surprisal[place] = 1
        shown = window(surprisal, 30)
        assert place in shown
        assert len(shown) == 30
    assert window(np.ones(4), 30) == range(4)
