"""What a decoder's outputs say of a picture: a density to train by, and pictures to look at.

A picture is observed as values from −1 to 1, one a channel and pixel; a level of its 8 bits is `BIN` wide. Two of the
densities are over 8-bit values, so that what they give can be stated in bits a dimension; the third is over black and
white.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import ClassVar

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, UInt8
from torch import Tensor, nn

BIN = 2 / 255
USUAL_SCALE = -2.0
"""Logarithm of the scale of logistic distributions before the training."""
FAR = 40.0
"""Where a normal distribution's tail is taken to end, in deviations."""


class Likelihood(nn.Module, ABC):
    """p(picture | outputs of the decoder)."""

    discrete: ClassVar[bool] = True
    """Whether it is a density over 8-bit values."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Maps that the decoder must give."""

    def observe(
        self, images: UInt8[Tensor, "batch height width channels"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "batch channels height width"]:
        """What the encoder sees and `log_prob` explains."""
        return images.permute(0, 3, 1, 2).float() / 127.5 - 1

    @abstractmethod
    def log_prob(
        self,
        outputs: Float[Tensor, "batch maps height width"],
        observed: Float[Tensor, "batch channels height width"],
    ) -> Float[Tensor, "batch"]:
        """Log probability of each picture, in nats."""

    @abstractmethod
    def mean(self, outputs: Float[Tensor, "batch maps height width"]) -> UInt8[Tensor, "batch height width channels"]:
        """The expected picture."""

    @abstractmethod
    def sample(
        self,
        outputs: Float[Tensor, "batch maps height width"],
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> UInt8[Tensor, "batch height width channels"]:
        """A picture with its pixels' noise."""


class Bernoulli(Likelihood):
    """Black and white pixels, binarised dynamically: white with the grey value as probability, anew each time."""

    discrete = False

    @property
    def outputs(self) -> int:
        """One logit a channel."""
        return self.channels

    def observe(
        self, images: UInt8[Tensor, "batch height width channels"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "batch channels height width"]:
        """−1 for black, 1 for white."""
        grey = images.permute(0, 3, 1, 2).float() / 255
        drawn = torch.rand(grey.shape, generator=generator, device=grey.device)
        return torch.where(drawn < grey, 1.0, -1.0)

    def log_prob(
        self,
        outputs: Float[Tensor, "batch maps height width"],
        observed: Float[Tensor, "batch channels height width"],
    ) -> Float[Tensor, "batch"]:
        """Sum of the pixels' log probabilities."""
        return F.logsigmoid(outputs.float() * observed).sum((1, 2, 3))

    def mean(self, outputs: Float[Tensor, "batch maps height width"]) -> UInt8[Tensor, "batch height width channels"]:
        """Grey: the probability of white."""
        return _picture(2 * torch.sigmoid(outputs.float()) - 1)

    def sample(
        self,
        outputs: Float[Tensor, "batch maps height width"],
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> UInt8[Tensor, "batch height width channels"]:
        """Black and white."""
        chance = torch.sigmoid(outputs.float() / max(temperature, 1e-6))
        drawn = torch.rand(chance.shape, generator=generator, device=chance.device)
        return _picture(torch.where(drawn < chance, 1.0, -1.0))


class CalibratedGaussian(Likelihood):
    """Normal noise of one deviation for all pixels, the best one for the reconstructions as they are.

    Rybkin, Daniilidis and Levine, "Simple and effective VAE training with calibrated decoders", 2021; here the density
    of an 8-bit value is the normal distribution's mass in its bin, and the means stay within the range of the levels.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.register_buffer("deviation", torch.tensor(1.0))

    deviation: Tensor

    @property
    def outputs(self) -> int:
        """One mean a channel."""
        return self.channels

    def log_prob(
        self,
        outputs: Float[Tensor, "batch maps height width"],
        observed: Float[Tensor, "batch channels height width"],
    ) -> Float[Tensor, "batch"]:
        """Sum of the logarithms of the bins' masses; in training the deviation follows the errors first."""
        error = observed - torch.tanh(outputs.float())
        if self.training:
            self._calibrate(error.detach())
        above = torch.where(observed > 1 - BIN / 2, FAR, (error + BIN / 2) / self.deviation)
        below = torch.where(observed < -1 + BIN / 2, -FAR, (error - BIN / 2) / self.deviation)
        return _log_normal_mass(below.clamp(-FAR, FAR), above.clamp(-FAR, FAR)).sum((1, 2, 3))

    def _calibrate(self, error: Tensor) -> None:
        best = error.square().mean().sqrt().clamp_min(BIN / 4)
        self.deviation.lerp_(best, 0.1)

    def mean(self, outputs: Float[Tensor, "batch maps height width"]) -> UInt8[Tensor, "batch height width channels"]:
        """The means."""
        return _picture(torch.tanh(outputs.float()))

    def sample(
        self,
        outputs: Float[Tensor, "batch maps height width"],
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> UInt8[Tensor, "batch height width channels"]:
        """The means with noise."""
        noise = torch.randn(outputs.shape, generator=generator, device=outputs.device)
        return _picture(torch.tanh(outputs.float()) + temperature * self.deviation * noise)


class LogisticMixture(Likelihood):
    """A mixture of discretised logistic distributions a pixel; channels follow linearly on those before them.

    Salimans et al., "PixelCNN++", 2017. A mixture component is chosen for all channels of a pixel together.
    """

    def __init__(self, channels: int, components: int = 5) -> None:
        super().__init__(channels)
        self.components = components
        self.pairs = channels * (channels - 1) // 2

    @property
    def outputs(self) -> int:
        """A component's logit, and a mean, a log scale and the coefficients of the channels before for each channel."""
        return self.components * (1 + 2 * self.channels + self.pairs)

    def log_prob(
        self,
        outputs: Float[Tensor, "batch maps height width"],
        observed: Float[Tensor, "batch channels height width"],
    ) -> Float[Tensor, "batch"]:
        """Logarithm of the mixture's mass in the pixels' bins."""
        logits, means, log_scales, links = self._distributions(outputs)
        x = observed[:, :, None]
        centred = torch.stack([x[:, c] - self._mean(means, links, x, c) for c in range(self.channels)], 1)
        rate = torch.exp(-log_scales)
        above, below = rate * (centred + BIN / 2), rate * (centred - BIN / 2)
        lowest, highest = x < -1 + BIN / 2, x > 1 - BIN / 2
        within = torch.where(lowest | highest, 0.0, torch.log(-torch.expm1(-rate * BIN)))
        up_to, from_there = F.logsigmoid(above), F.logsigmoid(-below)
        mass = within + torch.where(highest, 0.0, up_to) + torch.where(lowest, 0.0, from_there)
        return torch.logsumexp(F.log_softmax(logits, 1) + mass.sum(1), 1).sum((1, 2))

    def mean(self, outputs: Float[Tensor, "batch maps height width"]) -> UInt8[Tensor, "batch height width channels"]:
        """Each channel's mean over the components, given the means of the channels before it."""
        logits, means, _, links = self._distributions(outputs)
        weights = F.softmax(logits, 1)
        return _picture(self._channel_by_channel(means, links, lambda c, mean: (weights * mean).sum(1)))

    def sample(
        self,
        outputs: Float[Tensor, "batch maps height width"],
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> UInt8[Tensor, "batch height width channels"]:
        """A component a pixel, then its channels in order."""
        logits, means, log_scales, links = self._distributions(outputs)
        chance = torch.rand(logits.shape, generator=generator, device=logits.device).clamp(1e-6, 1 - 1e-6)
        chosen = (logits / max(temperature, 1e-6) - torch.log(-torch.log(chance))).argmax(1, keepdim=True)
        level = torch.rand(means[:, :, 0].shape, generator=generator, device=logits.device).clamp(1e-6, 1 - 1e-6)

        def draw(c: int, mean: Tensor) -> Tensor:
            scale = log_scales[:, c].exp().gather(1, chosen)[:, 0]
            return mean.gather(1, chosen)[:, 0] + temperature * scale * torch.logit(level[:, c])

        return _picture(self._channel_by_channel(means, links, draw))

    def _channel_by_channel(self, means: Tensor, links: Tensor, value: Callable[[int, Tensor], Tensor]) -> Tensor:
        """The channels in order: `value` makes one of the components' means."""
        found: list[Tensor] = []
        for c in range(self.channels):
            before = torch.stack([*found, *[means[:, 0, 0]] * (self.channels - c)], 1)[:, :, None]
            found.append(value(c, self._mean(means, links, before, c)).clamp(-1, 1))
        return torch.stack(found, 1)

    def _mean(self, means: Tensor, links: Tensor, x: Tensor, channel: int) -> Tensor:
        """The components' means of a channel, given the channels before it."""
        first = channel * (channel - 1) // 2
        mean: Tensor = means[:, channel]
        for other in range(channel):
            mean = mean + links[:, first + other] * x[:, other]
        return mean

    def _distributions(self, outputs: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        k, each = self.components, self.components * self.channels
        logits, means, scales, links = torch.split(outputs.float(), [k, each, each, k * self.pairs], 1)
        shape = (len(outputs), -1, k, *outputs.shape[2:])
        spread = torch.linspace(-0.5, 0.5, k, device=outputs.device).view(k, 1, 1)
        scales = (scales.reshape(shape) + USUAL_SCALE).clamp(-7, 4)
        return logits, means.reshape(shape) + spread, scales, torch.tanh(links.reshape(shape))


LIKELIHOODS: dict[str, type[Likelihood]] = {
    "bernoulli": Bernoulli,
    "gaussian": CalibratedGaussian,
    "logistic": LogisticMixture,
}


def bits_per_dim(nats: float, dimensions: int) -> float:
    """Nats a picture as bits a channel and pixel."""
    return nats / (dimensions * math.log(2))


def _log_normal_mass(below: Tensor, above: Tensor) -> Tensor:
    """Logarithm of the standard normal's mass between two points, taken in the tail where it loses no digits."""
    right = below + above > 0
    low, high = torch.where(right, -above, below), torch.where(right, -below, above)
    log_high = torch.special.log_ndtr(high)
    mass: Tensor = log_high + torch.log1p(-torch.exp((torch.special.log_ndtr(low) - log_high).clamp_max(-1e-6)))
    return mass


def _picture(values: Tensor) -> Tensor:
    return ((values + 1) * 127.5).round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
