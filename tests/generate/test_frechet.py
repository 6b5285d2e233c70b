import torch

from trine.generate.realism import Gaussian


def test_a_set_is_at_no_distance_from_itself() -> None:
    found = Gaussian.of(torch.randn(200, 8))
    assert found.distance(found) < 1e-6


def test_a_shift_costs_its_square() -> None:
    features = torch.randn(500, 4, dtype=torch.float64)
    assert abs(Gaussian.of(features).distance(Gaussian.of(features + 2.0)) - 4 * 2.0**2) < 1e-6


def test_a_scale_costs_the_squared_difference_of_deviations() -> None:
    covariance = torch.diag(torch.tensor([1.0, 4.0, 9.0], dtype=torch.float64))
    mean = torch.zeros(3, dtype=torch.float64)
    assert abs(Gaussian(mean, covariance).distance(Gaussian(mean, 4 * covariance)) - (1 + 4 + 9)) < 1e-6


def test_covariances_that_do_not_commute_agree_with_scipy() -> None:
    from scipy.linalg import sqrtm

    one, other = (Gaussian.of(torch.randn(60, 6) @ torch.randn(6, 6)) for _ in range(2))
    root = torch.from_numpy(sqrtm((one.covariance @ other.covariance).numpy()).real)
    expected = (one.mean - other.mean).square().sum() + (one.covariance + other.covariance - 2 * root).trace()
    assert abs(one.distance(other) - float(expected)) < 1e-6
    assert abs(one.distance(other) - other.distance(one)) < 1e-6


def test_fewer_pictures_than_features_still_have_a_distance() -> None:
    found = Gaussian.of(torch.randn(10, 40)).distance(Gaussian.of(torch.randn(10, 40)))
    assert 0 < found < float("inf")
