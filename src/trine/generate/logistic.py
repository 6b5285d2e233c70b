"""The likelihood for few bits a dimension: a mixture of logistic distributions a pixel, over 8-bit values."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, UInt8
from torch import Tensor

from trine.generate.likelihood import Likelihood, as_picture, bins

USUAL_SCALE, LOWEST, HIGHEST = -2.0, -7.0, 4.0
"""Logarithms of the scale of logistic distributions: before the training, and what it may not pass."""


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
        logits, mean, log_scales, links = self._distributions(outputs)
        for number, (channel, other) in enumerate(self.pairs):
            mean[channel].addcmul_(links[number], observed[other])
        (begin, end), rate = bins(observed[:, None]), torch.exp(-log_scales)
        below, above, width = (begin - mean).mul_(rate), (end - mean).mul_(rate), (end - begin) * rate
        under, over, inside = torch.sigmoid(below), (-above).sigmoid_(), (-width).expm1_().neg_()
        joint = F.log_softmax(logits, 0) + _log_logistic_mass(below, above, under, over, inside).sum(0)
        found = torch.logsumexp(joint, 0)
        if gradient is not None:
            to_logits, to_means, to_scales, to_links = self._split(gradient)
            share = joint.sub_(found).exp_()  # of each component, given the pixel
            torch.sub(share, F.softmax(logits, 0), out=to_logits)
            narrower = above.mul_(over).sub_(below.mul_(under)).add_(inside.reciprocal_().sub_(1).mul_(width))
            torch.mul(narrower.neg_(), share, out=to_scales)
            if log_scales.min() == LOWEST or log_scales.max() == HIGHEST:
                to_scales.mul_(self._split(outputs)[2] + USUAL_SCALE == log_scales)
            torch.mul(under.sub_(over), rate.mul_(share), out=to_means)
            for number, (channel, other) in enumerate(self.pairs):
                torch.mul(to_means[channel], (1 - links[number].square()).mul_(observed[other]), out=to_links[number])
        return found

    def mean(self, outputs: Float[Tensor, "batch maps height width"]) -> UInt8[Tensor, "batch height width channels"]:
        """Each channel's mean over the components, given the means of the channels before it."""
        logits, means, _, links = self._distributions(outputs.transpose(0, 1))
        weights = F.softmax(logits, 0)
        return as_picture(self._channel_by_channel(means, links, lambda c, mean: (weights * mean).sum(0)))

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

        return as_picture(self._channel_by_channel(means, links, draw))

    def _channel_by_channel(self, means: Tensor, links: Tensor, value: Callable[[int, Tensor], Tensor]) -> Tensor:
        """The channels of pictures, in order: `value` makes one of the components' means."""
        found: list[Tensor] = []
        for c in range(self.channels):
            found.append(value(c, self._mean(means, links, found, c)).clamp(-1, 1))
        return torch.stack(found, 1)

    def _mean(self, means: Tensor, links: Tensor, before: Sequence[Tensor], channel: int) -> Tensor:
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
        return logits, means + spread, (scales + USUAL_SCALE).clamp_(LOWEST, HIGHEST), torch.tanh(links)

    def _split(self, maps: Float[Tensor, "maps *pixels"]) -> list[Tensor]:
        """Views of what the maps stand for."""
        rows = [1, self.channels, self.channels, len(self.pairs)]
        parts = torch.split(maps.view(-1, self.components, *maps.shape[1:]), rows)
        return [parts[0][0], *parts[1:]]


def _log_logistic_mass(below: Tensor, above: Tensor, under: Tensor, over: Tensor, inside: Tensor) -> Tensor:
    """Logarithm of the standard logistic distribution's mass between two points.

    under, over   its mass below the lower and above the upper of them
    inside        one minus the exponential of minus their distance
    """
    larger, other = ((side - 0.5).abs_().add_(0.5) for side in (under, over))
    return larger.mul_(other).mul_(inside).log_().add_(above.clamp(max=0)).sub_(below.clamp(min=0))
