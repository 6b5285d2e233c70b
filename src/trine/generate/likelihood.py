"""What a decoder's outputs say of a picture: a density to train by, and pictures to look at.

A picture is observed as values from −1 to 1, one a channel and pixel; a level of its 8 bits is `BIN` wide. Two of the
densities are over 8-bit values, so that what they give can be stated in bits a dimension; the third is over black and
white.
"""

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, UInt8
from torch import Tensor, nn

BIN = 2 / 255
ROOT = math.sqrt(2)
FAR = 40 / ROOT
"""Where a normal distribution's tail is taken to end, in units of √2 deviations."""
TAIL = 8 / ROOT
"""From where on single precision has too few small numbers for a normal distribution's mass itself."""
ENDLESS = 1e4
"""A place that no distribution's mass reaches."""


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

    def log_prob(
        self,
        outputs: Float[Tensor, "batch maps height width"],
        observed: Float[Tensor, "batch channels height width"],
    ) -> Float[Tensor, "batch"]:
        """Log probability of each picture, in nats."""
        return self.of_pixels(outputs.transpose(0, 1), observed.transpose(0, 1)).sum((1, 2))

    def of_pixels(
        self, outputs: Float[Tensor, "maps *pixels"], observed: Float[Tensor, "channels *pixels"]
    ) -> Float[Tensor, "*pixels"]:
        """Log probability of each pixel, in nats; pixels may lie in any order."""
        found: Tensor = _Explained.apply(  # type: ignore[no-untyped-call]
            outputs.float().flatten(1), observed.flatten(1), self
        )
        return found.view(outputs.shape[1:])

    @abstractmethod
    def explain(
        self,
        outputs: Float[Tensor, "maps pixels"],
        observed: Float[Tensor, "channels pixels"],
        gradient: Float[Tensor, "maps pixels"] | None,
    ) -> Float[Tensor, "pixels"]:
        """Log probability of each pixel, and where it is asked for, its gradient, which is written to `gradient`.

        In closed form: autograd would keep and read again every number on the way, which takes longer than finding it.
        """

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

    def explain(
        self,
        outputs: Float[Tensor, "maps pixels"],
        observed: Float[Tensor, "channels pixels"],
        gradient: Float[Tensor, "maps pixels"] | None,
    ) -> Float[Tensor, "pixels"]:
        """Each channel is black or white on its own."""
        towards = outputs * observed
        if gradient is not None:
            torch.mul(observed, torch.sigmoid(-towards), out=gradient)
        return towards.abs().neg_().exp_().log1p_().neg_().add_(towards.clamp_(max=0)).sum(0)

    def mean(self, outputs: Float[Tensor, "batch maps height width"]) -> UInt8[Tensor, "batch height width channels"]:
        """Grey: the probability of white."""
        return as_picture(2 * torch.sigmoid(outputs.float()) - 1)

    def sample(
        self,
        outputs: Float[Tensor, "batch maps height width"],
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> UInt8[Tensor, "batch height width channels"]:
        """Black and white."""
        chance = torch.sigmoid(outputs.float() / max(temperature, 1e-6))
        drawn = torch.rand(chance.shape, generator=generator, device=chance.device)
        return as_picture(torch.where(drawn < chance, 1.0, -1.0))


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

    def explain(
        self,
        outputs: Float[Tensor, "maps pixels"],
        observed: Float[Tensor, "channels pixels"],
        gradient: Float[Tensor, "maps pixels"] | None,
    ) -> Float[Tensor, "pixels"]:
        """Logarithms of the bins' masses; in training the deviation follows the errors first."""
        mean = torch.tanh(outputs)
        if self.training:
            self._calibrate(observed - mean)
        unit = ROOT * self.deviation
        below, above = ((end - mean).div_(unit).clamp_(-FAR, FAR) for end in bins(observed))
        mass = _log_normal_mass(below, above)
        if gradient is not None:
            at_above, at_below = (end.square_().add_(mass).neg_().exp_() for end in (above, below))
            at_above.sub_(at_below).div_(unit * math.sqrt(math.pi))
            torch.mul(at_above, mean.square_().sub_(1), out=gradient)
        return mass.sum(0)

    def _calibrate(self, error: Tensor) -> None:
        best = error.square().mean().sqrt().clamp_min(BIN / 4)
        self.deviation.lerp_(best, 0.1)

    def mean(self, outputs: Float[Tensor, "batch maps height width"]) -> UInt8[Tensor, "batch height width channels"]:
        """The means."""
        return as_picture(torch.tanh(outputs.float()))

    def sample(
        self,
        outputs: Float[Tensor, "batch maps height width"],
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> UInt8[Tensor, "batch height width channels"]:
        """The means with noise."""
        noise = torch.randn(outputs.shape, generator=generator, device=outputs.device)
        return as_picture(torch.tanh(outputs.float()) + temperature * self.deviation * noise)


def bits_per_dim(nats: float, dimensions: int) -> float:
    """Nats a picture as bits a channel and pixel."""
    return nats / (dimensions * math.log(2))


def bins(observed: Float[Tensor, "*any"]) -> tuple[Float[Tensor, "*any"], Float[Tensor, "*any"]]:
    """Where each level's bin begins and ends: the darkest one's has no beginning, the lightest one's no end."""
    begin = F.threshold(observed, -1 + BIN / 2, -ENDLESS).sub_(BIN / 2)
    end = F.threshold(-observed, -1 + BIN / 2, -ENDLESS).sub_(BIN / 2).neg_()
    return begin, end


class _Explained(torch.autograd.Function):
    """What a likelihood says of pixels, and the gradient that it gives with it."""

    @staticmethod
    def forward(ctx: Any, outputs: Tensor, observed: Tensor, likelihood: Likelihood) -> Tensor:
        gradient = torch.empty_like(outputs) if ctx.needs_input_grad[0] else None
        found = likelihood.explain(outputs, observed, gradient)
        if gradient is not None:
            ctx.save_for_backward(gradient)
        return found

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return ctx.saved_tensors[0].mul_(gradient), None, None  # in place: torch refuses to come here a second time


def _log_normal_mass(below: Tensor, above: Tensor) -> Tensor:
    """Logarithm of a normal distribution's mass between two points, in units of √2 deviations as `erfc` has them."""
    mirrored = -above
    near, far = torch.maximum(below, mirrored), torch.minimum(below, mirrored).neg_()
    mass = torch.erfc(near).sub_(torch.erfc(far)).div_(2).clamp_(min=1e-38).log_()
    if float(near.max()) > TAIL:
        out = near > TAIL
        log_near, log_far = (torch.special.log_ndtr(-ROOT * end[out]) for end in (near, far))
        mass[out] = log_near + torch.log1p(-torch.exp((log_far - log_near).clamp_max(-1e-6)))
    return mass


def as_picture(
    values: Float[Tensor, "batch channels height width"],
) -> UInt8[Tensor, "batch height width channels"]:
    """The nearest levels of values from −1 to 1."""
    return ((values + 1) * 127.5).round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
