from collections import Counter

import numpy as np
import pytest

import trine.detect.ngrams as module
from tests.detect.conftest import encoded
from trine.detect.ngrams import NOVELTY, ORDER, NGrams
from trine.sequences.vocabulary import BEGIN, UNKNOWN


def fitted(*sequences):
    return NGrams.counted(encoded(*sequences))


def witten_bell(train, history, event):
    """Witten and Bell's probability of an event after a history, computed from the longest context to the shortest."""
    counts = Counter(
        tuple(run[end - n : end])
        for run in ([BEGIN, *sequence] for sequence in train)
        for n in range(1, ORDER + 1)
        for end in range(max(n, 2), len(run) + 1)
    )
    known = {event for sequence in train for event in sequence}

    def probability(context):
        after = {gram[-1]: count for gram, count in counts.items() if gram[:-1] == context}
        lower = probability(context[1:]) if context else 1 / (len(known) + 1)
        total, new = sum(after.values()), len(after) * (NOVELTY if context else 1)
        return (after.get(event, 0) + new * lower) / (total + new) if total else lower

    return probability(tuple(history[1 - ORDER :]))


def test_the_probabilities_are_those_of_witten_and_bell():
    draw = np.random.default_rng(0)
    train = [draw.integers(2, 6, length).tolist() for length in (9, 1, 14, 5, 30)]
    new = [*draw.integers(2, 6, 20).tolist(), 7, 2, 3]
    codes = [BEGIN, *(event if event < 6 else UNKNOWN for event in new)]
    expected = [witten_bell(train, codes[: i + 1], codes[i + 1]) for i in range(len(new))]
    assert np.exp(-fitted(*train).surprisal(encoded(new))) == pytest.approx(expected)


def test_the_probabilities_of_all_events_sum_to_one():
    train = [[2, 3, 4, 2, 3], [4, 4, 2, 3, 5]]
    model = fitted(*train)
    for history in ([], [2], [2, 3], [9, 3], [4, 4, 2, 3, 5, 2, 3]):
        probabilities = [np.exp(-model.surprisal(encoded([*history, event]))[-1]) for event in (2, 3, 4, 5, 99)]
        assert sum(probabilities) == pytest.approx(1)


def test_new_n_grams_are_more_surprising_and_unknown_events_the_most():
    model = fitted(*[[2, 3, 4, 5] * 6] * 5)
    usual, repeated, unknown = (model.surprisal(encoded([2, 3, event]))[-1] for event in (4, 2, 99))
    assert usual < repeated < unknown < np.inf


def test_no_n_gram_crosses_the_end_of_a_sequence():
    model = fitted([2, 3], [4, 5], [2, 3])
    apart = [model.surprisal(encoded(part)) for part in ([2, 3], [4, 5])]
    assert model.surprisal(encoded([2, 3], [4, 5])) == pytest.approx(np.concatenate(apart))


def test_scoring_piece_by_piece_gives_the_same(monkeypatch):
    draw = np.random.default_rng(0)
    table = encoded(*(draw.integers(2, 9, draw.integers(1, 40)) for _ in range(30)))
    model = fitted(*draw.integers(2, 9, (10, 30)))
    whole = model.surprisal(table)
    monkeypatch.setattr(module, "PIECE", 25)
    assert np.array_equal(model.surprisal(table), whole)


def test_longer_n_grams_are_left_out_when_they_are_too_many(monkeypatch):
    train = np.random.default_rng(0).integers(2, 9, (10, 30))
    monkeypatch.setattr(module, "MOST", 60)
    model = fitted(*train)
    assert [len(counts.keys) <= 60 for counts in model.longer] == [True]
    assert np.isfinite(model.surprisal(encoded(*train))).all()


def test_sequences_of_one_event_are_counted():
    assert np.isfinite(fitted([2], [3]).surprisal(encoded([2], [3], [2, 3], [9]))).all()


def test_the_likeliest_events_have_the_probabilities_of_witten_and_bell():
    draw = np.random.default_rng(0)
    train = [draw.integers(2, 6, length).tolist() for length in (9, 14, 5, 30)]
    new = [2, 3, 9, 4, 4, 5]
    codes, probabilities = fitted(*train).likeliest(encoded(new), 3)
    known = [BEGIN, *(event if event < 6 else UNKNOWN for event in new)]
    for i in range(len(new)):
        expected = {event: witten_bell(train, known[: i + 1], event) for event in range(2, 6)}
        best = sorted(expected, key=expected.__getitem__, reverse=True)[:3]
        assert probabilities[i] == pytest.approx([expected[event] for event in best])
        assert [expected[code] for code in codes[i]] == pytest.approx([expected[event] for event in best])
