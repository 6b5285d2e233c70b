import random

import numpy as np
import pytest

from trine.detect.cells import CELLS
from trine.detect.detector import Detector
from trine.detect.network import FoldNets
from trine.detect.recipe import DetectRecipe
from trine.detect.states import HEADER, codes_of_words
from trine.detect.surprisal import surprisals
from trine.errors import UsageError
from trine.sequences.vocabulary import EncodedTable, Vocabulary

SEQUENCES = ("abcabcabc", "ab", "cbacbzacb", "c", "bbbbaaaacccc")
CODES = Vocabulary({"event": ("a", "b", "c")})


def step(nets, vocabulary, states, words):
    """A step of a detector with these networks."""
    detector = Detector.assembled(DetectRecipe(), vocabulary=vocabulary, networks=nets)
    return detector.step(states, words["event"], **{name: of for name, of in words.items() if name != "event"})


def whole(nets, table, vocabulary):
    """Surprisals of a table, averaged over the networks; one array per sequence."""
    encoded = EncodedTable.of(table, vocabulary)
    mean = np.mean([surprisals(net, encoded)["event"] for net in nets], 0)
    return np.split(mean, table.offsets[1:-1])


@pytest.fixture
def make_nets(make_net):
    def make(cell="lstm", layers=1, folds=1, vocabulary=CODES, seed=0):
        return FoldNets([make_net(vocabulary.sizes, cell, layers, seed + i) for i in range(folds)])

    return make


@pytest.mark.parametrize("folds", [1, 3])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("cell", CELLS)
def test_steps_in_any_order_of_entities_give_the_surprisal_of_sequences(make_nets, make_table, cell, layers, folds):
    nets, table = make_nets(cell, layers, folds), make_table(*SEQUENCES)
    for net in nets:
        net.meet({"event": np.array([2, 3])})
    draw = random.Random(0)
    states, stepped = [None] * len(SEQUENCES), [[] for _ in SEQUENCES]
    while waiting := [i for i, events in enumerate(SEQUENCES) if len(stepped[i]) < len(events)]:
        chosen = draw.sample(waiting, draw.randint(1, len(waiting)))
        events = [SEQUENCES[i][len(stepped[i])] for i in chosen]
        after, surprisal = step(nets, CODES, [states[i] for i in chosen], {"event": events})
        for i, state, value in zip(chosen, after, surprisal, strict=True):
            states[i] = state
            stepped[i].append(value)
    for surprisal, expected in zip(stepped, whole(nets, table, CODES), strict=True):
        assert np.allclose(surprisal, expected, atol=1e-5)


def test_steps_with_times_and_attributes_give_the_surprisal_of_whole_sequences(make_nets, make_table):
    table = make_table("abc", times=[[0, 0.5, 100]], result=[["ok", "no", "ok"]])
    vocabulary = Vocabulary.of(table, ("time", "result"))
    nets, state, stepped = make_nets(vocabulary=vocabulary), None, []
    for event, gap, result in zip("abc", ("", "0.5", "99.5"), ("ok", "no", "ok"), strict=True):
        words = {"event": [event], "time": [gap], "result": [result]}
        (state,), (value,) = step(nets, vocabulary, [state], words)
        stepped.append(value)
    assert np.allclose(stepped, whole(nets, table, vocabulary)[0], atol=1e-5)


def test_a_step_of_no_entity_returns_nothing(make_nets):
    assert step(make_nets(), CODES, [], {"event": []}) == ([], [])


def test_the_state_is_bytes_with_a_version(make_nets):
    (state,), _ = step(make_nets(layers=2, folds=3), CODES, [None], {"event": ["a"]})
    assert isinstance(state, bytes)
    assert state[:6] == b"TRNS\x01\x00"
    assert len(state) == HEADER.size + 4 * (3 * 2 * 2 * 8)


@pytest.mark.parametrize("other", [{"cell": "gru"}, {"layers": 2}, {"folds": 2}, {"seed": 1}])
def test_a_state_of_another_model_is_refused(make_nets, other):
    (state,), _ = step(make_nets(**other), CODES, [None], {"event": ["a"]})
    with pytest.raises(UsageError, match="another model"):
        step(make_nets(), CODES, [None, state], {"event": ["a", "a"]})


@pytest.mark.parametrize(
    "damage",
    [
        lambda state: b"",
        lambda state: state[:7],
        lambda state: state[:-1],
        lambda state: state + b"\0",
        lambda state: b"XXXX" + state[4:],
        lambda state: state[:4] + b"\x02" + state[5:],
        lambda state: state[:-2] + bytes([state[-2] ^ 1]) + state[-1:],
    ],
)
def test_a_damaged_state_is_refused(make_nets, damage):
    nets = make_nets()
    (state,), _ = step(nets, CODES, [None], {"event": ["a"]})
    with pytest.raises(UsageError, match="the state is damaged"):
        step(nets, CODES, [damage(state)], {"event": ["a"]})


@pytest.mark.parametrize(
    "words",
    [{"event": ["a", "b"]}, {"event": []}, {"event": ["a"], "user": ["root"]}, {"event": ["a"], "time": ["1"]}],
)
def test_words_that_do_not_fit_the_states_or_the_model_are_wrong_use(make_nets, words):
    with pytest.raises(UsageError, match="step: "):
        step(make_nets(), CODES, [None], words)


def test_words_without_events_are_wrong_use():
    with pytest.raises(UsageError, match="step: "):
        codes_of_words(CODES, {}, 1)


def test_a_time_that_is_no_number_is_wrong_use(make_nets, make_table):
    vocabulary = Vocabulary.of(make_table("ab", times=[[0, 1]]), ("time",))
    with pytest.raises(UsageError, match="seconds"):
        step(make_nets(vocabulary=vocabulary), vocabulary, [None], {"event": ["a"], "time": ["noon"]})
