"""How well a model explains pictures: the bound on their log likelihood, and a tighter estimate by importance sampling.

Everything is in nats a picture, lower is better: these are negative log likelihoods.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from trine.device import Device
from trine.generate.network import Bounded
from trine.pictures.batches import at_once

ACTIVE = 0.01
"""A latent unit is active when what a picture does to its mean varies by more than this (Burda et al., 2016)."""

AT_ONCE = 200_000
"""Pixels that importance sampling decodes together: more would not stay in the processor's caches."""


@dataclass(frozen=True)
class Bound:
    """The negative evidence lower bound and its parts, from one sample a picture."""

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
        """Whether the latents say next to nothing of the picture: less than a unit in fifty is active."""
        return self.active_units * 50 < self.units or self.kl < 0.5


def batches(
    images: UInt8[np.ndarray, "n height width channels"], labels: Int64[Tensor, "n"] | None, size: int
) -> Iterator[tuple[UInt8[Tensor, "batch height width channels"], Int64[Tensor, "batch"] | None]]:
    """Pictures with their labels, in order."""
    for start in range(0, len(images), size):
        part = slice(start, start + size)
        yield torch.from_numpy(np.array(images[part])), None if labels is None else labels[part]


@torch.inference_mode()
def measure_bound(
    model: Bounded,
    images: UInt8[np.ndarray, "n height width channels"],
    labels: Int64[Tensor, "n"] | None,
    device: Device,
    seed: int = 0,
) -> Bound:
    """The bound over pictures; the same seed draws the same samples."""
    model.eval()
    explained, divergence, moments = 0.0, torch.zeros(len(model.vae.shapes)), torch.zeros(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for batch, classes in batches(images, labels, at_once(*images.shape[1:3])):
            observed = model.likelihood.observe(batch.to(device.name))
            with device.autocast():
                done = model.vae(observed, on_device(classes, device))
            explained += float(model.explained(done, observed).double().sum())
            divergence = divergence + done.kl.double().sum(0).cpu()
            moments = _moments(moments, [latent.learned for latent in done.latents])
    count = len(images)
    kl = tuple(float(value) / count for value in divergence)
    variance = moments[1] / count - (moments[0] / count).square()
    active, units = int((variance > ACTIVE).sum()), moments.shape[1]
    return Bound(sum(kl) - explained / count, -explained / count, kl, active, units)


@torch.inference_mode()
def importance_nll(
    model: Bounded,
    images: UInt8[np.ndarray, "n height width channels"],
    labels: Int64[Tensor, "n"] | None,
    device: Device,
    samples: int = 1000,
    seed: int = 0,
) -> float:
    """Negative log likelihood by importance sampling with so many samples a picture (Burda et al., 2016).

    A picture is encoded once; its samples are decoded together with those of other pictures.
    """
    model.eval()
    width = images.shape[1] * images.shape[2]
    at_once = max(1, AT_ONCE // width)
    total = 0.0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for batch, classes in batches(images, labels, max(1, at_once // min(samples, at_once))):
            total += float(_log_likelihood(model, batch, on_device(classes, device), device, samples, at_once).sum())
    return -total / len(images)


def _log_likelihood(
    model: Bounded, images: Tensor, labels: Tensor | None, device: Device, samples: int, at_once: int
) -> Float[Tensor, "batch"]:
    """ln of the mean importance weight of each picture."""
    observed = model.likelihood.observe(images.to(device.name))
    with device.autocast():
        encoding = model.vae.encode(observed, labels)
    weights, left = [], samples
    while left:
        times = min(left, max(1, at_once // len(images)))
        repeated = None if labels is None else labels.repeat_interleave(times)
        with device.autocast():
            done = model.vae.decode(len(images) * times, repeated, encoding=encoding.repeated(times))
        log_prob = model.explained(done, observed.repeat_interleave(times, 0))
        ratio = torch.stack([latent.log_ratio for latent in done.latents]).sum(0)
        weights.append((log_prob + ratio).double().view(len(images), times))
        left -= times
    return torch.logsumexp(torch.cat(weights, 1), 1) - float(np.log(samples))


def _moments(before: Tensor, means: list[Tensor]) -> Float[Tensor, "2 units"]:
    """Sums of the means and of their squares over pictures."""
    units = torch.cat([mean.flatten(1) for mean in means], 1).double().cpu()
    found = torch.stack([units.sum(0), units.square().sum(0)])
    return found + before if before.numel() else found


def on_device(labels: Int64[Tensor, "n"] | None, device: Device) -> Int64[Tensor, "n"] | None:
    """Labels, if there are any, where the model computes."""
    return None if labels is None else labels.to(device.name)
