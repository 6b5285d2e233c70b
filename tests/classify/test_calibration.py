import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trine.classify.calibration import (
    RISK,
    fit_temperature,
    promise,
    reliability,
    selective_curve,
    useful_temperature,
)
from trine.measures.shares import lower_bound, wilson_interval


def drawn(count: int, classes: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits, and labels drawn from their softmax: calibrated by construction."""
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(count, classes, generator=generator)
    return logits, torch.multinomial(torch.softmax(logits, 1), 1, generator=generator)[:, 0]


@pytest.mark.parametrize("temperature", [0.25, 1.0, 3.0])
def test_a_known_temperature_is_found_again(temperature: float) -> None:
    logits, labels = drawn(20_000)
    assert fit_temperature(logits * temperature, labels) == pytest.approx(temperature, rel=0.05)


def test_a_handful_of_right_answers_does_not_make_a_network_sure_of_itself() -> None:
    logits = 3 * torch.eye(5)
    assert fit_temperature(logits, torch.arange(5)) > 0.4
    assert fit_temperature(logits.repeat(500, 1), torch.arange(5).repeat(500)) < 0.35


def test_temperatures_stay_within_their_range() -> None:
    logits, labels = drawn(100)
    always_right = 1e3 * torch.nn.functional.one_hot(labels, 5).float()
    assert 0.04 < fit_temperature(always_right, labels) < 21
    assert 0.04 < fit_temperature(torch.zeros_like(logits), labels) < 21


def test_the_error_of_calibrated_answers_is_small_and_of_boasting_ones_large() -> None:
    logits, labels = drawn(20_000)
    correct = (logits.argmax(1) == labels).numpy()
    honest = torch.softmax(logits, 1).amax(1).numpy()
    boasting = torch.softmax(4 * logits, 1).amax(1).numpy()
    assert reliability(honest, correct).error < 0.015
    assert reliability(boasting, correct).error > 0.1


def test_reliability_counts_every_answer_once_and_bears_full_certainty() -> None:
    found = reliability(np.array([0.0, 0.5, 1.0]), np.array([False, True, True]))
    assert found.share.sum() == pytest.approx(1)
    assert found.accuracy[-1] == 1


def answers(count: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Confidences, and whether answers of such confidence are right: honest ones."""
    rng = np.random.default_rng(seed)
    confidence = 1 - 0.6 * rng.random(count) ** 3
    return confidence, rng.random(count) < confidence


def test_a_promise_is_broken_no_more_often_than_said() -> None:
    everyone, truth = answers(400_000, 1)
    broken = 0
    for seed in range(200):
        promised = promise(*answers(150, seed + 2), 0.99)
        broken += truth[everyone >= promised.threshold].mean() < promised.accuracy
    assert broken <= 2 * RISK * 200


def test_what_many_right_answers_show_is_promised() -> None:
    promised = promise(np.linspace(0.5, 1, 2_000), np.ones(2_000, dtype=bool), 0.99)
    assert promised.accuracy >= 0.99
    assert promised.threshold == 0.5
    assert "99" in promised.statement(0.99)
    assert "cannot" not in promised.statement(0.99)


def test_few_right_answers_do_not_show_the_target_and_the_statement_says_what_they_show() -> None:
    promised = promise(np.linspace(0.5, 1, 40), np.ones(40, dtype=bool), 0.99)
    assert 0.8 < promised.accuracy < 0.9
    assert "99 % cannot be shown with 40 held-out pictures" in promised.statement(0.99)
    assert "at least 8" in promised.statement(0.99)


@pytest.mark.parametrize("count", [0, 1, 50])
def test_where_every_answer_is_wrong_none_is_given(count: int) -> None:
    confidence = np.linspace(0.2, 1, count)
    promised = promise(confidence, np.zeros(count, dtype=bool), 0.99)
    assert not (confidence >= promised.threshold).any()
    assert "every answer is marked abstain" in promised.statement(0.99)


def test_a_larger_target_answers_fewer_pictures() -> None:
    confidence, correct = answers(5_000)
    strict, loose = (promise(confidence, correct, target) for target in (0.95, 0.8))
    assert strict.threshold > loose.threshold
    assert correct[confidence >= strict.threshold].mean() >= 0.95


@given(st.integers(1, 300), st.integers(1, 300))
def test_shares_lie_inside_their_intervals_and_above_their_bounds(count: int, more: int) -> None:
    total = count + more
    low, high = wilson_interval(count, total)
    assert 0 < low < count / total < high < 1
    assert lower_bound(count, total, 0.05) < count / total
    assert wilson_interval(total, total)[1] == 1
    assert wilson_interval(0, total)[0] == 0


def test_intervals_and_bounds_are_those_of_the_textbooks() -> None:
    # Newcombe (1998), table I: 81 of 263 and 15 of 148; 29 right of 29 show 90 % at 5 %, as 0.9^29 < 0.05
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert lower_bound(29, 29, 0.05) > 0.9 > lower_bound(28, 28, 0.05)


def test_a_temperature_that_only_fits_its_own_pictures_is_not_applied() -> None:
    logits, labels = drawn(20, 3)
    assert useful_temperature(torch.zeros_like(logits), labels) == 1
    boasting, labels = drawn(500)
    assert useful_temperature(4 * boasting, labels) == pytest.approx(4, rel=0.2)


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_selective_curves_end_with_every_answer_given(answers: list[tuple[float, bool]]) -> None:
    confidence = np.array([value for value, _ in answers])
    correct = np.array([value for _, value in answers])
    threshold, coverage, accuracy = selective_curve(confidence, correct)
    assert np.all(np.diff(threshold) <= 0)
    assert coverage[-1] == 1
    assert accuracy[-1] == pytest.approx(correct.mean())
