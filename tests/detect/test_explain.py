import json

import numpy as np
import pytest

from tests.texts import written
from trine.detect.explain import draw_surprise, explain
from trine.detect.members import MEMBERS

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def odd(detector, programs):
    """Three spliced runs."""
    table = detector.read(programs).split("test")
    return table.rows(np.flatnonzero(table.labels == 1)[:3])


def test_the_foreign_events_are_among_the_most_surprising(detector, odd):
    for explanation in explain(detector, odd):
        assert explanation.flagged
        top = sorted(explanation.events, key=lambda event: -event.surprisal)[:6]
        assert "ptrace" in {event.event for event in top}


def test_each_event_has_the_events_that_were_expected_instead(detector, odd):
    first = explain(detector, odd)[0]
    event = first.events[6]
    assert event.event == "ptrace"
    probabilities = [probability for _, probability in event.expected]
    assert probabilities == sorted(probabilities, reverse=True)
    assert sum(probabilities) <= 1 + 1e-6
    assert "ptrace" not in {word for word, _ in event.expected}
    likely = first.events[2]
    assert likely.expected[0][1] == pytest.approx(np.exp(-likely.surprisal), abs=0.2)


def test_the_nearest_normal_sequence_is_a_training_sequence(detector, odd, programs):
    names = set(detector.read(programs).split("train").names)
    assert all(explanation.nearest_normal in names for explanation in explain(detector, odd))


def test_without_a_member_that_compares_counts_no_nearest_sequence_is_named(make_detector, programs, odd):
    model = make_detector(programs, members=["network"], epochs=1, folds=1)
    assert [explanation.nearest_normal for explanation in explain(model, odd)] == [None] * 3


def test_the_loudest_member_has_the_smallest_p_value_and_its_meaning_is_given(detector, odd):
    for explanation in explain(detector, odd):
        assert explanation.members[explanation.loudest] == min(explanation.members.values())
        assert explanation.says == MEMBERS[explanation.loudest].says


def test_an_explanation_agrees_with_the_finding_and_is_json(detector, odd):
    for explanation, finding in zip(explain(detector, odd), detector.score(odd), strict=True):
        assert (explanation.name, explanation.p_value) == (finding.name, pytest.approx(finding.p_value))
        assert (explanation.flagged, explanation.loudest) == (finding.flagged, finding.loudest)
        assert json.loads(json.dumps(explanation.as_json()))["name"] == finding.name


def test_where_a_sequence_may_end_its_end_is_expected(detector, make_table):
    (explanation,) = explain(detector, make_table([*["fork", "exec", "wait"] * 6, "ptrace"]))
    assert "(end)" in {word for word, _ in explanation.events[-1].expected}
    assert not any("(begin)" in word for event in explanation.events for word, _ in event.expected)


def test_system_calls_that_the_data_gives_by_number_are_named(make_detector, make_table, tmp_path):
    make_table(["5", "3", "6"] * 4, ["5", "4", "6"] * 4, ["5", "3", "3", "6"] * 3)
    (tmp_path / "table.jsonl").rename(tmp_path / "calls.jsonl")
    model = make_detector(tmp_path / "calls.jsonl", epochs=1)
    model = model.replaced(data={**model.data, "name": "adfa-ld"})
    (explanation,) = explain(model, make_table(["5", "3", "999999"]))
    assert [event.event for event in explanation.events] == ["open", "read", "999999"]
    names = {word for word, _ in explanation.events[0].expected}
    assert names <= {"open", "read", "write", "close", "(end)", "(unknown)"}


def test_the_events_that_count_are_each_named_once_and_never_seen_ones_come_first(detector, make_table):
    (explanation,) = explain(detector, make_table([*["fork", "exec", "wait"] * 6, "martian", "martian", "ptrace"]))
    words = [event.event for event in explanation.most_important]
    assert len(words) == len(set(words))
    assert set(words[:2]) == {"martian", "ptrace"}
    assert [event.never_seen for event in explanation.most_important[:3]] == [True, True, False]
    assert explanation.most_important[words.index("martian")].count == 2


def test_a_long_sequence_is_explained_in_bounded_memory(detector, make_table):
    (explanation,) = explain(detector, make_table([*["fork", "exec", "wait"] * 4_000, "ptrace"]))
    assert len(explanation.events) < 100
    assert explanation.most_important[0].position == 12_000


@pytest.mark.parametrize("word", ["$x_{", "cost $1 of $2^", "a\\b", "%", ""])
def test_any_word_can_be_drawn(detector, make_table, word):
    table = make_table(["open", word or "<*>", "close"], name=[f"run {word}"])
    assert draw_surprise(explain(detector, table)[0])[:4] == PNG


@pytest.mark.parametrize("word", ["ptrace", "a message of very many words " * 9, "猫 " * 60])
def test_texts_beside_the_surprisal_are_large_and_apart(detector, make_table, word):
    table = make_table(["open", "read", word, "read", "close", word, "martian", "close"], name=["a long name " * 20])
    with written() as texts:
        draw_surprise(explain(detector, table)[0])
    texts.check()
    assert {"1", "2", "3"} <= set(texts.texts)
