"""The bound on the log likelihood of pictures, and a tighter estimate by importance sampling.

All values are negative log likelihoods in nats per picture: lower is better. Networks are in evaluation mode.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64, UInt8
from torch import Tensor

from trine.device import Device
from trine.generate.latent import Encoding
from trine.generate.network import PictureVAE
from trine.nn.likelihood import CalibratedGaussian
from trine.pictures.batches import at_once, batches, evenly

ACTIVE = 0.01
"""A latent unit is active if its posterior's mean, relative to its prior's, has a larger variance over pictures
(Burda et al., 2016)."""
FITTED = 128
"""Number of pictures that the gaussian's deviation is fitted to."""
AT_ONCE = 200_000
"""Number of pixels that importance sampling decodes together: their activations fit into a processor's caches."""


@dataclass(frozen=True)
class Bound:
    """The negative evidence lower bound and its parts, from one sample per picture. All in nats per picture."""

    nats: float
    reconstruction: float
    kl_per_group: tuple[float, ...]
    active_units: int
    units: int
    """Number of latent units, active or not."""
    kl_per_unit: tuple[Float64[np.ndarray, "_"], ...] = field(default=(), compare=False)
    """KL divergence of every unit, group by group."""
    active: tuple[Bool[np.ndarray, "_"], ...] = field(default=(), compare=False)
    """Whether a unit is active, group by group."""

    @property
    def kl(self) -> float:
        """KL divergence of all groups."""
        return sum(self.kl_per_group)

    @property
    def collapsed(self) -> bool:
        """Posterior collapse: fewer than 2 % of the units are active, or the KL divergence is below 0.5 nats."""
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
    """The mean bound of pictures; the same seed gives the same samples."""
    log_prob, divergence, moments = 0.0, torch.zeros(len(network.vae.shapes)), torch.zeros(0)
    per_unit = torch.zeros((), dtype=torch.float64)
    generator = torch.Generator(device.name).manual_seed(seed)
    for batch, classes in labelled_batches(images, labels, at_once(*images.shape[1:3])):
        observed = network.likelihood.observe(batch.to(device.name), generator)
        with device.autocast():
            decoded = network.vae(observed, on_device(classes, device), generator)
        log_prob += float(network.log_prob(decoded, observed).cpu().double().sum())
        divergence = divergence + decoded.kl.cpu().double().sum(0)
        moments = _moments(moments, [latent.shift for latent in decoded.latents])
        per_unit = per_unit + _in_one_row([latent.kl_per_unit for latent in decoded.latents]).sum(0)
    count = len(images)
    kl = tuple(float(value) / count for value in divergence)
    variance = moments[1] / count - (moments[0] / count).square()
    sizes = [math.prod(shape) for shape in network.vae.shapes]
    ends = np.cumsum(sizes)[:-1]
    units, active = (np.split(values.numpy(), ends) for values in (per_unit / count, variance > ACTIVE))
    return Bound(
        nats=sum(kl) - log_prob / count,
        reconstruction=-log_prob / count,
        kl_per_group=kl,
        active_units=int(sum(part.sum() for part in active)),
        units=sum(sizes),
        kl_per_unit=tuple(units),
        active=tuple(active),
    )


@torch.inference_mode()
def fit_deviation(network: PictureVAE, images: UInt8[np.ndarray, "n height width channels"], device: Device) -> None:
    """Set the gaussian's deviation to the one that is most likely for an even sample of these pictures."""
    likelihood = network.likelihood
    if not isinstance(likelihood, CalibratedGaussian) or likelihood.bounded:
        return
    generator = torch.Generator(device.name).manual_seed(0)
    chosen = torch.from_numpy(np.array(images[evenly(len(images), FITTED)]))
    observed = likelihood.observe(chosen.to(device.name), generator)
    with device.autocast():
        outputs = network.vae(observed, generator=generator).outputs
    likelihood.fit(outputs.float(), observed)


@contextmanager
def with_fitted_deviation(
    network: PictureVAE, images: UInt8[np.ndarray, "n height width channels"], device: Device
) -> Iterator[None]:
    """The deviation is the most likely one for a while: the bound of a training is that of the model it would become.

    The deviation of the training falls with the errors, and where the outermost levels are common the bound with it
    rises although the pictures become better.
    """
    before = {name: value.clone() for name, value in network.likelihood.named_buffers()}
    fit_deviation(network, images, device)
    try:
        yield
    finally:
        for name, value in before.items():
            network.likelihood.get_buffer(name).copy_(value)


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
    """
    together = max(1, AT_ONCE // (images.shape[1] * images.shape[2]))
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
            weights.append(self._log_weights(encoding.repeated(times), observed.repeat_interleave(times, 0), repeated))
            left -= times
        weights = [values.view(len(images), -1) for values in weights]
        return torch.logsumexp(torch.cat(weights, 1), 1) - float(np.log(self.samples))

    def _log_weights(
        self,
        encoding: Encoding,
        observed: Float[Tensor, "samples channels height width"],
        labels: Int64[Tensor, "samples"] | None,
    ) -> Float64[Tensor, "samples"]:
        """ln of p(picture, z) / q(z | picture) for one sample of z each."""
        with self.device.autocast():
            decoded = self.network.vae.decode(len(observed), labels, encoding=encoding, generator=self.generator)
        log_prob = self.network.log_prob(decoded, observed)
        ratio = torch.stack([latent.log_ratio for latent in decoded.latents]).sum(0)
        return (log_prob + ratio).cpu().double()


def _moments(before: Tensor, shifts: list[Tensor]) -> Float[Tensor, "2 units"]:
    """Sums over all pictures so far of each unit's shift and of its square."""
    units = _in_one_row(shifts)
    sums = torch.stack([units.sum(0), units.square().sum(0)])
    return sums + before if before.numel() else sums


def _in_one_row(groups: list[Tensor]) -> Float64[Tensor, "batch units"]:
    """The values of all groups side by side."""
    return torch.cat([values.flatten(1) for values in groups], 1).cpu().double()


def on_device(labels: Int64[Tensor, "n"] | None, device: Device) -> Int64[Tensor, "n"] | None:
    """The labels, if any, on the device."""
    return None if labels is None else labels.to(device.name)
