"""Likelihoods: p(picture | decoder outputs), for training and for decoding.

- Observed pictures have values from −1 to 1 per channel and pixel. One of their 256 levels is `BIN_WIDTH` wide.
- `CalibratedGaussian` and `LogisticMixture` (in `logistic`) are distributions over 8-bit levels: their values can be
  given in bits per dimension. `Bernoulli` is a distribution over black and white.
- Log probabilities and gradients are in closed form. Autograd would store and read every intermediate value, which
  takes longer than the computation itself.
"""

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, UInt8
from torch import Tensor, nn
from typing_extensions import override

BIN_WIDTH = 2 / 255
"""Distance of two neighbouring levels on the scale from −1 to 1."""
SQRT_2 = math.sqrt(2)
FARTHEST = 40 / SQRT_2
"""Distance from a normal distribution's mean, in units of √2 deviations (40 deviations), from which the log probability
goes on in a straight line. The gradient is exp(−distance² − log mass): larger numbers would cancel each other's digits.
"""
TAIL = 8 / SQRT_2
"""Distance from the mean, in units of √2 deviations (8 deviations), from which the mass of a bin nears the smallest
number of single precision: from here on its logarithm is computed from the logarithm of the tail."""
OUTSIDE = 1e4
"""Edge of the outermost bins, which have no outer edge: no distribution has mass there."""


