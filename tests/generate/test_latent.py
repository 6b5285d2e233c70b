import pytest
import torch
from torch.distributions import Independent, kl_divergence
from torch.distributions import Normal as TorchNormal

from trine.generate.latent import Latent, Normal


def normals(seed: int) -> Normal:
    mean, log_variance = torch.randn(2, 5, 3, 4, generator=torch.Generator().manual_seed(seed)).unbind()
    return Normal(mean, log_variance)


def as_torch(normal: Normal) -> Independent:
    return Independent(TorchNormal(normal.mean, torch.exp(0.5 * normal.log_variance)), 2)


@pytest.mark.parametrize("seed", range(3))
def test_divergence_and_density_are_those_of_torch_distributions(seed: int) -> None:
    one, other = normals(seed), normals(seed + 100)
    torch.testing.assert_close(one.kl(other), kl_divergence(as_torch(one), as_torch(other)))
    value = other.mean
    torch.testing.assert_close(one.log_prob(value), as_torch(one).log_prob(value))


def test_samples_have_the_mean_and_the_deviation_of_their_distribution() -> None:
    one = Normal(torch.tensor([[2.0]]), torch.tensor([[0.5]]).log() * 2)
    drawn = one.at(torch.randn(20_000, 1, generator=torch.Generator().manual_seed(0)))
    assert float(drawn.mean()) == pytest.approx(2, abs=0.02)
    assert float(drawn.std()) == pytest.approx(0.5, rel=0.02)


def test_a_networks_outputs_are_means_and_log_variances_kept_in_their_range() -> None:
    made = Normal.of(torch.tensor([[1.0, 2.0, 3.0, 99.0]]))
    assert made.mean.tolist() == [[1.0, 2.0]]
    assert made.log_variance.tolist() == [[3.0, 6.0]]


def test_without_a_posterior_nothing_was_said() -> None:
    prior = normals(0)
    assert not Latent(prior.mean, prior, None).kl.any()
    assert float(Latent(prior.mean, prior, prior).log_ratio.abs().max()) == 0
