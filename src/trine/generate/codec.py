"""A trained network at work: pictures to latents, latents to pictures, noise to pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from trine.device import Device
from trine.errors import DataError
from trine.generate.bound import batches, on_device
from trine.generate.latent import Latent
from trine.generate.network import Bounded
from trine.generate.prior import Prior
from trine.pictures.decode import as_channels

BLOCK = 64
"""Pictures whose noise is drawn together: the unit in which sampling can be cut without a change."""
ENCODED = 256


@dataclass(frozen=True)
class Encoded:
    """Where pictures lie in the latent space, a tensor a group, top group first."""

    mean: list[Float[Tensor, "n ..."]]
    variance: list[Float[Tensor, "n ..."]]
    sample: list[Float[Tensor, "n ..."]]


@dataclass(frozen=True)
class Noise:
    """What pictures are made of: N(0, I) for each group, top group first, and a uniform number each."""

    groups: list[Float[Tensor, "n ..."]]
    chance: Float[Tensor, "n"]
    pixel_seed: int = 0
    """What the pixels' own noise is drawn by."""
    pixels: float = 0.0
    """Deviation of the pixels' own noise, in units of what the likelihood says; 0: the expected picture."""

    @classmethod
    def drawn(cls, shapes: list[tuple[int, ...]], seed: int, block: int) -> "Noise":
        """A block of it; the same seed and block give the same."""
        generator = torch.Generator().manual_seed(seed * 1_000_003 + block)
        groups = [torch.randn(BLOCK, *shape, generator=generator) for shape in shapes]
        chance = torch.rand(BLOCK, generator=generator)
        return cls(groups, chance, int(torch.randint(2**62, (1,), generator=generator)))

    def scaled(self, temperature: float, pixels: float = 0.0) -> "Noise":
        """The same at other deviations."""
        return replace(self, groups=[temperature * values for values in self.groups], pixels=pixels)


@dataclass(frozen=True)
class Codec:
    """Encoder and decoder on a device; 8-bit pictures on one side, latents on the other."""

    model: Bounded
    device: Device

    @torch.inference_mode()
    def encode(self, images: UInt8[np.ndarray, "n height width channels"], seed: int) -> Encoded:
        """The posteriors of pictures in every group, and a sample of each. Raises `DataError` for another size."""
        size, channels = self.model.vae.size, self.model.likelihood.channels
        if images.shape[1:3] != (size, size):
            raise DataError(f"pictures of {images.shape[2]}×{images.shape[1]}: the model takes {size}×{size}")
        found: list[list[Latent]] = []
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            for batch, _ in batches(as_channels(images, channels), None, ENCODED):
                observed = self.model.likelihood.observe(batch.to(self.device.name))
                with self.device.autocast():
                    found.append(self.model.vae(observed).latents)
        return Encoded(*(_by_group(found, kind) for kind in ("mean", "variance", "sample")))

    @torch.inference_mode()
    def encode_top(
        self, images: UInt8[np.ndarray, "n height width channels"], labels: Int64[Tensor, "n"] | None = None
    ) -> tuple[Float[Tensor, "n latent"], Float[Tensor, "n latent"]]:
        """Means and deviations of the latent vectors alone, without a way through the decoder.

        labels   each picture's class, for a model of labels; none: as if no label were known
        """
        means, log_variances = [], []
        for batch, classes in batches(images, labels, ENCODED):
            observed = self.model.likelihood.observe(batch.to(self.device.name))
            with self.device.autocast():
                found = self.model.vae.encode(observed, on_device(classes, self.device)).top
            means.append(found.mean.cpu())
            log_variances.append(found.log_variance.cpu())
        return torch.cat(means), torch.exp(0.5 * torch.cat(log_variances))

    @torch.inference_mode()
    def decode(
        self, latents: Sequence[Float[Tensor, "n ..."]], label: int | None
    ) -> UInt8[np.ndarray, "n height width channels"]:
        """The expected pictures of latents; groups that are not given take the means of their priors."""
        made = []
        for start in range(0, len(latents[0]), BLOCK):
            given = [values[start : start + BLOCK] for values in latents]
            still = [torch.zeros(len(given[0]), *shape) for shape in self.model.vae.shapes]
            made.append(_array(self.model.likelihood.mean(self._outputs(given, still, label))))
        return np.concatenate(made)

    @torch.inference_mode()
    def from_noise(self, noise: Noise, prior: Prior, label: int | None) -> UInt8[np.ndarray, "n height width channels"]:
        """The pictures that noise becomes; `prior` makes latent vectors of it."""
        groups, chance = [values.to(self.device.name) for values in noise.groups], noise.chance.to(self.device.name)
        outputs = self._outputs([prior(groups[0], chance, self._labels(label, len(chance)))], groups, label)
        likelihood = self.model.likelihood
        if not noise.pixels:
            return _array(likelihood.mean(outputs))
        generator = torch.Generator(outputs.device).manual_seed(noise.pixel_seed)
        return _array(likelihood.sample(outputs, noise.pixels, generator))

    def _outputs(
        self, given: Sequence[Tensor], noise: Sequence[Tensor], label: int | None
    ) -> Float[Tensor, "n maps height width"]:
        """What the decoder says of the pictures."""
        name, count = self.device.name, len(noise[0])
        given, noise = [values.to(name) for values in given], [values.to(name) for values in noise]
        with self.device.autocast():
            return self.model.vae.decode(count, self._labels(label, count), given=given, noise=noise).outputs

    def _labels(self, label: int | None, count: int) -> Tensor | None:
        return None if label is None else torch.full((count,), label, device=self.device.name)


def _array(pictures: UInt8[Tensor, "n height width channels"]) -> UInt8[np.ndarray, "n height width channels"]:
    return np.asarray(pictures.cpu().numpy())


def _by_group(found: list[list[Latent]], kind: str) -> list[Tensor]:
    """One kind of value of every group, over all batches."""
    return [torch.cat([_value(batch[group], kind).cpu() for batch in found]) for group in range(len(found[0]))]


def _value(latent: Latent, kind: str) -> Tensor:
    assert latent.posterior
    if kind == "sample":
        return latent.sample
    return latent.posterior.mean if kind == "mean" else latent.posterior.log_variance.exp()