class Likelihood(nn.Module, ABC):
    """p(picture | decoder outputs)."""

    discrete: ClassVar[bool] = True
    """Whether it is a distribution over 8-bit levels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    @property
    @abstractmethod
    def outputs(self) -> int:
        """Number of maps that the decoder computes."""

    def observe(
        self, images: UInt8[Tensor, "batch height width channels"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "batch channels height width"]:
        """The encoder's input, which is also what `log_prob` is the probability of.

        generator   source of the binarisation's random numbers; without, torch's global one, as in training
        """
        return images.permute(0, 3, 1, 2).float() / 127.5 - 1

    def log_prob(
        self,
        outputs: Float[Tensor, "batch maps height width"],
        observed: Float[Tensor, "batch channels height width"],
    ) -> Float[Tensor, "batch"]:
        """Log probability of each picture, in nats."""
        return self.pixel_log_prob(outputs.transpose(0, 1), observed.transpose(0, 1)).sum((1, 2))

    def pixel_log_prob(
        self, outputs: Float[Tensor, "maps *pixels"], observed: Float[Tensor, "channels *pixels"]
    ) -> Float[Tensor, "*pixels"]:
        """Log probability of each pixel, in nats; pixels can be in any order."""
        log_prob: Tensor = _PixelLogProb.apply(  # type: ignore[no-untyped-call]
            outputs.float().flatten(1), observed.flatten(1), self
        )
        return log_prob.view(outputs.shape[1:])

    @abstractmethod
    def log_prob_with_gradient(
        self,
        outputs: Float[Tensor, "maps pixels"],
        observed: Float[Tensor, "channels pixels"],
        gradient: Float[Tensor, "maps pixels"] | None,
    ) -> Float[Tensor, "pixels"]:
        """Log probability of each pixel.

        gradient   its derivative with respect to the outputs is written here; None: it is not computed
        """

    @abstractmethod
    def expected(
        self, outputs: Float[Tensor, "batch maps height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        """The expected values, from −1 to 1."""

    def mean(self, outputs: Float[Tensor, "batch maps height width"]) -> UInt8[Tensor, "batch height width channels"]:
        """The expected picture."""
        return as_picture(self.expected(outputs))

    @abstractmethod
    def sample(
        self,
        outputs: Float[Tensor, "batch maps height width"],
        generator: torch.Generator,
        temperature: float = 1.0,
    ) -> UInt8[Tensor, "batch height width channels"]:
        """A picture with pixel noise, scaled by `temperature`."""


class Bernoulli(Likelihood):
    """Black and white pixels, binarised dynamically: white with the grey value as probability, drawn at each use."""

    discrete = False

    @property
    @override
    def outputs(self) -> int:
        return self.channels  # one logit per channel

    @override
    def observe(
        self, images: UInt8[Tensor, "batch height width channels"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "batch channels height width"]:
        count, height, width, channels = images.shape
        uniform = torch.rand((count, channels, height, width), generator=generator, device=images.device)
        return self.binarised(images, uniform)

    def binarised(
        self,
        images: UInt8[Tensor, "batch height width channels"],
        uniform: Float[Tensor, "batch channels height width"],
    ) -> Float[Tensor, "batch channels height width"]:
        """Black and white pictures, from a uniform random number per pixel and channel."""
        return torch.where(uniform < images.permute(0, 3, 1, 2).float() / 255, 1.0, -1.0)

    @override
    def log_prob_with_gradient(
        self,
        outputs: Float[Tensor, "maps pixels"],
        observed: Float[Tensor, "channels pixels"],
        gradient: Float[Tensor, "maps pixels"] | None,
    ) -> Float[Tensor, "pixels"]:
        logits = outputs * observed  # of the observed colour
        if gradient is not None:
            torch.mul(observed, torch.sigmoid(-logits), out=gradient)
        return logits.abs().neg_().exp_().log1p_().neg_().add_(logits.clamp_(max=0)).sum(0)

    @override
    def expected(
        self, outputs: Float[Tensor, "batch maps height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        return 2 * torch.sigmoid(outputs.float()) - 1

    @override
    def sample(
        self,
        outputs: Float[Tensor, "batch maps height width"],
        generator: torch.Generator,
        temperature: float = 1.0,
    ) -> UInt8[Tensor, "batch height width channels"]:
        white = torch.sigmoid(outputs.float() / max(temperature, 1e-6))
        uniform = torch.rand(white.shape, generator=generator, device=white.device)
        return as_picture(torch.where(uniform < white, 1.0, -1.0))


class CalibratedGaussian(Likelihood):
    """Normal noise with one standard deviation for all pixels.

    Rybkin, Daniilidis and Levine, "Simple and effective VAE training with calibrated decoders", 2021. Here a level's
    probability is the normal distribution's mass in its bin. In training the deviation is the root mean squared error
    of the reconstructions. As the outermost bins are open, it is not the most likely one: that is larger, and a
    training with it makes blurred pictures. So it is fitted after the training, by `fit`.

    bounded   limit the means to [−1, 1] by tanh, as former versions did
    """

    def __init__(self, channels: int, bounded: bool = False) -> None:
        super().__init__(channels)
        self.bounded = bounded
        self.register_buffer("deviation", torch.tensor(1.0))

    deviation: Tensor
    """Standard deviation of the noise on the scale from −1 to 1; in training mode it follows the errors."""

    @property
    @override
    def outputs(self) -> int:
        return self.channels  # one mean per channel

    @override
    def log_prob_with_gradient(
        self,
        outputs: Float[Tensor, "maps pixels"],
        observed: Float[Tensor, "channels pixels"],
        gradient: Float[Tensor, "maps pixels"] | None,
    ) -> Float[Tensor, "pixels"]:
        mean = torch.tanh(outputs) if self.bounded else outputs
        if self.training:
            self._follow_errors(observed - (mean if self.bounded else mean.clamp(-1, 1)))
        unit = SQRT_2 * self.deviation
        lower, upper = ((edge - mean).div_(unit) for edge in bins(observed))
        beyond = _pull_in(lower, upper)
        log_mass = _log_normal_mass(lower, upper)
        if gradient is not None:
            at_upper, at_lower = (edge.square_().add_(log_mass).neg_().exp_() for edge in (upper, lower))
            at_lower.sub_(at_upper).div_(unit * math.sqrt(math.pi))
            if self.bounded:
                at_lower.mul_(mean.square_().neg_().add_(1))
            gradient.copy_(at_lower)
        if beyond is not None:  # −x² goes on as its tangent
            log_mass.sub_(beyond.abs_().mul_(2 * FARTHEST))
        return log_mass.sum(0)

    @torch.no_grad()
    def fit(
        self,
        outputs: Float[Tensor, "batch maps height width"],
        observed: Float[Tensor, "batch channels height width"],
    ) -> None:
        """Set the most likely deviation, to a thousandth. The likelihood is in evaluation mode."""
        from scipy.optimize import minimize_scalar

        def nats(log_deviation: float) -> float:
            self.deviation.fill_(math.exp(log_deviation))
            return -float(self.log_prob(outputs, observed).double().mean())

        found = minimize_scalar(nats, bounds=(math.log(BIN_WIDTH / 4), math.log(2)), options={"xatol": 1e-3})
        self.deviation.fill_(math.exp(found.x))

    def _follow_errors(self, error: Tensor) -> None:
        """Move the deviation a tenth of the way to the root mean squared error."""
        best = error.square().mean().sqrt().clamp_min(BIN_WIDTH / 4)
        self.deviation.lerp_(best, 0.1)

    @override
    def expected(
        self, outputs: Float[Tensor, "batch maps height width"]
    ) -> Float[Tensor, "batch channels height width"]:
        return torch.tanh(outputs.float()) if self.bounded else outputs.float().clamp(-1, 1)

    @override
    def sample(
        self,
        outputs: Float[Tensor, "batch maps height width"],
        generator: torch.Generator,
        temperature: float = 1.0,
    ) -> UInt8[Tensor, "batch height width channels"]:
        noise = torch.randn(outputs.shape, generator=generator, device=outputs.device)
        mean = torch.tanh(outputs.float()) if self.bounded else outputs.float()
        return as_picture(mean + temperature * self.deviation * noise)


def bits_per_dim(nats: float, dimensions: int) -> float:
    """Nats per picture as bits per dimension; `dimensions` is the number of channels times pixels."""
    return nats / (dimensions * math.log(2))


def bins(observed: Float[Tensor, "*any"]) -> tuple[Float[Tensor, "*any"], Float[Tensor, "*any"]]:
    """Lower and upper edge of the bins of observed levels; the outermost bins extend to ∓`OUTSIDE`."""
    lower = F.threshold(observed, -1 + BIN_WIDTH / 2, -OUTSIDE).sub_(BIN_WIDTH / 2)
    upper = F.threshold(-observed, -1 + BIN_WIDTH / 2, -OUTSIDE).sub_(BIN_WIDTH / 2).neg_()
    return lower, upper


class _PixelLogProb(torch.autograd.Function):
    """Log probability of pixels, with its gradient from the likelihood's closed form."""

    @staticmethod
    def forward(ctx: Any, outputs: Tensor, observed: Tensor, likelihood: Likelihood) -> Tensor:
        gradient = torch.empty_like(outputs) if ctx.needs_input_grad[0] else None
        log_prob = likelihood.log_prob_with_gradient(outputs, observed, gradient)
        if gradient is not None:
            ctx.save_for_backward(gradient)
        return log_prob

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return ctx.saved_tensors[0].mul_(gradient), None, None  # in place: torch refuses a second backward pass


