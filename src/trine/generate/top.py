"""The top group of latents, with the prior N(0, I): a vector for the whole picture, or a map with numbers per place.

A map is stored as a vector too, place by place within each channel: whatever reads latents reads both.
"""

import math
from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from trine.generate.latent import Latent, Normal
from trine.nn.convolution import Pointwise


class TopGroup(nn.Module, ABC):
    """The latents that a picture is decoded from, and their projection to the decoder's coarsest map."""

    latent: int
    """Number of latents."""

    @abstractmethod
    def posterior_of(
        self, encoded: Float[Tensor, "batch width rows columns"], condition: Float[Tensor, "batch conditions"]
    ) -> Normal:
        """Posterior of the latents; `encoded` is the encoder's coarsest map."""

    @abstractmethod
    def projected(
        self, z: Float[Tensor, "batch latent"], condition: Float[Tensor, "batch conditions"]
    ) -> Float[Tensor, "batch width rows columns"]:
        """The decoder's coarsest map."""

    def forward(
        self,
        posterior: Normal | None,
        condition: Float[Tensor, "batch conditions"],
        noise: Tensor,
        given: Tensor | None,
    ) -> tuple[Float[Tensor, "batch width rows columns"], Latent]:
        """The coarsest map and the latents: `given`, else a sample of the posterior, else one of the prior."""
        zeros = torch.zeros(condition.shape[0], self.latent, device=condition.device)
        prior = Normal(zeros, zeros)
        z = given if given is not None else (posterior or prior).at(noise)
        hidden = self.projected(z, condition)
        return hidden.contiguous(memory_format=torch.channels_last), Latent(z, prior, posterior)


class TopVector(TopGroup):
    """One latent vector for the whole picture."""

    def __init__(self, width: int, size: tuple[int, int], latent: int, conditions: int) -> None:
        super().__init__()
        self.latent, self.shape = latent, (width, *size)
        features = math.prod(self.shape)
        self.posterior = nn.Linear(features + conditions, 2 * latent)
        self.project = nn.Linear(latent + conditions, features)
        nn.init.normal_(self.posterior.weight, std=0.1 / math.sqrt(features + conditions))

    @override
    def posterior_of(
        self, encoded: Float[Tensor, "batch width rows columns"], condition: Float[Tensor, "batch conditions"]
    ) -> Normal:
        features = F.silu(encoded).flatten(1)
        return Normal.of(self.posterior(torch.cat([features, condition.to(features.dtype)], 1)))

    @override
    def projected(
        self, z: Float[Tensor, "batch latent"], condition: Float[Tensor, "batch conditions"]
    ) -> Float[Tensor, "batch width rows columns"]:
        maps: Tensor = self.project(torch.cat([z, condition], 1)).view(-1, *self.shape)
        return maps


class TopMap(TopGroup):
    """Some latents for each place of the coarsest map: they say what is where, and little is lost.

    Rombach et al., "High-resolution image synthesis with latent diffusion models", 2022.
    """

    def __init__(self, width: int, size: tuple[int, int], channels: int, conditions: int) -> None:
        super().__init__()
        self.channels, self.size, self.latent = channels, size, channels * math.prod(size)
        self.posterior = Pointwise(width + conditions, 2 * channels)
        self.project = Pointwise(channels + conditions, width)
        nn.init.normal_(self.posterior.weight, std=0.1 / math.sqrt(width + conditions))

    @override
    def posterior_of(
        self, encoded: Float[Tensor, "batch width rows columns"], condition: Float[Tensor, "batch conditions"]
    ) -> Normal:
        parameters = Normal.of(self.posterior(self._beside(F.silu(encoded), condition)))
        return Normal(parameters.mean.flatten(1), parameters.log_variance.flatten(1))

    @override
    def projected(
        self, z: Float[Tensor, "batch latent"], condition: Float[Tensor, "batch conditions"]
    ) -> Float[Tensor, "batch width rows columns"]:
        maps: Tensor = self.project(self._beside(z.view(-1, self.channels, *self.size), condition))
        return maps

    def _beside(self, maps: Tensor, condition: Float[Tensor, "batch conditions"]) -> Tensor:
        """The maps, and the condition at every place."""
        if not condition.shape[1]:
            return maps
        everywhere = condition[:, :, None, None].to(maps.dtype).expand(-1, -1, *self.size)
        return torch.cat([maps, everywhere], 1)
