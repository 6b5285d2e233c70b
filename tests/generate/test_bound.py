import math

import numpy as np
import pytest
import torch

from trine.device import Device
from trine.generate.bound import Bound, importance_nll, measure_bound
from trine.generate.generator import Generator
from trine.generate.likelihood import Bernoulli
from trine.generate.network import VAE, PictureVAE

from .conftest import dots

CPU = Device("cpu", bfloat16=False)


def coin() -> PictureVAE:
    """A network with one latent number: its likelihood can be integrated."""
    vae = VAE(1, 8, 1, widths=(8,), latent=1)
    torch.manual_seed(0)
    for parameter in vae.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return PictureVAE(vae, Bernoulli(1)).eval()


def integrated(model: PictureVAE, images: np.ndarray) -> float:
    """−ln p of pictures, mean, by a sum over a fine grid of the latent number."""
    z = torch.linspace(-8, 8, 2001)[:, None]
    prior = torch.distributions.Normal(0.0, 1.0).log_prob(z[:, 0]) + math.log(16 / 2000)
    with torch.inference_mode():
        outputs = model.vae.decode(len(z), given=[z]).outputs
        observed = model.likelihood.observe(torch.from_numpy(images))
        found = [
            torch.logsumexp(prior + model.likelihood.log_prob(outputs, one[None].expand(len(z), -1, -1, -1)), 0)
            for one in observed
        ]
    return -float(torch.stack(found).mean())


@pytest.fixture(scope="module")
def black_and_white() -> np.ndarray:
    return 255 * np.random.default_rng(0).integers(0, 2, (8, 8, 8, 1)).astype(np.uint8)


def test_importance_sampling_finds_the_likelihood_that_integration_gives(black_and_white: np.ndarray) -> None:
    model = coin()
    exact = integrated(model, black_and_white)
    assert importance_nll(model, black_and_white, None, CPU, samples=3000) == pytest.approx(exact, abs=0.05)


def test_the_bound_is_above_the_importance_weighted_estimate_which_falls_with_more_samples(
    fitted: Generator, deep: Generator
) -> None:
    images = dots(30, seed=4)
    for model in (fitted, deep):
        bound = measure_bound(model.model, images, None, CPU).nats
        estimates = [importance_nll(model.model, images, None, CPU, samples) for samples in (5, 200)]
        assert bound > estimates[0] > estimates[1]


def test_one_sample_is_the_bound_up_to_chance(fitted: Generator) -> None:
    images = dots(40, seed=4)
    bound = measure_bound(fitted.model, images, None, CPU).nats
    assert importance_nll(fitted.model, images, None, CPU, samples=1) == pytest.approx(bound, rel=0.05)


def test_the_estimate_does_not_depend_on_how_many_pictures_are_taken_together(
    fitted: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = dots(5, seed=4)
    together = importance_nll(fitted.model, images, None, CPU, samples=300)
    monkeypatch.setattr("trine.generate.bound.AT_ONCE", 12 * 12 * 7)
    assert importance_nll(fitted.model, images, None, CPU, samples=300) == pytest.approx(together, rel=0.02)


def test_the_bound_leaves_the_random_state_as_it_was(fitted: Generator) -> None:
    before = torch.get_rng_state()
    first = measure_bound(fitted.model, dots(5), None, CPU)
    assert torch.equal(before, torch.get_rng_state())
    assert first == measure_bound(fitted.model, dots(5), None, CPU)


def test_a_model_whose_latents_say_nothing_is_called_collapsed() -> None:
    assert Bound(100.0, 99.9, (0.1,), active_units=0, units=32).collapsed
    assert not Bound(100.0, 80.0, (20.0,), active_units=12, units=32).collapsed
