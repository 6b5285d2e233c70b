import math

import numpy as np
import pytest
import torch

from trine.device import Device
from trine.generate.bound import Bound, importance_nll, measure_bound
from trine.generate.generator import Generator
from trine.generate.network import VAE, PictureVAE
from trine.nn.likelihood import Bernoulli

from .conftest import dots

CPU = Device("cpu", bfloat16=False)


def one_unit_network() -> PictureVAE:
    """A network with one latent unit: its likelihood can be integrated."""
    vae = VAE(1, 8, 1, widths=(8,), latent=1)
    torch.manual_seed(0)
    for parameter in vae.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return PictureVAE(vae, Bernoulli(1)).eval()


def integrated(network: PictureVAE, images: np.ndarray) -> float:
    """Mean of −ln p of pictures, by a sum over a fine grid of the latent unit."""
    z = torch.linspace(-8, 8, 2001)[:, None]
    prior = torch.distributions.Normal(0.0, 1.0).log_prob(z[:, 0]) + math.log(16 / 2000)
    with torch.inference_mode():
        outputs = network.vae.decode(len(z), given=[z]).outputs
        observed = network.likelihood.observe(torch.from_numpy(images))
        log_likelihood = [
            torch.logsumexp(prior + network.likelihood.log_prob(outputs, image[None].expand(len(z), -1, -1, -1)), 0)
            for image in observed
        ]
    return -float(torch.stack(log_likelihood).mean())


@pytest.fixture(scope="module")
def black_and_white() -> np.ndarray:
    return 255 * np.random.default_rng(0).integers(0, 2, (8, 8, 8, 1)).astype(np.uint8)


def test_importance_sampling_gives_the_likelihood_that_integration_gives(black_and_white: np.ndarray) -> None:
    network = one_unit_network()
    exact = integrated(network, black_and_white)
    assert importance_nll(network, black_and_white, None, CPU, samples=3000) == pytest.approx(exact, abs=0.05)


@pytest.mark.long
def test_the_bound_is_above_the_importance_weighted_estimate_which_falls_with_more_samples(
    fitted: Generator, deep: Generator
) -> None:
    images = dots(30, seed=4)
    for model in (fitted, deep):
        bound = measure_bound(model.network, images, None, CPU).nats
        estimates = [importance_nll(model.network, images, None, CPU, samples) for samples in (5, 200)]
        assert bound > estimates[0] > estimates[1]


def test_with_one_sample_the_estimate_is_the_bound_up_to_chance(fitted: Generator) -> None:
    images = dots(40, seed=4)
    bound = measure_bound(fitted.network, images, None, CPU).nats
    assert importance_nll(fitted.network, images, None, CPU, samples=1) == pytest.approx(bound, rel=0.05)


def test_the_estimate_does_not_depend_on_how_many_samples_are_decoded_together(
    fitted: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = dots(5, seed=4)
    together = importance_nll(fitted.network, images, None, CPU, samples=300)
    monkeypatch.setattr("trine.generate.bound.AT_ONCE", 12 * 12 * 7)
    assert importance_nll(fitted.network, images, None, CPU, samples=300) == pytest.approx(together, rel=0.02)


def test_the_same_seed_gives_the_same_bound_and_estimate_and_another_seed_others(fitted: Generator) -> None:
    def measured(seed: int) -> tuple[Bound, float]:
        images = dots(5)
        bound = measure_bound(fitted.network, images, None, CPU, seed)
        return bound, importance_nll(fitted.network, images, None, CPU, 3, seed)

    assert measured(0) == measured(0)
    assert measured(0)[0].nats != measured(1)[0].nats
    assert measured(0)[1] != measured(1)[1]


def test_bound_and_estimate_leave_the_global_random_state_unchanged(fitted: Generator) -> None:
    before = torch.get_rng_state()
    measure_bound(fitted.network, dots(5), None, CPU)
    importance_nll(fitted.network, dots(5), None, CPU, samples=3)
    assert torch.equal(before, torch.get_rng_state())


def test_a_model_whose_latents_carry_no_information_is_collapsed() -> None:
    assert Bound(100.0, 99.9, (0.1,), active_units=0, units=32).collapsed
    assert not Bound(100.0, 80.0, (20.0,), active_units=12, units=32).collapsed
