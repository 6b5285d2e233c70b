import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trine.classify.calibration import Novelty, abstain_threshold, fit_temperature, reliability, selective_curve


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


def test_answers_above_the_threshold_are_as_accurate_as_asked() -> None:
    logits, labels = drawn(5_000)
    confidence, correct = torch.softmax(logits, 1).amax(1).numpy(), (logits.argmax(1) == labels).numpy()
    threshold = abstain_threshold(confidence, correct, 0.8)
    given_answers = correct[confidence >= threshold]
    assert given_answers.mean() >= 0.8
    looser = abstain_threshold(confidence, correct, 0.75)
    assert looser < threshold


def test_at_least_half_the_answers_are_given_however_wrong_they_are() -> None:
    confidence = np.linspace(0.2, 0.9, 100)
    threshold = abstain_threshold(confidence, np.zeros(100, dtype=bool), 0.99)
    assert (confidence >= threshold).mean() >= 0.5


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=60))
def test_selective_curves_end_with_every_answer_given(answers: list[tuple[float, bool]]) -> None:
    confidence = np.array([value for value, _ in answers])
    correct = np.array([value for _, value in answers])
    threshold, coverage, accuracy = selective_curve(confidence, correct)
    assert np.all(np.diff(threshold) <= 0)
    assert coverage[-1] == 1
    assert accuracy[-1] == pytest.approx(correct.mean())


def clusters(count: int, classes: int = 6, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits that speak clearly for the label."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % classes
    return 8 * torch.eye(classes)[labels] + torch.randn(count, classes, generator=generator), labels


def faint(count: int, classes: int = 6) -> torch.Tensor:
    """Logits that speak for nothing."""
    return 0.5 * torch.randn(count, classes, generator=torch.Generator().manual_seed(9))


def test_p_values_are_uniform_on_held_out_pictures() -> None:
    novelty = Novelty.fit(*clusters(2_000), clusters(1_000, seed=1)[0])
    p = novelty.p_value(clusters(1_000, seed=2)[0]).sort().values
    assert float((p - torch.linspace(0, 1, 1_000)).abs().max()) < 0.08


def test_p_values_are_small_on_what_speaks_for_no_class() -> None:
    novelty = Novelty.fit(*clusters(2_000), clusters(1_000, seed=1)[0])
    assert float(novelty.p_value(faint(100)).max()) < 0.01


def test_a_few_held_out_pictures_suffice_to_notice_what_is_far_away() -> None:
    novelty = Novelty.fit(*clusters(60), clusters(12, seed=1)[0])
    assert float(novelty.p_value(faint(20)).max()) < 0.01
    assert float((novelty.p_value(clusters(200, seed=2)[0]) < 0.01).float().mean()) < 0.1


@pytest.mark.parametrize(("pictures", "held_out"), [(2, 1), (4, 2), (30, 10)])
def test_more_classes_than_pictures_are_borne(pictures: int, held_out: int) -> None:
    novelty = Novelty.fit(*clusters(pictures, 40), clusters(held_out, 40, seed=1)[0])
    p = novelty.p_value(clusters(50, 40, seed=2)[0])
    assert bool(((p >= 0) & (p <= 1)).all())


def test_a_class_without_training_pictures_is_borne() -> None:
    logits, labels = clusters(60)
    seen = labels != 2
    novelty = Novelty.fit(logits[seen], labels[seen], logits)
    assert bool(novelty.p_value(logits).isfinite().all())


def test_novelty_is_made_again_from_its_state() -> None:
    novelty = Novelty.fit(*clusters(200), clusters(50, seed=1)[0])
    again = Novelty(**novelty.state())
    assert torch.equal(again.p_value(faint(5)), novelty.p_value(faint(5)))


def test_what_novelty_keeps_gives_the_same_scores_after_a_bundle() -> None:
    torch.manual_seed(0)
    logits, labels = 3 * torch.randn(300, 3), torch.arange(300) % 3
    fitted = Novelty.fit(logits, labels, torch.randn(100, 3))
    kept = {name: value.clone(memory_format=torch.contiguous_format) for name, value in fitted.state().items()}
    assert torch.equal(Novelty(**kept).score(logits), fitted.score(logits))
