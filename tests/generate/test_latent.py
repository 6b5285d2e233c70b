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
    p, q = normals(seed), normals(seed + 100)
    torch.testing.assert_close(p.kl(q), kl_divergence(as_torch(p), as_torch(q)))
    torch.testing.assert_close(p.log_prob(q.mean), as_torch(p).log_prob(q.mean))


def test_samples_have_the_mean_and_the_deviation_of_their_distribution() -> None:
    normal = Normal(torch.tensor([[2.0]]), torch.tensor([[0.5]]).log() * 2)
    sample = normal.at(torch.randn(20_000, 1, generator=torch.Generator().manual_seed(0)))
    assert float(sample.mean()) == pytest.approx(2, abs=0.02)
    assert float(sample.std()) == pytest.approx(0.5, rel=0.02)


def test_a_networks_outputs_are_means_and_log_variances_within_their_range() -> None:
    normal = Normal.of(torch.tensor([[1.0, 2.0, 3.0, 99.0]]))
    assert normal.mean.tolist() == [[1.0, 2.0]]
    assert normal.log_variance.tolist() == [[3.0, 6.0]]


def test_the_divergence_is_zero_without_a_posterior_and_the_log_ratio_with_the_priors() -> None:
    prior = normals(0)
    assert not Latent(prior.mean, prior, None).kl.any()
    assert float(Latent(prior.mean, prior, prior).log_ratio.abs().max()) == 0
