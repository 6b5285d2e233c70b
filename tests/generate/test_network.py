import math

import pytest
import torch

from trine.generate.network import VAE, MapGroup, PictureVAE
from trine.nn.likelihood import Bernoulli


@pytest.mark.parametrize("size", [8, 12, 28, 33, 64])
@pytest.mark.parametrize(("channels", "groups"), [(1, ()), (3, (1, 1))])
def test_outputs_have_the_size_of_the_pictures(size: int, channels: int, groups: tuple[int, ...]) -> None:
    vae = VAE(channels, size, channels, widths=(8, 8), latent=4, groups=groups, map_latent=2)
    decoded = vae(torch.zeros(2, channels, size, size))
    assert decoded.outputs.shape == (2, channels, size, size)
    assert [tuple(latent.sample.shape[1:]) for latent in decoded.latents] == vae.shapes
    assert decoded.kl.shape == (2, len(vae.shapes))


def test_the_same_noise_gives_the_same_outputs_with_and_without_an_encoding() -> None:
    vae = VAE(1, 8, 1, widths=(8,), latent=4, groups=(1,), map_latent=2).eval()
    noise = vae.noise(3)
    assert torch.equal(vae.decode(3, noise=noise).outputs, vae.decode(3, noise=noise).outputs)
    encoding = vae.encode(torch.zeros(3, 1, 8, 8))
    first, second = (vae.decode(3, encoding=encoding, noise=noise).outputs for _ in range(2))
    assert torch.equal(first, second)


def test_noise_is_drawn_from_its_generator_alone() -> None:
    vae, before = VAE(1, 8, 1, widths=(8,), latent=4, groups=(1,), map_latent=2), torch.get_rng_state()
    first, again = (vae.noise(3, torch.Generator().manual_seed(0)) for _ in range(2))
    assert all(map(torch.equal, first, again))
    assert torch.equal(before, torch.get_rng_state())


def test_a_repeated_encoding_is_the_encoding_of_repeated_pictures() -> None:
    vae = VAE(1, 16, 1, widths=(8, 8), latent=4, groups=(1,), map_latent=2, classes=2).eval()
    observed, labels = torch.rand(2, 1, 16, 16), torch.tensor([0, 1])
    once = vae.encode(observed, labels).repeated(3)
    each = vae.encode(observed.repeat_interleave(3, 0), labels.repeat_interleave(3, 0))
    assert torch.allclose(once.top.mean, each.top.mean, atol=1e-6)
    assert torch.allclose(once.top.log_variance, each.top.log_variance, atol=1e-6)
    assert [values is None for values in once.maps] == [values is None for values in each.maps] == [False, True]
    assert torch.allclose(once.maps[0], each.maps[0], atol=1e-6)


def test_the_posterior_depends_on_the_label_in_the_encoder_and_in_the_whole_network() -> None:
    vae = VAE(1, 8, 1, widths=(8,), latent=4, classes=2).eval()
    observed, labels = torch.rand(2, 1, 8, 8), torch.tensor([0, 1])
    encoder, whole = vae.encode(observed, labels).top, vae(observed, labels).latents[0].posterior
    assert torch.equal(encoder.mean, whole.mean)
    assert not torch.equal(encoder.mean, vae.encode(observed).top.mean)


def test_given_latents_replace_samples() -> None:
    vae = VAE(1, 8, 1, widths=(8,), latent=4).eval()
    z = torch.randn(2, 4)
    assert torch.equal(vae.decode(2, given=[z]).latents[0].sample, z)


def test_the_latent_vector_has_the_constant_prior_and_latent_maps_learn_theirs() -> None:
    vae = VAE(1, 16, 1, widths=(8, 8), latent=4, groups=(1, 1), map_latent=2)
    top, *maps = vae(torch.rand(2, 1, 16, 16)).latents
    assert not top.prior.mean.any()
    assert not top.prior.log_variance.any()
    assert not top.prior.mean.requires_grad
    assert all(latent.prior.mean.requires_grad for latent in maps)


def test_a_latent_map_with_extreme_log_variances_keeps_its_divergence_within_the_bound() -> None:
    torch.manual_seed(0)
    group = MapGroup(8, 2, (4, 4))
    for head, log_variance in ((group.prior[-1], -1000.0), (group.posterior[-1], 2000.0)):
        torch.nn.init.constant_(head.bias[2:], log_variance)
    hidden, latent = group(torch.zeros(3, 8, 4, 4), torch.zeros(3, 8, 4, 4), torch.randn(3, 2, 4, 4), None)
    assert hidden.isfinite().all()
    bound = float(group.bound)
    smallest_to_largest = 0.5 * (math.exp(2 * bound) - 1 - 2 * bound)
    assert latent.kl.tolist() == pytest.approx([2 * 4 * 4 * smallest_to_largest] * 3, rel=1e-4)


def test_every_weight_of_a_deep_network_has_a_gradient() -> None:
    torch.manual_seed(0)
    vae = VAE(1, 16, 1, widths=(8, 8), latent=4, groups=(1, 1), map_latent=2, classes=2)
    network = PictureVAE(vae, Bernoulli(1))
    for values in network.parameters():
        torch.nn.init.normal_(values, std=0.1)
    images = torch.randint(0, 256, (4, 16, 16, 1), dtype=torch.uint8)
    log_prob, kl = network(images, torch.tensor([0, 1, 2, 0]))
    (kl.sum() - log_prob.sum()).backward()
    assert [name for name, values in network.named_parameters() if values.grad is None or not values.grad.any()] == []


def test_a_label_changes_the_outputs_and_an_unknown_label_has_its_embedding() -> None:
    vae = VAE(1, 8, 1, widths=(8,), latent=4, classes=2).eval()
    noise = vae.noise(1)
    first, second, unknown = (
        vae.decode(1, labels, noise=noise).outputs for labels in (torch.tensor([0]), torch.tensor([1]), None)
    )
    assert not torch.equal(first, second)
    assert torch.equal(unknown, vae.decode(1, torch.tensor([2]), noise=noise).outputs)
