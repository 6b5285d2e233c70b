import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trine.generate.likelihood import BIN, Bernoulli, CalibratedGaussian, Likelihood, bits_per_dim
from trine.generate.logistic import LogisticMixture


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


def mass_in_bins(cdf: Callable[[torch.Tensor], torch.Tensor], levels: torch.Tensor) -> torch.Tensor:
    """What a distribution that is even about zero leaves in each level's bin, given its values there."""
    begin, end = levels / 127.5 - 1 - 1 / 255, levels / 127.5 - 1 + 1 / 255
    at_most, at_least = torch.where(levels == 255, 1.0, cdf(end)), torch.where(levels == 0, 0.0, cdf(begin))
    return at_most - at_least


def normal_bins(likelihood: CalibratedGaussian, outputs: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    noise = torch.distributions.Normal(torch.tanh(outputs), likelihood.deviation.double())
    return torch.log(mass_in_bins(noise.cdf, levels)).sum(0)


def logistic_bins(likelihood: LogisticMixture, outputs: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    k, channels = likelihood.components, likelihood.channels
    logits, means, scales, links = outputs.split([k, k * channels, k * channels, k * len(likelihood.pairs)])
    found = torch.log_softmax(logits, 0)
    for channel in range(channels):
        rows = slice(channel * k, channel * k + k)
        mean, scale = means[rows] + torch.linspace(-0.5, 0.5, k)[:, None], torch.exp(scales[rows] - 2)
        for number, (one, other) in enumerate(likelihood.pairs):
            if one == channel:
                mean = mean + torch.tanh(links[number * k : number * k + k]) * (levels[other] / 127.5 - 1)

        def cdf(x: torch.Tensor, mean: torch.Tensor = mean, scale: torch.Tensor = scale) -> torch.Tensor:
            return torch.sigmoid((x - mean) / scale)

        found = found + torch.log(mass_in_bins(cdf, levels[channel]))
    return torch.logsumexp(found, 0)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("likelihood", "reference", "spread"),
    [(CalibratedGaussian, normal_bins, 0.5), (LogisticMixture, logistic_bins, 0.15)],
)
def test_bins_and_their_gradient_are_those_of_the_cumulative_distribution_in_double_precision(
    likelihood: type[Likelihood], reference: Callable[..., torch.Tensor], spread: float, channels: int
) -> None:
    explains, generator = likelihood(channels).eval(), torch.Generator().manual_seed(channels)
    levels = torch.randint(0, 256, (channels, 400), generator=generator)
    levels[:, :20], levels[:, 20:40] = 0, 255
    outputs = spread * torch.randn(explains.outputs, 400, generator=generator)
    ours, theirs = outputs.clone().requires_grad_(), outputs.double().requires_grad_()
    found, expected = explains.of_pixels(ours, levels / 127.5 - 1), reference(explains, theirs, levels.double())
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)
    weights = torch.linspace(0.5, 1.5, 400)
    slopes = [torch.autograd.grad((said * weights).sum(), at)[0] for said, at in ((found, ours), (expected, theirs))]
    torch.testing.assert_close(slopes[0].double(), slopes[1], rtol=1e-3, atol=1e-3)


def test_a_normal_tail_far_out_has_the_asymptotes_slope() -> None:
    """Mills' ratio: the logarithm of the tail from x deviations on falls by x + 1/x a deviation, nearly."""
    likelihood = CalibratedGaussian(1).eval()
    likelihood.deviation.fill_(0.05)
    outputs = torch.full((1, 1), -0.5, requires_grad=True)
    likelihood.of_pixels(outputs, torch.ones(1, 1)).sum().backward()
    mean = math.tanh(-0.5)
    far = (1 - BIN / 2 - mean) / 0.05
    assert outputs.grad is not None
    assert float(outputs.grad) == pytest.approx((far + 1 / far) / 0.05 * (1 - mean**2), rel=1e-3)


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


@pytest.mark.parametrize("scale", [-6.0, 7.0])
def test_a_scale_beyond_its_bounds_is_not_learned_from(scale: float) -> None:
    likelihood = LogisticMixture(1, components=1)
    outputs = torch.tensor([[0.0], [0.1], [scale]], requires_grad=True)
    likelihood.of_pixels(outputs, torch.zeros(1, 1)).sum().backward()
    assert outputs.grad is not None
    assert outputs.grad[2].item() == 0
    assert outputs.grad[1].item() != 0