def _pull_in(lower: Tensor, upper: Tensor) -> Tensor | None:
    """Move bins that are farther than `FARTHEST` from 0 to that distance, in place; returns by how much, or None."""
    beyond = None
    if max(float(lower.max()), -float(upper.min())) > FARTHEST:
        beyond = (lower - FARTHEST).clamp_(min=0).add_((upper + FARTHEST).clamp_(max=0))
        lower.sub_(beyond)
        upper.sub_(beyond)
    for edge in (lower, upper):  # the outer edges of the outermost bins
        edge.clamp_(-FARTHEST - 1, FARTHEST + 1)
    return beyond


def _log_normal_mass(lower: Tensor, upper: Tensor) -> Tensor:
    """Logarithm of a normal distribution's mass between two points, given in units of √2 deviations (those of erfc)."""
    mirrored = -upper  # use the tail in which the bin is: the difference of two numbers near 1 would lose its digits
    near, far = torch.maximum(lower, mirrored), torch.minimum(lower, mirrored).neg_()
    log_mass = torch.erfc(near).sub_(torch.erfc(far)).div_(2).clamp_(min=1e-38).log_()
    if float(near.max()) > TAIL:
        in_tail = near > TAIL
        log_near, log_far = (torch.special.log_ndtr(-SQRT_2 * edge[in_tail]) for edge in (near, far))
        log_mass[in_tail] = log_near + torch.log1p(-torch.exp((log_far - log_near).clamp_max(-1e-6)))
    return log_mass


def as_picture(
    values: Float[Tensor, "batch channels height width"],
) -> UInt8[Tensor, "batch height width channels"]:
    """The nearest 8-bit levels of values from −1 to 1."""
    return ((values + 1) * 127.5).round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()
