"""What a decoder's outputs say of a picture: a density to train by, and pictures to look at.

A picture is observed as values from −1 to 1, one a channel and pixel; a level of its 8 bits is `BIN` wide. Two of the
densities are over 8-bit values, so that what they give can be stated in bits a dimension; the third is over black and
white.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, UInt8
from torch import Tensor, nn

BIN = 2 / 255
USUAL_SCALE = -2.0
"""Logarithm of the scale of logistic distributions before the training."""
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
        below, above = ((end - mean).div_(unit).clamp_(-FAR, FAR) for end in _bins(observed))
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
        self.pairs = [(channel, other) for channel in range(channels) for other in range(channel)]

    @property
    def outputs(self) -> int:
        """A component's logit, and a mean, a log scale and the coefficients of the channels before for each channel."""
        return self.components * (1 + 2 * self.channels + len(self.pairs))

    def explain(
        self,
        outputs: Float[Tensor, "maps pixels"],
        observed: Float[Tensor, "channels pixels"],
        gradient: Float[Tensor, "maps pixels"] | None,
    ) -> Float[Tensor, "pixels"]:
        """Logarithms of the mixture's mass in the bins of all channels together."""
        logits, means, log_scales, links = self._distributions(outputs)
        mean = torch.stack([self._mean(means, links, observed, channel) for channel in range(self.channels)])
        (begin, end), rate = _bins(observed[:, None]), torch.exp(-log_scales)
        below, above, width = (begin - mean).mul_(rate), (end - mean).mul_(rate), (end - begin) * rate
        under, over, inside = torch.sigmoid(below), (-above).sigmoid_(), (-width).expm1_().neg_()
        joint = F.log_softmax(logits, 0) + _log_logistic_mass(below, above, under, over, inside).sum(0)
        found = torch.logsumexp(joint, 0)
        if gradient is not None:
            to_logits, to_means, to_scales, to_links = self._split(gradient)
            share = joint.sub_(found).exp_()  # of each component, given the pixel
            torch.sub(share, F.softmax(logits, 0), out=to_logits)
            torch.mul(under - over, rate.mul_(share), out=to_means)
            narrower = above.mul_(over).sub_(below.mul_(under)).add_(inside.reciprocal_().sub_(1).mul_(width))
            unbound = self._split(outputs)[2] + USUAL_SCALE == log_scales
            torch.mul(narrower.mul_(share).neg_(), unbound, out=to_scales)
            for number, (channel, other) in enumerate(self.pairs):
                torch.mul(to_means[channel], (1 - links[number].square()).mul_(observed[other]), out=to_links[number])
        return found

    def mean(self, outputs: Float[Tensor, "batch maps height width"]) -> UInt8[Tensor, "batch height width channels"]:
        """Each channel's mean over the components, given the means of the channels before it."""
        logits, means, _, links = self._distributions(outputs.transpose(0, 1))
        weights = F.softmax(logits, 0)
        return _picture(self._channel_by_channel(means, links, lambda c, mean: (weights * mean).sum(0)))

    def sample(
        self,
        outputs: Float[Tensor, "batch maps height width"],
        temperature: float = 1.0,
        generator: torch.Generator | None = None,
    ) -> UInt8[Tensor, "batch height width channels"]:
        """A component a pixel, then its channels in order."""
        logits, means, log_scales, links = self._distributions(outputs.transpose(0, 1))
        chance = torch.rand(logits.shape, generator=generator, device=logits.device).clamp(1e-6, 1 - 1e-6)
        chosen = (logits / max(temperature, 1e-6) - torch.log(-torch.log(chance))).argmax(0, keepdim=True)
        level = torch.rand(means[:, 0].shape, generator=generator, device=logits.device).clamp(1e-6, 1 - 1e-6)

        def draw(c: int, mean: Tensor) -> Tensor:
            scale = log_scales[c].exp().gather(0, chosen)[0]
            return mean.gather(0, chosen)[0] + temperature * scale * torch.logit(level[c])

        return _picture(self._channel_by_channel(means, links, draw))

    def _channel_by_channel(self, means: Tensor, links: Tensor, value: Callable[[int, Tensor], Tensor]) -> Tensor:
        """The channels of pictures, in order: `value` makes one of the components' means."""
        found: list[Tensor] = []
        for c in range(self.channels):
            found.append(value(c, self._mean(means, links, found, c)).clamp(-1, 1))
        return torch.stack(found, 1)

    def _mean(self, means: Tensor, links: Tensor, before: Sequence[Tensor] | Tensor, channel: int) -> Tensor:
        """The components' means of a channel, given the channels before it."""
        mean: Tensor = means[channel]
        for number, (one, other) in enumerate(self.pairs):
            if one == channel:
                mean = mean + links[number] * before[other]
        return mean

    def _distributions(self, outputs: Float[Tensor, "maps *pixels"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits of the components; then for each, a row of means and log scales a channel, and of links a pair."""
        logits, means, scales, links = self._split(outputs.float())
        spread = torch.linspace(-0.5, 0.5, self.components, device=outputs.device)
        spread = spread.view(-1, *[1] * (outputs.dim() - 1))
        return logits, means + spread, (scales + USUAL_SCALE).clamp(-7, 4), torch.tanh(links)

    def _split(self, maps: Float[Tensor, "maps *pixels"]) -> list[Tensor]:
        """Views of what the maps stand for."""
        rows = [1, self.channels, self.channels, len(self.pairs)]
        parts = torch.split(maps.view(-1, self.components, *maps.shape[1:]), rows)
        return [parts[0][0], *parts[1:]]


LIKELIHOODS: dict[str, type[Likelihood]] = {
    "bernoulli": Bernoulli,
    "gaussian": CalibratedGaussian,
    "logistic": LogisticMixture,
}


def bits_per_dim(nats: float, dimensions: int) -> float:
    """Nats a picture as bits a channel and pixel."""
    return nats / (dimensions * math.log(2))


def _bins(observed: Tensor) -> tuple[Tensor, Tensor]:
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


def _log_logistic_mass(below: Tensor, above: Tensor, under: Tensor, over: Tensor, inside: Tensor) -> Tensor:
    """Logarithm of the standard logistic distribution's mass between two points.

    under, over   its mass below the lower and above the upper of them
    inside        one minus the exponential of minus their distance
    """
    larger, other = ((side - 0.5).abs_().add_(0.5) for side in (under, over))
    return larger.mul_(other).mul_(inside).log_().add_(above.clamp(max=0)).sub_(below.clamp(min=0))


def _picture(values: Tensor) -> Tensor:
    return ((values + 1) * 127.5).round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
