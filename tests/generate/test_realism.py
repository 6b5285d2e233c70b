import numpy as np
import torch
from torch import Tensor

from trine.generate.realism import blurred


def pictures(n: int, seed: int) -> np.ndarray:
    """Sharp stripes of many widths and places."""
    rng = np.random.default_rng(seed)
    places = np.arange(12)[None, :] * rng.uniform(1, 3, (n, 1)) + rng.uniform(0, 6, (n, 1))
    rows = np.clip(127.5 * (1 + 2 * np.sin(places)), 0, 255).astype(np.uint8)
    return np.repeat(rows[:, None], 12, axis=1)[..., None]


def pixels(images: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(images)).flatten(1).float()[:, :12] / 255


def test_real_pictures_are_nearer_than_blurred_ones_and_noise() -> None:
    beside = Judge(pixels, pictures(600, 1)).beside(pictures(600, 2))
    assert 4 * beside["train"].frechet < min(beside["blurred"].frechet, beside["noise"].frechet)
    assert beside["train"].coverage > 0.8 > beside["noise"].coverage


def test_figures_stand_under_the_names_of_the_space() -> None:
    found = measure("cnn", Judge(pixels, pictures(300, 1)), pictures(300, 3), pictures(300, 2))
    assert set(found) == {"frechet_cnn", "density", "coverage", "density_and_coverage_in", "beside_cnn"}
    assert found["frechet_cnn"] < 4 * found["beside_cnn"]["train"]["frechet"]
    assert set(found["beside_cnn"]) == {"train", "blurred", "noise"}


def test_blurring_keeps_shape_and_brightness_and_takes_contrast() -> None:
    for channels in (1, 3):
        sharp = np.repeat(pictures(5, 1), channels, axis=3)
        soft = blurred(sharp)
        assert soft.shape == sharp.shape
        assert abs(soft.mean() - sharp.mean()) < 12
        assert soft.std() < sharp.std()
