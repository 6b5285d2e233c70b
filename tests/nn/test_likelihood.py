import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trine.nn.likelihood import BIN_WIDTH, Bernoulli, CalibratedGaussian, Likelihood, bits_per_dim
from trine.nn.logistic import LogisticMixture

from .conftest import check_against_reference, every_level, mass_in_bins, probabilities


@given(st.floats(-3, 3), st.floats(0.005, 2))
def test_the_probabilities_of_a_calibrated_normals_levels_add_up_to_one(mean: float, deviation: float) -> None:
    likelihood = CalibratedGaussian(1)
    likelihood.deviation.fill_(deviation)
    assert float(probabilities(likelihood, torch.full((1, 1, 1, 1), mean)).sum()) == pytest.approx(1, abs=1e-3)


@given(st.floats(-9, 9))
def test_the_probabilities_of_black_and_white_add_up_to_one(logit: float) -> None:
    likelihood, outputs = Bernoulli(1), torch.full((2, 1, 1, 1), logit)
    observed = torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1)
    assert float(likelihood.log_prob(outputs, observed).exp().sum()) == pytest.approx(1, abs=1e-5)


def test_the_normal_deviation_converges_to_the_error_of_the_reconstructions() -> None:
    likelihood = CalibratedGaussian(1)
    noise = torch.randn(4, 1, 64, 64, generator=torch.Generator().manual_seed(0))
    observed = torch.tanh(torch.tensor(0.3)) + 0.2 * noise
    for _ in range(100):
        likelihood.log_prob(torch.full_like(observed, 0.3), observed)
    assert float(likelihood.deviation) == pytest.approx(0.2, rel=0.02)


def test_the_deviation_does_not_change_in_evaluation_mode() -> None:
    likelihood = CalibratedGaussian(1).eval()
    likelihood.log_prob(torch.zeros(1, 1, 8, 8), torch.full((1, 1, 8, 8), 0.5))
    assert float(likelihood.deviation) == 1


def test_the_calibrated_normal_samples_with_its_deviation() -> None:
    likelihood, outputs = CalibratedGaussian(1), torch.zeros(1, 1, 100, 100)
    likelihood.deviation.fill_(0.1)
    sample = likelihood.sample(outputs, torch.Generator().manual_seed(0))
    assert float(sample.float().std()) == pytest.approx(12.75, rel=0.05)
    without_noise = likelihood.sample(outputs, torch.Generator().manual_seed(0), temperature=0.0)
    assert without_noise.unique().numel() == 1


def test_binarised_pixels_are_white_with_the_grey_value_as_probability() -> None:
    grey = torch.full((1, 100, 100, 1), 51, dtype=torch.uint8)
    observed = Bernoulli(1).observe(grey, torch.Generator().manual_seed(0))
    assert set(observed.unique().tolist()) == {-1.0, 1.0}
    assert float((observed > 0).float().mean()) == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", [Bernoulli, CalibratedGaussian, LogisticMixture])
def test_means_and_samples_have_the_shape_of_the_training_pictures(kind: type[Likelihood], channels: int) -> None:
    likelihood, generator = kind(channels), torch.Generator().manual_seed(0)
    outputs = torch.randn(2, likelihood.outputs, 8, 8)
    for pictures in (likelihood.mean(outputs), likelihood.sample(outputs, generator)):
        assert pictures.shape == (2, 8, 8, channels)
        assert pictures.dtype == torch.uint8
        assert likelihood.log_prob(outputs, likelihood.observe(pictures)).shape == (2,)


