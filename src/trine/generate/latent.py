"""Latents: distributions, samples, and the outputs of encoder and decoder."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

LOG_VARIANCE = (-12.0, 6.0)
"""Range of the log variances of the latent vector's posterior: exp stays finite in single precision. Latent maps have a
smooth bound instead (see `MapGroup`), because their prior is learned."""


@dataclass(frozen=True)
class Normal:
    """Independent normal distributions."""

    mean: Float[Tensor, "batch *latent"]
    log_variance: Float[Tensor, "batch *latent"]

    @classmethod
    def of(cls, parameters: Float[Tensor, "batch _ *rest"]) -> "Normal":
        """From a network's output: means in the first half of the channels, log variances in the second."""
        mean, log_variance = parameters.float().chunk(2, 1)
        return cls(mean, log_variance.clamp(*LOG_VARIANCE))

    def at(self, noise: Float[Tensor, "batch *latent"]) -> Float[Tensor, "batch *latent"]:
        """A sample computed from N(0, I) noise, differentiable in mean and variance (the reparameterisation trick)."""
        return self.mean + torch.exp(0.5 * self.log_variance) * noise

    def log_prob(self, value: Float[Tensor, "batch *latent"]) -> Float[Tensor, "batch"]:
        """Log density in nats."""
        scaled = (value - self.mean).square() * torch.exp(-self.log_variance)
        return -0.5 * (scaled + self.log_variance + math.log(2 * math.pi)).flatten(1).sum(1)

    def kl(self, other: "Normal") -> Float[Tensor, "batch"]:
        """KL(self ‖ other), in nats."""
        return self.kl_per_unit(other).flatten(1).sum(1)

    def kl_per_unit(self, other: "Normal") -> Float[Tensor, "batch *latent"]:
        """KL divergence of each latent unit, in nats."""
        ratio = torch.exp(self.log_variance - other.log_variance)
        shift = (self.mean - other.mean).square() * torch.exp(-other.log_variance)
        return 0.5 * (ratio + shift - 1 + other.log_variance - self.log_variance)


@dataclass(frozen=True)
class Latent:
    """A sample of one group, and its distributions."""

    sample: Float[Tensor, "batch *latent"]
    prior: Normal
    posterior: Normal | None

    @property
    def kl(self) -> Float[Tensor, "batch"]:
        """KL(posterior ‖ prior) in nats; zero when the sample is from the prior."""
        return self.posterior.kl(self.prior) if self.posterior else self.sample.new_zeros(len(self.sample))

    @property
    def kl_per_unit(self) -> Float[Tensor, "batch *latent"]:
        """`kl` of every unit."""
        return self.posterior.kl_per_unit(self.prior) if self.posterior else torch.zeros_like(self.sample)

    @property
    def shift(self) -> Float[Tensor, "batch *latent"]:
        """Posterior mean minus prior mean: the effect of the picture on the latent."""
        assert self.posterior
        return self.posterior.mean - self.prior.mean

    @property
    def log_ratio(self) -> Float[Tensor, "batch"]:
        """ln p(z) − ln q(z) of the sample, which is a part of its importance weight."""
        assert self.posterior
        return self.prior.log_prob(self.sample) - self.posterior.log_prob(self.sample)


@dataclass(frozen=True)
class DecoderPass:
    """Result of one pass through the decoder."""

    squares: Float[Tensor, "maps 2 2 batch rows columns"]
    """Likelihood parameters in the decoder's memory order: for each position in a 2×2 square of pixels, all squares."""
    size: tuple[int, int]
    """Height and width of the pictures, in pixels; the squares can cover a larger, padded picture."""
    latents: list[Latent]

    @property
    def outputs(self) -> Float[Tensor, "batch maps height width"]:
        """Likelihood parameters as maps."""
        pictures = self.squares.permute(3, 0, 4, 1, 5, 2).flatten(4).flatten(2, 3)
        return pictures[..., : self.size[0], : self.size[1]]

    @property
    def kl(self) -> Float[Tensor, "batch groups"]:
        """KL divergence per group, in nats."""
        return torch.stack([latent.kl for latent in self.latents], 1)


@dataclass(frozen=True)
class Encoding:
    """The encoder's outputs for the groups of the decoder."""

    top: Normal
    """Posterior of the latent vector."""
    maps: list[Float[Tensor, "batch _ _ _"] | None]
    """Activations for the latent maps, coarsest first; None at a resolution without latent maps."""

    def repeated(self, times: int) -> "Encoding":
        """Each picture's outputs repeated `times` times: picture 0, picture 0, …, picture 1, …"""
        return Encoding(
            Normal(self.top.mean.repeat_interleave(times, 0), self.top.log_variance.repeat_interleave(times, 0)),
            [None if values is None else values.repeat_interleave(times, 0) for values in self.maps],
        )


def in_squares(
    pictures: Float[Tensor, "batch channels height width"],
) -> Float[Tensor, "channels 2 2 batch rows columns"]:
    """Pictures of even size, in the order of `DecoderPass.squares`."""
    count, channels, height, width = pictures.shape
    pixels = pictures.reshape(count, channels, height // 2, 2, width // 2, 2)
    return pixels.permute(1, 3, 5, 0, 2, 4).contiguous()
