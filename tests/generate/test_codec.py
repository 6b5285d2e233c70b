import numpy as np
import pytest
import torch

from trine.device import Device
from trine.generate.codec import Codec, Noise
from trine.generate.network import VAE, PictureVAE
from trine.generate.noise import BLOCK
from trine.generate.prior import NormalPrior
from trine.nn.likelihood import CalibratedGaussian

from .conftest import dots


@pytest.fixture(scope="module")
def codec() -> Codec:
    """A small untrained network with a latent vector and a latent map."""
    torch.manual_seed(0)
    vae = VAE(1, 12, 1, widths=(8,), latent=4, groups=(1,), map_latent=2, classes=2)
    for parameter in vae.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return Codec(PictureVAE(vae, CalibratedGaussian(1)).eval(), Device("cpu", bfloat16=False))


def test_noise_is_the_same_for_the_same_seed_and_block_only() -> None:
    shapes = [(4,), (2, 3, 3)]
    first, again, other = (Noise.drawn(shapes, seed, block) for seed, block in ((1, 0), (1, 0), (1, 1)))
    assert [values.shape for values in first.groups] == [(BLOCK, 4), (BLOCK, 2, 3, 3)]
    assert torch.equal(first.groups[1], again.groups[1])
    assert torch.equal(first.chance, again.chance)
    assert first.pixel_seed == again.pixel_seed != other.pixel_seed
    assert not torch.equal(first.groups[0], other.groups[0])


def test_temperature_scales_the_noise_and_keeps_the_uniform_numbers() -> None:
    noise = Noise.drawn([(4,)], seed=1, block=0)
    assert torch.equal(noise.scaled(0.5).groups[0], noise.groups[0] / 2)
    assert torch.equal(noise.scaled(0.5).chance, noise.chance)


def test_with_the_models_own_prior_the_noise_itself_is_decoded(codec: Codec) -> None:
    noise = Noise.drawn(codec.network.vae.shapes, seed=1, block=0)
    without_map = Noise([noise.groups[0], torch.zeros_like(noise.groups[1])], noise.chance)
    assert np.array_equal(codec.from_noise(without_map, NormalPrior(), None), codec.decode([noise.groups[0]]))


def test_a_label_changes_the_picture(codec: Codec) -> None:
    latents = [torch.ones(3, 4)]
    first, second = (
        codec.decode(latents, torch.zeros(3, dtype=torch.int64)),
        codec.decode(latents, torch.tensor([0, 1, 1])),
    )
    assert [bool((first[i] == second[i]).all()) for i in range(3)] == [True, False, False]


def test_a_label_changes_the_latents_of_a_picture(codec: Codec) -> None:
    images = dots(3)
    unknown, known = codec.encode(images, 0).mean[0], codec.encode(images, 0, torch.tensor([0, 1, 1])).mean[0]
    assert not torch.equal(unknown, known)
    torch.testing.assert_close(known, codec.encode_top(images, torch.tensor([0, 1, 1]))[0], rtol=1e-4, atol=1e-4)


def test_encoding_does_not_depend_on_how_many_pictures_are_encoded_together(codec: Codec) -> None:
    images = dots(7, seed=1)
    whole, first = codec.encode(images, seed=0).mean, codec.encode(images[:2], seed=0).mean
    torch.testing.assert_close(whole[0][:2], first[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(codec.encode_top(images)[0], whole[0], rtol=1e-4, atol=1e-4)


def test_encoding_and_decoding_leave_the_global_random_state_unchanged(codec: Codec) -> None:
    before = torch.get_rng_state()
    codec.encode(dots(2), seed=5)
    codec.encode_top(dots(2), seed=5)
    codec.decode([torch.ones(3, 4)])
    codec.from_noise(Noise.drawn(codec.network.vae.shapes, 1, 0).scaled(1.0, pixels=1.0), NormalPrior(), None)
    assert torch.equal(before, torch.get_rng_state())


def test_the_seed_of_encoding_decides_the_samples(codec: Codec) -> None:
    images = dots(3)
    first, again, other = (codec.encode(images, seed) for seed in (5, 5, 6))
    assert all(map(torch.equal, first.sample, again.sample))
    assert not any(map(torch.equal, first.sample, other.sample))