@pytest.mark.parametrize("kind", [Bernoulli, CalibratedGaussian, LogisticMixture])
def test_samples_are_drawn_from_their_generator_alone(kind: type[Likelihood]) -> None:
    likelihood, before = kind(3), torch.get_rng_state()
    outputs = torch.zeros(2, likelihood.outputs, 8, 8)
    first, again, other = (likelihood.sample(outputs, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("bounded", [False, True])
def test_bins_of_a_calibrated_normal_agree_with_its_cumulative_distribution_in_double_precision(
    channels: int, bounded: bool
) -> None:
    likelihood = CalibratedGaussian(channels, bounded)

    def reference(outputs: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
        mean = torch.tanh(outputs) if bounded else outputs
        noise = torch.distributions.Normal(mean, likelihood.deviation.double())
        return torch.log(mass_in_bins(noise.cdf, levels)).sum(0)

    check_against_reference(likelihood, reference, spread=0.5, channels=channels)


@pytest.mark.parametrize("bounded", [False, True])
def test_the_gradient_far_in_a_normal_tail_is_that_of_the_asymptote(bounded: bool) -> None:
    """Mills' ratio: x deviations from the mean the logarithm of the tail falls by about x + 1/x per deviation."""
    likelihood = CalibratedGaussian(1, bounded).eval()
    likelihood.deviation.fill_(0.05)
    outputs = torch.full((1, 1), -0.5, requires_grad=True)
    likelihood.pixel_log_prob(outputs, torch.ones(1, 1)).sum().backward()
    mean = math.tanh(-0.5) if bounded else -0.5
    far = (1 - BIN_WIDTH / 2 - mean) / 0.05
    assert outputs.grad is not None
    assert float(outputs.grad) == pytest.approx((far + 1 / far) / 0.05 * (1 - mean**2 if bounded else 1), rel=1e-3)


def test_extreme_outputs_keep_log_probabilities_and_gradients_finite() -> None:
    for likelihood in (CalibratedGaussian(1), LogisticMixture(1), Bernoulli(1)):
        for scale in (0.0, 1e3, -1e3):
            outputs = torch.full((256, likelihood.outputs, 1, 1), scale, requires_grad=True)
            log_prob = likelihood.eval().log_prob(outputs, likelihood.observe(every_level()))
            log_prob.sum().backward()
            assert log_prob.isfinite().all(), (likelihood, scale)
            assert outputs.grad is not None
            assert outputs.grad.isfinite().all(), (likelihood, scale)


def test_a_uniform_distribution_over_all_levels_has_eight_bits_per_dim() -> None:
    assert bits_per_dim(12 * math.log(256), 12) == pytest.approx(8)
    assert np.isclose(bits_per_dim(12 * math.log(2), 12), 1)


def test_the_fitted_deviation_is_the_most_likely_one() -> None:
    draw = torch.Generator().manual_seed(0)
    observed = (0.5 * torch.randn(4, 1, 32, 32, generator=draw)).clamp(-1, 1)
    outputs, likelihood = torch.zeros_like(observed), CalibratedGaussian(1).eval()
    likelihood.fit(outputs, observed)
    best = float(likelihood.deviation)
    nats = float(likelihood.log_prob(outputs, observed).mean())
    assert best == pytest.approx(0.5, rel=0.05)  # of the values before they were cut at the ends
    assert float(observed.square().mean().sqrt()) < 0.97 * best
    for other in (0.97, 1.03):
        likelihood.deviation.fill_(other * best)
        assert float(likelihood.log_prob(outputs, observed).mean()) < nats


@pytest.mark.parametrize(("mean", "level"), [(1e4, -1.0), (-1e4, 1.0), (3.0, 0.0), (1e4, 0.2)])
@pytest.mark.parametrize("deviation", [1.0, 0.05, 0.002])
def test_however_far_a_mean_is_from_a_level_it_is_pulled_to_it(mean: float, level: float, deviation: float) -> None:
    """With means limited by tanh, outputs of 10⁴ had no gradient, and drawings of black lines on white stayed white."""
    likelihood, observed = CalibratedGaussian(1).eval(), torch.full((1, 1), level)
    likelihood.deviation.fill_(deviation)
    outputs = torch.full((1, 1), mean, requires_grad=True)
    nats = likelihood.pixel_log_prob(outputs, observed)
    nats.sum().backward()
    assert outputs.grad is not None
    gradient = float(outputs.grad)
    assert gradient * (level - mean) > 0
    assert abs(gradient) >= 0.99 * min(40, abs(level - mean) / deviation) / deviation
    nearer = likelihood.pixel_log_prob(torch.full((1, 1), mean + (level - mean) / 100), observed)
    assert float(nearer) > float(nats.detach())
