"""The likelihood with the fewest bits per dimension: a mixture of logistic distributions over 8-bit levels."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, UInt8
from torch import Tensor
from typing_extensions import override

from trine.nn.likelihood import Likelihood, as_picture, bins

INITIAL_LOG_SCALE = -2.0
"""Log scale of the logistic distributions for decoder outputs of 0."""
LOG_SCALE = (-7.0, 4.0)
"""Range of the log scale; outside of it the gradient is 0."""
SMALLEST_CHANCE = 1e-6
"""Uniform random numbers are limited to [1e-6, 1 − 1e-6]: their logarithms stay finite."""


class LogisticMixture(Likelihood):
    """A mixture of discretised logistic distributions per pixel; each channel's mean depends linearly on those before.

    Salimans et al., "PixelCNN++", 2017. One component is chosen for all channels of a pixel together.
    """

    def __init__(self, channels: int, components: int = 5) -> None:
        super().__init__(channels)
        self.components = components
        self.pairs = [(channel, earlier) for channel in range(channels) for earlier in range(channel)]

    @property
    @override
    def outputs(self) -> int:
        # per component: a logit; per channel a mean and a log scale; per pair of channels a coefficient
        return self.components * (1 + 2 * self.channels + len(self.pairs))

    @override
    def log_prob_with_gradient(
        self,
        outputs: Float[Tensor, "maps pixels"],
        observed: Float[Tensor, "channels pixels"],
        gradient: Float[Tensor, "maps pixels"] | None,
    ) -> Float[Tensor, "pixels"]:
        logits, mean, log_scales, coefficients = self._distributions(outputs)
        for index, (channel, earlier) in enumerate(self.pairs):
            mean[channel].addcmul_(coefficients[index], observed[earlier])
        (begin, end), rate = bins(observed[:, None]), torch.exp(-log_scales)
        lower, upper, width = (begin - mean).mul_(rate), (end - mean).mul_(rate), (end - begin) * rate
        below, above, inside = torch.sigmoid(lower), (-upper).sigmoid_(), (-width).expm1_().neg_()
        joint = F.log_softmax(logits, 0) + _log_logistic_mass(lower, upper, below, above, inside).sum(0)
        log_prob = torch.logsumexp(joint, 0)
        if gradient is not None:
            to_logits, to_means, to_scales, to_coefficients = self._split(gradient)
            share = joint.sub_(log_prob).exp_()  # posterior probability of each component
            torch.sub(share, F.softmax(logits, 0), out=to_logits)
            narrower = upper.mul_(above).sub_(lower.mul_(below)).add_(inside.reciprocal_().sub_(1).mul_(width))
            torch.mul(narrower.neg_(), share, out=to_scales)
            if log_scales.min() == LOG_SCALE[0] or log_scales.max() == LOG_SCALE[1]:
                to_scales.mul_(self._split(outputs)[2] + INITIAL_LOG_SCALE == log_scales)
            torch.mul(below.sub_(above), rate.mul_(share), out=to_means)
            for index, (channel, earlier) in enumerate(self.pairs):
                slope = (1 - coefficients[index].square()).mul_(observed[earlier])
                torch.mul(to_means[channel], slope, out=to_coefficients[index])
        return log_prob

    @override
    def expected(
        self, outputs: Float[Tensor, "batch maps height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        logits, means, _, coefficients = self._distributions(outputs.transpose(0, 1))
        weights = F.softmax(logits, 0)
        return self._by_channel(means, coefficients, lambda channel, mean: (weights * mean).sum(0))

    @override
    def sample(
        self,
        outputs: Float[Tensor, "batch maps height width"],
        generator: torch.Generator,
        temperature: float = 1.0,
    ) -> UInt8[Tensor, "batch height width channels"]:
        logits, means, log_scales, coefficients = self._distributions(outputs.transpose(0, 1))
        gumbel = -torch.log(-torch.log(_uniform(logits.shape, logits.device, generator)))
        component = (logits / max(temperature, 1e-6) + gumbel).argmax(0, keepdim=True)
        quantile = _uniform(means[:, 0].shape, logits.device, generator)

        def draw(channel: int, mean: Tensor) -> Tensor:
            scale = log_scales[channel].exp().gather(0, component)[0]
            return mean.gather(0, component)[0] + temperature * scale * torch.logit(quantile[channel])

        return as_picture(self._by_channel(means, coefficients, draw))

    def _by_channel(self, means: Tensor, coefficients: Tensor, value: Callable[[int, Tensor], Tensor]) -> Tensor:
        """Pictures, channel by channel: `value` computes a channel from the components' means of it."""
        channels: list[Tensor] = []
        for channel in range(self.channels):
            mean = self._mean(means, coefficients, channels, channel)
            channels.append(value(channel, mean).clamp(-1, 1))
        return torch.stack(channels, 1)

    def _mean(self, means: Tensor, coefficients: Tensor, before: Sequence[Tensor], channel: int) -> Tensor:
        """The components' means of a channel, given the channels before it."""
        mean: Tensor = means[channel]
        for index, (target, earlier) in enumerate(self.pairs):
            if target == channel:
                mean = mean + coefficients[index] * before[earlier]
        return mean

    def _distributions(self, outputs: Float[Tensor, "maps *pixels"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits per component; means and log scales per channel and component; coefficients per pair and component."""
        logits, means, scales, coefficients = self._split(outputs.float())
        spread = torch.linspace(-0.5, 0.5, self.components, device=outputs.device)
        spread = spread.view(-1, *[1] * (outputs.dim() - 1))
        log_scales = (scales + INITIAL_LOG_SCALE).clamp_(*LOG_SCALE)
        return logits, means + spread, log_scales, torch.tanh(coefficients)

    def _split(self, maps: Float[Tensor, "maps *pixels"]) -> list[Tensor]:
        """Views of the maps: logits, means, scales, coefficients."""
        rows = [1, self.channels, self.channels, len(self.pairs)]
        parts = torch.split(maps.view(-1, self.components, *maps.shape[1:]), rows)
        return [parts[0][0], *parts[1:]]


def _uniform(shape: torch.Size, device: torch.device, generator: torch.Generator) -> Tensor:
    return torch.rand(shape, generator=generator, device=device).clamp(SMALLEST_CHANCE, 1 - SMALLEST_CHANCE)


def _log_logistic_mass(lower: Tensor, upper: Tensor, below: Tensor, above: Tensor, inside: Tensor) -> Tensor:
    """Logarithm of the standard logistic distribution's mass between two points.

    below    mass below the lower point
    above    mass above the upper point
    inside   1 − exp(lower − upper)
    """
    larger, other = ((mass - 0.5).abs_().add_(0.5) for mass in (below, above))
    return larger.mul_(other).mul_(inside).log_().add_(upper.clamp(max=0)).sub_(lower.clamp(min=0))
