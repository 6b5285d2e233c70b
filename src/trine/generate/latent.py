"""Latents: the distributions they are drawn from, what was drawn, and what the encoder has to say of them."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

LOG_VARIANCE = (-12.0, 6.0)
"""The range of the latent vector's log variances; latent maps have a bound of their own, for their prior is learned."""


@dataclass(frozen=True)
class Normal:
    """Independent normal distributions."""

    mean: Float[Tensor, "batch *latent"]
    log_variance: Float[Tensor, "batch *latent"]

    @classmethod
    def of(cls, parameters: Float[Tensor, "batch _ *rest"]) -> "Normal":
        """From a network's output: means, then log variances."""
        mean, log_variance = parameters.float().chunk(2, 1)
        return cls(mean, log_variance.clamp(*LOG_VARIANCE))

    def at(self, noise: Float[Tensor, "batch *latent"]) -> Float[Tensor, "batch *latent"]:
        """The reparameterisation trick: a sample that mean and variance have gradients of, from noise of N(0, I)."""
        return self.mean + torch.exp(0.5 * self.log_variance) * noise

    def log_prob(self, value: Float[Tensor, "batch *latent"]) -> Float[Tensor, "batch"]:
        """Log density, in nats."""
        scaled = (value - self.mean).square() * torch.exp(-self.log_variance)
        return -0.5 * (scaled + self.log_variance + math.log(2 * math.pi)).flatten(1).sum(1)

    def kl(self, other: "Normal") -> Float[Tensor, "batch"]:
        """KL divergence KL(self ‖ other), in nats."""
        return self.kl_per_unit(other).flatten(1).sum(1)

    def kl_per_unit(self, other: "Normal") -> Float[Tensor, "batch *latent"]:
        """KL divergence of each latent number on its own, in nats."""
        ratio = torch.exp(self.log_variance - other.log_variance)
        shift = (self.mean - other.mean).square() * torch.exp(-other.log_variance)
        return 0.5 * (ratio + shift - 1 + other.log_variance - self.log_variance)


@dataclass(frozen=True)
class Latent:
    """What one group drew, and from what."""

    sample: Float[Tensor, "batch *latent"]
    prior: Normal
    posterior: Normal | None

    @property
    def kl(self) -> Float[Tensor, "batch"]:
        """KL divergence of posterior and prior, in nats; nothing where no posterior was asked."""
        return self.posterior.kl(self.prior) if self.posterior else torch.zeros(len(self.sample))

    @property
    def learned(self) -> Float[Tensor, "batch *latent"]:
        """How far the picture moves the mean from where the prior has it."""
        assert self.posterior
        return self.posterior.mean - self.prior.mean

    @property
    def log_ratio(self) -> Float[Tensor, "batch"]:
        """ln p(z) − ln q(z) of the sample: its weight's part in importance sampling."""
        assert self.posterior
        return self.prior.log_prob(self.sample) - self.posterior.log_prob(self.sample)


@dataclass(frozen=True)
class Pass:
    """One way through the decoder."""

    squares: Float[Tensor, "maps 2 2 batch rows columns"]
    """What the likelihood reads, as the decoder makes it: of each of the four pixels of all squares in turn."""
    size: int
    """Of the pictures; the squares may reach over their edges."""
    latents: list[Latent]

    @property
    def outputs(self) -> Float[Tensor, "batch maps height width"]:
        """The same, pixel beside pixel."""
        pictures = self.squares.permute(3, 0, 4, 1, 5, 2).flatten(4).flatten(2, 3)
        return pictures[..., : self.size, : self.size]

    @property
    def kl(self) -> Float[Tensor, "batch groups"]:
        """KL divergence a group, in nats."""
        return torch.stack([latent.kl for latent in self.latents], 1)


@dataclass(frozen=True)
class Encoding:
    """What the encoder has to say, for every group of the decoder."""

    top: Normal
    """The posterior of the latent vector."""
    maps: list[Float[Tensor, "batch _ _ _"] | None]
    """What the latent maps see, coarse to fine; nothing at a resolution that has none."""

    def repeated(self, times: int) -> "Encoding":
        """Each picture's so many times in a row."""
        return Encoding(
            Normal(self.top.mean.repeat_interleave(times, 0), self.top.log_variance.repeat_interleave(times, 0)),
            [None if values is None else values.repeat_interleave(times, 0) for values in self.maps],
        )


def in_squares(
    pictures: Float[Tensor, "batch channels height width"],
) -> Float[Tensor, "channels 2 2 batch rows columns"]:
    """Pictures of even size in the order of a pass's squares."""
    count, channels, height, width = pictures.shape
    pixels = pictures.reshape(count, channels, height // 2, 2, width // 2, 2)
    return pixels.permute(1, 3, 5, 0, 2, 4).contiguous()
