import pytest
import torch
from torch import Tensor

from trine.generate.flow_training import SPREAD
from trine.generate.prior import FlowPrior, MixturePrior, NormalPrior

from .conftest import CLUSTER_DEVIATION, latent_noise, two_clusters


@pytest.fixture(scope="module")
def mixture() -> MixturePrior:
    prior = MixturePrior(2, 3)
    prior.fit(two_clusters(1000)[0], seed=0)
    return prior


def test_the_models_own_prior_returns_the_noise() -> None:
    values, chance = latent_noise(5)
    assert torch.equal(NormalPrior()(values, chance, None), values)


def test_a_mixture_learns_the_clusters_and_their_width(mixture: MixturePrior) -> None:
    latents = mixture(*latent_noise(2000), None)
    assert float(latents[:, 0].abs().mean()) == pytest.approx(2, abs=0.05)
    assert float((latents[:, 0] > 0).float().mean()) == pytest.approx(0.5, abs=0.05)
    assert float(latents[:, 1].std()) == pytest.approx(CLUSTER_DEVIATION, rel=0.1)


def test_a_mixture_of_more_components_than_latents_is_fitted_to_those_few() -> None:
    few, many = MixturePrior(3, 3), MixturePrior(10, 3)
    latents = two_clusters(3)[0]
    for prior in (few, many):
        prior.fit(latents, seed=0)
    assert float(many.weights.sum()) == pytest.approx(1)
    assert set(map(tuple, many.means.tolist())) == set(map(tuple, few.means.tolist()))
    for mean, weight in zip(few.means, few.weights, strict=True):
        same = (many.means == mean).all(1)
        assert float(many.weights[same].sum()) == pytest.approx(float(weight))
    assert many(*latent_noise(50), None).isfinite().all()


def test_a_flow_is_invertible(flow: FlowPrior) -> None:
    """Integrated backwards, the ordinary differential equation returns to the noise."""
    values, chance = latent_noise(50)
    at = (flow(values, chance, None) - flow.mean) / flow.deviation
    steps = 200
    for step in range(steps, 0, -1):
        middle = at - flow.velocity(at, torch.full((50,), step / steps), None) / (2 * steps)
        at = at - flow.velocity(middle, torch.full((50,), (step - 0.5) / steps), None) / steps
    assert float((at - values).abs().median()) < 0.1


@pytest.mark.parametrize("kind", ["mixture", "flow"])
def test_the_same_noise_gives_the_same_latents(kind: str, request: pytest.FixtureRequest) -> None:
    prior = request.getfixturevalue(kind)
    assert torch.equal(prior(*latent_noise(9), None), prior(*latent_noise(9), None))


def test_a_flow_is_evaluated_at_trained_times_only(flow: FlowPrior, monkeypatch: pytest.MonkeyPatch) -> None:
    times, velocity = [], flow.velocity

    def recording(at: Tensor, time: Tensor, labels: Tensor | None) -> Tensor:
        times.append(float(time[0]))
        return velocity(at, time, labels)

    monkeypatch.setattr(flow, "velocity", recording)
    flow(*latent_noise(4), None)
    trained = torch.sigmoid(SPREAD * torch.randn(100_000, generator=torch.Generator().manual_seed(0)))
    assert float((trained < min(times)).float().mean()) > 1e-3
    assert float((trained > max(times)).float().mean()) > 1e-3


def test_a_flow_is_scaled_to_the_mean_and_deviation_of_latent_samples() -> None:
    generator = torch.Generator().manual_seed(0)
    means = 3 + 2 * torch.randn(20_000, 3, generator=generator)
    deviations = torch.full_like(means, 0.5)
    samples = means + deviations * torch.randn(means.shape, generator=generator)
    flow = FlowPrior(3, classes=0, width=8)
    flow.scale_to(means, deviations)
    torch.testing.assert_close(flow.mean, samples.mean(0), rtol=0.02, atol=0)
    torch.testing.assert_close(flow.deviation, samples.std(0), rtol=0.02, atol=0)
