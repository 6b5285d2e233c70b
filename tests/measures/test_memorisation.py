import numpy as np
import pytest

from trine.measures.memorisation import EXPECTED, check_memorisation, nearest_of


def pictures(n: int, seed: int) -> np.ndarray:
    """Smooth pictures with sixteen random levels each."""
    levels = np.random.default_rng(seed).integers(30, 226, (n, 4, 4, 1)).astype(np.uint8)
    return levels.repeat(2, 1).repeat(2, 2)


TRAIN, HELD_OUT = pictures(1500, 1), pictures(1000, 2)


def test_new_pictures_of_the_same_distribution_are_no_copies() -> None:
    metrics = check_memorisation(pictures(400, 3), TRAIN, HELD_OUT).metrics()
    assert not metrics["memorised"]
    assert metrics["copied"] < 3 * EXPECTED
    assert metrics["nearest_ratio"] == pytest.approx(metrics["nearest_ratio_of_real"], abs=0.05)


def test_the_control_with_one_copy_in_ten_is_caught() -> None:
    control = check_memorisation(pictures(400, 3), TRAIN, HELD_OUT).metrics()["copying_control"]
    assert control["caught"]
    assert control["copied"] > 0.05


def test_a_model_that_returns_training_pictures_is_caught_and_the_copies_are_the_most_suspicious() -> None:
    generated = np.concatenate([TRAIN[700:750], pictures(350, 3)])
    memorisation = check_memorisation(generated, TRAIN, HELD_OUT)
    assert memorisation.metrics()["memorised"]
    worst = memorisation.most_suspicious()
    assert (memorisation.train.index[worst] == worst + 700).all()
    assert (memorisation.train.distance[worst] < 1e-4).all()


def test_blurred_pictures_are_nearer_to_all_pictures_and_still_no_copies() -> None:
    sharp = pictures(400, 3).astype(float)
    smooth = ((sharp + np.roll(sharp, 1, 1) + np.roll(sharp, 1, 2)) / 3).astype(np.uint8)
    assert not check_memorisation(smooth, TRAIN, HELD_OUT).metrics()["memorised"]


def test_a_mirrored_copy_is_recognised_only_with_mirroring() -> None:
    flipped = TRAIN[:5, :, ::-1]
    assert (nearest_of(TRAIN)(flipped).distance > 0.01).all()
    nearest = nearest_of(TRAIN, mirrored=True)(flipped)
    assert (nearest.distance < 1e-4).all()
    assert nearest.index.tolist() == [0, 1, 2, 3, 4]


def test_four_held_out_pictures_are_enough_for_a_check() -> None:
    assert "copied" in check_memorisation(TRAIN[:3], TRAIN[:10], HELD_OUT[:4]).metrics()
