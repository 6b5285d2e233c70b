import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trine.generate.likelihood import Bernoulli, CalibratedGaussian, Likelihood, LogisticMixture, bits_per_dim


def every_level() -> torch.Tensor:
    """Pictures of one grey pixel, one for each of the 256 levels."""
    return torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1)


def mass(likelihood: Likelihood, outputs: torch.Tensor) -> torch.Tensor:
    """The probability of each level of one grey pixel."""
    observed = likelihood.eval().observe(every_level())
    return likelihood.log_prob(outputs.expand(256, -1, 1, 1), observed).exp()


@given(st.integers(0, 2**31 - 1), st.floats(0.1, 5))
def test_the_levels_of_a_logistic_mixture_have_probabilities_that_add_up_to_one(seed: int, spread: float) -> None:
    likelihood = LogisticMixture(1, components=3)
    outputs = spread * torch.randn(1, likelihood.outputs, 1, 1, generator=torch.Generator().manual_seed(seed))
    assert float(mass(likelihood, outputs).sum()) == pytest.approx(1, abs=1e-3)


@given(st.floats(-3, 3), st.floats(0.005, 2))
def test_the_levels_of_a_calibrated_normal_have_probabilities_that_add_up_to_one(mean: float, deviation: float) -> None:
    likelihood = CalibratedGaussian(1)
    likelihood.deviation.fill_(deviation)
    assert float(mass(likelihood, torch.full((1, 1, 1, 1), mean)).sum()) == pytest.approx(1, abs=1e-3)


@given(st.floats(-9, 9))
def test_black_and_white_have_probabilities_that_add_up_to_one(logit: float) -> None:
    likelihood, outputs = Bernoulli(1), torch.full((2, 1, 1, 1), logit)
    observed = torch.tensor([-1.0, 1.0]).view(2, 1, 1, 1)
    assert float(likelihood.log_prob(outputs, observed).exp().sum()) == pytest.approx(1, abs=1e-5)


def test_all_colours_of_a_pixel_have_probabilities_that_add_up_to_one() -> None:
    """Two channels of 256 levels: the second follows on the first."""
    likelihood = LogisticMixture(2, components=2)
    outputs = 0.7 * torch.randn(1, likelihood.outputs, 1, 1, generator=torch.Generator().manual_seed(5))
    levels = torch.cartesian_prod(*2 * [torch.arange(256, dtype=torch.uint8)]).view(-1, 1, 1, 2)
    chances = likelihood.log_prob(outputs.expand(len(levels), -1, 1, 1), likelihood.observe(levels)).exp()
    assert float(chances.sum()) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_sampled_pixels_come_as_often_as_their_probability_says(seed: int) -> None:
    likelihood, generator = LogisticMixture(1, components=3), torch.Generator().manual_seed(seed)
    outputs = 0.8 * torch.randn(1, likelihood.outputs, 1, 1, generator=generator)
    expected = mass(likelihood, outputs)
    drawn = likelihood.sample(outputs.expand(-1, -1, 200, 200), generator=generator).flatten()
    found = torch.bincount(drawn.int(), minlength=256) / drawn.numel()
    assert float((found - expected).abs().sum()) < 0.15  # total variation of two samples of this size is near 0.06
    mean = (expected * torch.arange(256)).sum()
    assert float(drawn.float().mean()) == pytest.approx(float(mean), abs=1.5)


def test_the_normal_deviation_settles_at_the_error_of_the_reconstructions() -> None:
    likelihood = CalibratedGaussian(1)
    observed = torch.tanh(torch.tensor(0.3)) + 0.2 * torch.randn(
        4, 1, 64, 64, generator=torch.Generator().manual_seed(0)
    )
    for _ in range(100):
        likelihood.log_prob(torch.full_like(observed, 0.3), observed)
    assert float(likelihood.deviation) == pytest.approx(0.2, rel=0.02)


def test_the_calibrated_normal_spreads_its_samples_by_its_deviation() -> None:
    likelihood = CalibratedGaussian(1)
    likelihood.deviation.fill_(0.1)
    drawn = likelihood.sample(torch.zeros(1, 1, 100, 100), generator=torch.Generator().manual_seed(0))
    assert float(drawn.float().std()) == pytest.approx(12.75, rel=0.05)
    still = likelihood.sample(torch.zeros(1, 1, 100, 100), temperature=0.0)
    assert still.unique().numel() == 1


def test_binarised_pixels_are_white_as_often_as_they_are_bright() -> None:
    grey = torch.full((1, 100, 100, 1), 51, dtype=torch.uint8)
    observed = Bernoulli(1).observe(grey, torch.Generator().manual_seed(0))
    assert set(observed.unique().tolist()) == {-1.0, 1.0}
    assert float((observed > 0).float().mean()) == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", [Bernoulli, CalibratedGaussian, LogisticMixture])
def test_pictures_have_the_shape_of_the_training_pictures(kind: type[Likelihood], channels: int) -> None:
    likelihood = kind(channels)
    outputs = torch.randn(2, likelihood.outputs, 8, 8)
    for made in (likelihood.mean(outputs), likelihood.sample(outputs)):
        assert made.shape == (2, 8, 8, channels)
        assert made.dtype == torch.uint8
    assert likelihood.log_prob(outputs, likelihood.observe(made)).shape == (2,)


def test_extreme_outputs_keep_log_probabilities_and_gradients_finite() -> None:
    for likelihood in (CalibratedGaussian(1), LogisticMixture(1), Bernoulli(1)):
        for scale in (0.0, 1e3, -1e3):
            outputs = torch.full((256, likelihood.outputs, 1, 1), scale, requires_grad=True)
            said = likelihood.eval().log_prob(outputs, likelihood.observe(every_level()))
            said.sum().backward()
            assert said.isfinite().all(), (likelihood, scale)
            assert outputs.grad is not None
            assert outputs.grad.isfinite().all(), (likelihood, scale)


def test_bits_per_dim_of_even_chances_over_all_levels_are_eight() -> None:
    assert bits_per_dim(12 * math.log(256), 12) == pytest.approx(8)
    assert np.isclose(bits_per_dim(12 * math.log(2), 12), 1)
