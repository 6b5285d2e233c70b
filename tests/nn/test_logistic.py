import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trine.nn.logistic import LogisticMixture

from .conftest import check_against_reference, mass_in_bins, probabilities


@given(st.integers(0, 2**31 - 1), st.floats(0.1, 5))
def test_the_probabilities_of_all_levels_add_up_to_one(seed: int, spread: float) -> None:
    likelihood = LogisticMixture(1, components=3)
    outputs = spread * torch.randn(1, likelihood.outputs, 1, 1, generator=torch.Generator().manual_seed(seed))
    assert float(probabilities(likelihood, outputs).sum()) == pytest.approx(1, abs=1e-3)


def test_the_probabilities_of_all_colours_of_a_pixel_add_up_to_one() -> None:
    """Two channels of 256 levels: the second depends on the first."""
    likelihood = LogisticMixture(2, components=2)
    outputs = 0.7 * torch.randn(1, likelihood.outputs, 1, 1, generator=torch.Generator().manual_seed(5))
    levels = torch.cartesian_prod(*2 * [torch.arange(256, dtype=torch.uint8)]).view(-1, 1, 1, 2)
    chances = likelihood.log_prob(outputs.expand(len(levels), -1, 1, 1), likelihood.observe(levels)).exp()
    assert float(chances.sum()) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_sampled_levels_have_the_frequencies_of_their_probabilities(seed: int) -> None:
    likelihood, generator = LogisticMixture(1, components=3), torch.Generator().manual_seed(seed)
    outputs = 0.8 * torch.randn(1, likelihood.outputs, 1, 1, generator=generator)
    expected = probabilities(likelihood, outputs)
    sample = likelihood.sample(outputs.expand(-1, -1, 200, 200), generator).flatten()
    frequencies = torch.bincount(sample.int(), minlength=256) / sample.numel()
    assert float((frequencies - expected).abs().sum()) < 0.15  # two samples of this size differ by about 0.06
    mean = (expected * torch.arange(256)).sum()
    assert float(sample.float().mean()) == pytest.approx(float(mean), abs=1.5)


@pytest.mark.parametrize("channels", [1, 3])
def test_bins_agree_with_the_cumulative_distribution_in_double_precision(channels: int) -> None:
    likelihood = LogisticMixture(channels)
    k = likelihood.components

    def reference(outputs: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
        logits, means, scales, links = outputs.split([k, k * channels, k * channels, k * len(likelihood.pairs)])
        joint = torch.log_softmax(logits, 0)
        for channel in range(channels):
            rows = slice(channel * k, channel * k + k)
            mean, scale = means[rows] + torch.linspace(-0.5, 0.5, k)[:, None], torch.exp(scales[rows] - 2)
            for number, (target, source) in enumerate(likelihood.pairs):
                if target == channel:
                    mean = mean + torch.tanh(links[number * k : number * k + k]) * (levels[source] / 127.5 - 1)

            def cdf(x: torch.Tensor, mean: torch.Tensor = mean, scale: torch.Tensor = scale) -> torch.Tensor:
                return torch.sigmoid((x - mean) / scale)

            joint = joint + torch.log(mass_in_bins(cdf, levels[channel]))
        return torch.logsumexp(joint, 0)

    check_against_reference(likelihood, reference, spread=0.15, channels=channels)


@pytest.mark.parametrize("scale", [-6.0, 7.0])
def test_a_scale_beyond_its_bounds_has_no_gradient(scale: float) -> None:
    likelihood = LogisticMixture(1, components=1)
    outputs = torch.tensor([[0.0], [0.1], [scale]], requires_grad=True)
    likelihood.pixel_log_prob(outputs, torch.zeros(1, 1)).sum().backward()
    assert outputs.grad is not None
    assert outputs.grad[2].item() == 0
    assert outputs.grad[1].item() != 0
