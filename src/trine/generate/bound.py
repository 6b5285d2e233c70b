"""The bound on the log likelihood of pictures, and a tighter estimate by importance sampling.

All values are negative log likelihoods in nats per picture: lower is better.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from trine.device import Device
from trine.generate.network import PictureVAE
from trine.pictures.batches import at_once, batches

ACTIVE = 0.01
"""Variance over pictures of a latent unit's mean shift above which the unit is active (Burda et al., 2016)."""

AT_ONCE = 200_000
"""Pixels that importance sampling decodes together: they stay in the processor's caches."""


@dataclass(frozen=True)
class Bound:
    """The negative evidence lower bound and its parts, from one sample per picture."""

    nats: float
    reconstruction: float
    kl_per_group: tuple[float, ...]
    active_units: int
    units: int

    @property
    def kl(self) -> float:
        """KL divergence of all groups, in nats."""
        return sum(self.kl_per_group)

    @property
    def collapsed(self) -> bool:
        """Posterior collapse: fewer than one unit in fifty is active, or the KL divergence is below half a nat."""
        return self.active_units * 50 < self.units or self.kl < 0.5


def labelled_batches(
    images: UInt8[np.ndarray, "n height width channels"], labels: Int64[Tensor, "n"] | None, size: int
) -> Iterator[tuple[UInt8[Tensor, "batch height width channels"], Int64[Tensor, "batch"] | None]]:
    """Pictures with their labels, in order, `size` at a time."""
    for index, batch in enumerate(batches(images, size)):
        yield batch, None if labels is None else labels[index * size : (index + 1) * size]


@torch.inference_mode()
def measure_bound(
    network: PictureVAE,
    images: UInt8[np.ndarray, "n height width channels"],
    labels: Int64[Tensor, "n"] | None,
    device: Device,
    seed: int = 0,
) -> Bound:
    """The mean bound of pictures; the same seed draws the same samples. The network is in evaluation mode."""
    log_prob, divergence, moments = 0.0, torch.zeros(len(network.vae.shapes)), torch.zeros(0)
    generator = torch.Generator(device.name).manual_seed(seed)
    for batch, classes in labelled_batches(images, labels, at_once(*images.shape[1:3])):
        observed = network.likelihood.observe(batch.to(device.name), generator)
        with device.autocast():
            decoded = network.vae(observed, on_device(classes, device), generator)
        log_prob += float(network.log_prob(decoded, observed).cpu().double().sum())
        divergence = divergence + decoded.kl.cpu().double().sum(0)
        moments = _moments(moments, [latent.shift for latent in decoded.latents])
    count = len(images)
    kl = tuple(float(value) / count for value in divergence)
    variance = moments[1] / count - (moments[0] / count).square()
    active, units = int((variance > ACTIVE).sum()), moments.shape[1]
    return Bound(sum(kl) - log_prob / count, -log_prob / count, kl, active, units)


@torch.inference_mode()
def importance_nll(
    network: PictureVAE,
    images: UInt8[np.ndarray, "n height width channels"],
    labels: Int64[Tensor, "n"] | None,
    device: Device,
    samples: int = 1000,
    seed: int = 0,
) -> float:
    """Mean negative log likelihood by importance sampling (Burda et al., 2016).

    samples   samples per picture; a picture is encoded once, and its samples are decoded in large batches
    The network is in evaluation mode.
    """
    width = images.shape[1] * images.shape[2]
    together = max(1, AT_ONCE // width)
    sampler = _ImportanceSampler(network, device, samples, together, torch.Generator(device.name).manual_seed(seed))
    total = 0.0
    for batch, classes in labelled_batches(images, labels, max(1, together // min(samples, together))):
        total += float(sampler.log_likelihood(batch, on_device(classes, device)).sum())
    return -total / len(images)


@dataclass(frozen=True)
class _ImportanceSampler:
    network: PictureVAE
    device: Device
    samples: int
    together: int
    """Number of samples that are decoded together."""
    generator: torch.Generator

    def log_likelihood(
        self, images: UInt8[Tensor, "batch height width channels"], labels: Int64[Tensor, "batch"] | None
    ) -> Float[Tensor, "batch"]:
        """Logarithm of the mean importance weight of each picture."""
        observed = self.network.likelihood.observe(images.to(self.device.name), self.generator)
        with self.device.autocast():
            encoding = self.network.vae.encode(observed, labels)
        weights, left = [], self.samples
        while left:
            times = min(left, max(1, self.together // len(images)))
            repeated = None if labels is None else labels.repeat_interleave(times)
            with self.device.autocast():
                decoded = self.network.vae.decode(
                    len(images) * times, repeated, encoding=encoding.repeated(times), generator=self.generator
                )
            log_prob = self.network.log_prob(decoded, observed.repeat_interleave(times, 0))
            ratio = torch.stack([latent.log_ratio for latent in decoded.latents]).sum(0)
            weights.append((log_prob + ratio).cpu().double().view(len(images), times))
            left -= times
        return torch.logsumexp(torch.cat(weights, 1), 1) - float(np.log(self.samples))


def _moments(before: Tensor, means: list[Tensor]) -> Float[Tensor, "2 units"]:
    """Running sums over pictures of the mean shifts and of their squares."""
    units = torch.cat([mean.flatten(1) for mean in means], 1).cpu().double()
    sums = torch.stack([units.sum(0), units.square().sum(0)])
    return sums + before if before.numel() else sums


def on_device(labels: Int64[Tensor, "n"] | None, device: Device) -> Int64[Tensor, "n"] | None:
    """The labels, if any, on the device."""
    return None if labels is None else labels.to(device.name)
