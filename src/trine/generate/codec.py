"""Encoding and decoding with a trained network: pictures to latents, latents to pictures, noise to pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor

from trine.device import Device
from trine.generate.bound import labelled_batches, on_device
from trine.generate.latent import Latent
from trine.generate.network import PictureVAE
from trine.generate.noise import BLOCK, block_noise
from trine.generate.prior import Prior

ENCODED = 256
"""Number of pictures that are encoded together."""


@dataclass(frozen=True)
class EncodedPictures:
    """Posteriors of pictures in the latent space: one tensor per group, top group first."""

    mean: list[Float[Tensor, "n ..."]]
    variance: list[Float[Tensor, "n ..."]]
    sample: list[Float[Tensor, "n ..."]]


@dataclass(frozen=True)
class Noise:
    """All random numbers of a block of pictures: with a label, they determine the pictures."""

    groups: list[Float[Tensor, "n ..."]]
    """N(0, I) noise per group, top group first."""
    chance: Float[Tensor, "n"]
    """One uniform number per picture: it chooses a component of the mixture prior."""
    pixel_seed: int = 0
    """Seed of the pixels' noise."""
    pixels: float = 0.0
    """Scale of the pixels' noise, relative to that of the likelihood; 0: the expected picture."""

    @classmethod
    def drawn(cls, shapes: list[tuple[int, ...]], seed: int, block: int) -> "Noise":
        """The noise of one block of pictures; the same seed and block give the same noise.

        shapes   shape of each group's latent
        """
        groups, chance, pixel_seed = block_noise(shapes, seed, block)
        return cls([torch.from_numpy(values) for values in groups], torch.from_numpy(chance), pixel_seed)

    def scaled(self, temperature: float, pixels: float = 0.0) -> "Noise":
        """A copy with the latents' noise multiplied by `temperature`, and with pixel noise of scale `pixels`."""
        return replace(self, groups=[temperature * values for values in self.groups], pixels=pixels)


@dataclass(frozen=True)
class Codec:
    """Encoder and decoder on a device, between 8-bit pictures and latents. The network is in evaluation mode."""

    network: PictureVAE
    device: Device
    sharp: PictureVAE | None = None
    """The network whose decoder makes pictures; None: `network` itself."""

    @torch.inference_mode()
    def encode(
        self,
        images: UInt8[np.ndarray, "n height width channels"],
        seed: int,
        labels: Int64[Tensor, "n"] | None = None,
    ) -> EncodedPictures:
        """Posteriors of pictures in every group, and a sample of each.

        labels   class of each picture, for a model with labels; None: unknown
        """
        latents: list[list[Latent]] = []
        generator = torch.Generator(self.device.name).manual_seed(seed)
        for batch, classes in labelled_batches(images, labels, ENCODED):
            observed = self.network.likelihood.observe(batch.to(self.device.name), generator)
            with self.device.autocast():
                latents.append(self.network.vae(observed, on_device(classes, self.device), generator).latents)
        return EncodedPictures(*(_by_group(latents, kind) for kind in ("mean", "variance", "sample")))

    @torch.inference_mode()
    def encode_top(
        self,
        images: UInt8[np.ndarray, "n height width channels"],
        labels: Int64[Tensor, "n"] | None = None,
        seed: int = 0,
    ) -> tuple[Float[Tensor, "n latent"], Float[Tensor, "n latent"]]:
        """Means and standard deviations of the latent vectors, without a pass through the decoder.

        labels   class of each picture, for a model with labels; None: unknown
        seed     seed of the binarisation of black and white pictures
        """
        means, log_variances = [], []
        generator = torch.Generator(self.device.name).manual_seed(seed)
        for batch, classes in labelled_batches(images, labels, ENCODED):
            observed = self.network.likelihood.observe(batch.to(self.device.name), generator)
            with self.device.autocast():
                posterior = self.network.vae.encode(observed, on_device(classes, self.device)).top
            means.append(posterior.mean.cpu())
            log_variances.append(posterior.log_variance.cpu())
        return torch.cat(means), torch.exp(0.5 * torch.cat(log_variances))

    @torch.inference_mode()
    def decode(
        self, latents: Sequence[Float[Tensor, "n ..."]], labels: Int64[Tensor, "n"] | None = None
    ) -> UInt8[np.ndarray, "n height width channels"]:
        """The expected pictures of latents, top group first. Missing latents are the means of their priors."""
        pictures = []
        for start in range(0, len(latents[0]), BLOCK):
            given = [values[start : start + BLOCK] for values in latents]
            zeros = [torch.zeros(len(given[0]), *shape) for shape in self.network.vae.shapes]
            classes = None if labels is None else labels[start : start + BLOCK]
            pictures.append(_array(self.network.likelihood.mean(self._outputs(self._painter, given, zeros, classes))))
        return np.concatenate(pictures)

    @torch.inference_mode()
    def from_noise(
        self, noise: Noise, prior: Prior, label: int | None, guidance: float = 1.0
    ) -> UInt8[np.ndarray, "n height width channels"]:
        """The pictures of given noise; `prior` transforms it into latent vectors."""
        groups, chance = [values.to(self.device.name) for values in noise.groups], noise.chance.to(self.device.name)
        labels = None if label is None else torch.full((len(chance),), label, device=self.device.name)
        latents, likelihood = [prior(groups[0], chance, labels, guidance)], self.network.likelihood
        if not noise.pixels:
            return _array(likelihood.mean(self._outputs(self._painter, latents, groups, labels)))
        outputs = self._outputs(self.network, latents, groups, labels)  # the noise is that of the bound's decoder
        generator = torch.Generator(outputs.device).manual_seed(noise.pixel_seed)
        return _array(likelihood.sample(outputs, generator, noise.pixels))

    @property
    def _painter(self) -> PictureVAE:
        return self.sharp or self.network

    def _outputs(
        self,
        network: PictureVAE,
        given: Sequence[Tensor],
        noise: Sequence[Tensor],
        labels: Int64[Tensor, "n"] | None,
    ) -> Float[Tensor, "n maps height width"]:
        """The decoder's likelihood parameters."""
        name, count = self.device.name, len(noise[0])
        given, noise = [values.to(name) for values in given], [values.to(name) for values in noise]
        with self.device.autocast():
            return network.vae.decode(count, on_device(labels, self.device), given=given, noise=noise).outputs


def _array(pictures: UInt8[Tensor, "n height width channels"]) -> UInt8[np.ndarray, "n height width channels"]:
    return np.asarray(pictures.cpu().numpy())


def _by_group(latents: list[list[Latent]], kind: str) -> list[Tensor]:
    """The means, variances or samples of every group, over all batches."""
    return [torch.cat([_value(batch[group], kind).cpu() for batch in latents]) for group in range(len(latents[0]))]


def _value(latent: Latent, kind: str) -> Tensor:
    assert latent.posterior
    if kind == "sample":
        return latent.sample
    return latent.posterior.mean if kind == "mean" else latent.posterior.log_variance.exp()
