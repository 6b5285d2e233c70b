"""The variational autoencoder: one family, from the textbook's to a hierarchy.

- The encoder gives an activation at every resolution; the coarsest one is flattened for the top group.
- The top group is a vector with the constant prior N(0, I): alone, it is the textbook's VAE (`plain`).
- Further groups are maps at the decoder's resolutions, coarse to fine; their prior is what the decoder has so far
  (Sønderby et al., "Ladder variational autoencoders", 2016; Child, "Very deep VAEs", 2021): `deep`.
- Half of the picture's resolution is the finest that is computed at: pixels go in and out as squares of 2×2.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from trine.generate.latent import Encoding, Latent, Normal, Pass, in_squares
from trine.generate.likelihood import Likelihood
from trine.nn.convolution import Convolution, Halving, Pointwise

LABEL_FEATURES = 32


class ResidualBlock(nn.Module):
    """A 3×3 convolution to half the width and one of single pixels back, added to what comes in; at first nothing."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = narrow(width)
        self.first, self.second = Convolution(width, inner), _silent(Pointwise(inner, width))

    def forward(self, x: Float[Tensor, "batch width rows columns"]) -> Float[Tensor, "batch width rows columns"]:
        """The block's output."""
        added: Tensor = self.second(F.silu(self.first(F.silu(x))))
        return x + added


class TopGroup(nn.Module):
    """A latent vector with prior N(0, I), and the coarsest map that the decoder makes of it."""

    def __init__(self, features: int, latent: int, conditions: int, width: int, size: int) -> None:
        super().__init__()
        self.latent, self.shape = latent, (width, size, size)
        self.posterior = nn.Linear(features + conditions, 2 * latent)
        self.project = nn.Linear(latent + conditions, width * size * size)
        nn.init.normal_(self.posterior.weight, std=0.1 / math.sqrt(features + conditions))

    def forward(
        self,
        posterior: Normal | None,
        condition: Float[Tensor, "batch conditions"],
        noise: Tensor,
        given: Tensor | None,
    ) -> tuple[Float[Tensor, "batch width rows columns"], Latent]:
        """The coarsest map; without a posterior from the prior, with `given` from that latent."""
        zeros = torch.zeros(len(condition), self.latent, device=condition.device)
        prior = Normal(zeros, zeros)
        z = given if given is not None else (posterior or prior).at(noise)
        hidden = self.project(torch.cat([z, condition], 1)).view(-1, *self.shape)
        return hidden.contiguous(memory_format=torch.channels_last), Latent(z, prior, posterior)

    def seen(self, features: Float[Tensor, "batch features"], condition: Float[Tensor, "batch conditions"]) -> Normal:
        """The posterior of the latent vector."""
        return Normal.of(self.posterior(torch.cat([features, condition.to(features.dtype)], 1)))


class MapGroup(nn.Module):
    """A latent map; its prior depends on the decoder's map, its posterior also on the encoder's.

    Log variances are bounded, smoothly: a prior that is all too sure of a number and wrong makes the KL divergence of a
    batch a billion times what it was. After some hundred such steps the coarser groups are silent.
    """

    def __init__(self, width: int, latent: int, size: int) -> None:
        super().__init__()
        self.shape = (latent, size, size)
        self.register_buffer("bound", torch.tensor(4.0))
        self.prior = _head(width, narrow(width), 2 * latent)
        self.posterior = _head(2 * width, narrow(width), 2 * latent)
        self.project = Pointwise(latent, width)

    bound: Tensor
    """The largest log variance; with a minus the smallest."""

    def forward(
        self, hidden: Tensor, seen: Tensor | None, noise: Tensor, given: Tensor | None
    ) -> tuple[Float[Tensor, "batch width rows columns"], Latent]:
        """The decoder's map with the latent added; without `seen` from the prior."""
        parameters = self.prior(hidden).float()
        prior, posterior = self._normal(parameters), None
        if seen is not None:
            posterior = self._normal(parameters + self.posterior(torch.cat([hidden, seen.to(hidden.dtype)], 1)).float())
        z = given if given is not None else (posterior or prior).at(noise)
        return hidden + self.project(z), Latent(z, prior, posterior)

    def _normal(self, parameters: Float[Tensor, "batch parameters rows columns"]) -> Normal:
        """Means, then log variances before they are bounded."""
        mean, log_variance = parameters.chunk(2, 1)
        return Normal(mean, self.bound * torch.tanh(log_variance / self.bound))


class Level(nn.Module):
    """The decoder at one resolution: its groups, its blocks, and the way to the next finer one."""

    def __init__(self, width: int, finer: int | None, groups: int, latent: int, depth: int, size: int) -> None:
        super().__init__()
        self.groups = nn.ModuleList(MapGroup(width, latent, size) for _ in range(groups))
        self.blocks = nn.ModuleList(_blocks(width, depth) for _ in range(max(1, groups)))
        self.finer = Pointwise(width, finer) if finer else None

    def up(self, hidden: Tensor) -> Tensor:
        """To the next finer resolution."""
        return F.interpolate(self.finer(hidden), scale_factor=2.0) if self.finer else hidden


class VAE(nn.Module):
    """Encoder, latent groups, decoder; pictures as their likelihood observes them go in, its outputs come out.

    widths   channels at each resolution, finest (half the picture's) to coarsest
    groups   latent maps at each resolution, coarsest to finest; none: the textbook's VAE
    """

    def __init__(
        self,
        channels: int,
        size: int,
        outputs: int,
        *,
        widths: tuple[int, ...] = (32, 64),
        depth: int = 1,
        latent: int = 32,
        groups: tuple[int, ...] = (),
        map_latent: int = 8,
        classes: int = 0,
    ) -> None:
        super().__init__()
        self.size, self.classes = size, classes
        count = max(1, int(math.log2(size / 4)))
        self.padded = math.ceil(size / 2**count) * 2**count
        widths = tuple(widths[min(place, len(widths) - 1)] for place in range(count))
        sizes = [self.padded >> place + 1 for place in range(count)]
        conditions = LABEL_FEATURES if classes else 0
        self.labels = nn.Embedding(classes + 1, LABEL_FEATURES) if classes else None
        self.stem = Convolution(4 * channels, widths[0])
        self.down = nn.ModuleList(_blocks(width, depth) for width in widths)
        self.coarser = nn.ModuleList(Halving(inner, outer) for inner, outer in pairwise(widths))
        self.top = TopGroup(widths[-1] * sizes[-1] ** 2, latent, conditions, widths[-1], sizes[-1])
        self.groups = (*groups, *[0] * count)[:count]
        self.levels = nn.ModuleList(
            Level(widths[at], widths[at - 1] if at else None, self.groups[-1 - at], map_latent, depth, sizes[at])
            for at in reversed(range(count))
        )
        self.out = nn.Conv2d(widths[0], 4 * outputs, 1)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shape of each group's latent: the top's, then coarse to fine."""
        groups = [module for module in self.levels.modules() if isinstance(module, MapGroup)]
        return [(self.top.latent,), *(group.shape for group in groups)]

    def forward(
        self,
        observed: Float[Tensor, "batch channels height width"],
        labels: Int64[Tensor, "batch"] | None = None,
    ) -> Pass:
        """Encode, sample, decode."""
        return self.decode(len(observed), labels, encoding=self.encode(observed, labels))

    def encode(
        self, observed: Float[Tensor, "batch channels height width"], labels: Int64[Tensor, "batch"] | None = None
    ) -> Encoding:
        """The encoder alone: the posterior of the latent vector, and what the latent maps see."""
        spare = self.padded - self.size
        padded = F.pad(observed, (0, spare, 0, spare), mode="replicate") if spare else observed
        hidden = self.stem(F.pixel_unshuffle(padded, 2).contiguous(memory_format=torch.channels_last))
        maps = []
        for place, blocks in enumerate(self.down):
            hidden = blocks(self.coarser[place - 1](hidden) if place else hidden)
            maps.append(hidden)
        top = self.top.seen(F.silu(hidden).flatten(1), self._condition(observed, labels))
        return Encoding(top, [seen if count else None for seen, count in zip(maps[::-1], self.groups, strict=True)])

    def decode(
        self,
        count: int,
        labels: Int64[Tensor, "batch"] | None = None,
        *,
        encoding: Encoding | None = None,
        given: Sequence[Tensor] = (),
        noise: Sequence[Tensor] | None = None,
    ) -> Pass:
        """Top-down through all groups: from their posteriors with an encoding, from their priors without.

        count    pictures
        given    latents of the first groups, taken as they are
        noise    what the groups' distributions are sampled by; without, it is drawn
        """
        noise = noise if noise is not None else self.noise(count)
        fixed = [*given, *[None] * (len(noise) - len(given))]
        posterior = encoding.top if encoding is not None else None
        hidden, latent = self.top(posterior, self._condition(noise[0], labels), noise[0], fixed[0])
        latents = [latent]
        for place, level in enumerate(self.levels):
            assert isinstance(level, Level)
            seen = encoding.maps[place] if encoding is not None else None
            for number, blocks in enumerate(level.blocks):
                if number < len(level.groups):
                    hidden, latent = level.groups[number](hidden, seen, noise[len(latents)], fixed[len(latents)])
                    latents.append(latent)
                hidden = blocks(hidden)
            hidden = level.up(hidden)
        with torch.autocast(hidden.device.type, enabled=False):  # means finer than a level of 8 bits need all digits
            squares = self._out(F.silu(hidden.float()))
        return Pass(squares, self.size, latents)

    def _out(self, hidden: Float[Tensor, "batch width rows columns"]) -> Float[Tensor, "maps 2 2 batch rows columns"]:
        """The last convolution, as a matrix product whose rows are maps: as likelihoods read them fastest."""
        pixels = hidden.permute(0, 2, 3, 1).flatten(0, 2)
        assert self.out.bias is not None
        maps = torch.addmm(self.out.bias[:, None], self.out.weight.flatten(1), pixels.T)
        return maps.view(-1, 2, 2, len(hidden), *hidden.shape[2:])

    def noise(self, count: int) -> list[Tensor]:
        """N(0, I) for every group."""
        device = self.out.weight.device
        drawn = [torch.randn(count, *shape[1:], shape[0], device=device) for shape in self.shapes]
        return [values.movedim(-1, 1) for values in drawn]  # of maps, as all of a pixel's channels lie together

    def _condition(
        self, beside: Float[Tensor, "batch *any"], labels: Int64[Tensor, "batch"] | None
    ) -> Float[Tensor, "batch conditions"]:
        """The labels' features, where `beside` lies; a label that is not known has features of its own."""
        if self.labels is None:
            return torch.zeros(len(beside), 0, device=beside.device)
        unknown = torch.full((len(beside),), self.classes, device=beside.device)
        features: Tensor = self.labels(unknown if labels is None else labels)
        return features


class Bounded(nn.Module):
    """A VAE with its likelihood: what is trained together."""

    def __init__(self, vae: VAE, likelihood: Likelihood) -> None:
        super().__init__()
        self.vae, self.likelihood = vae, likelihood

    def forward(
        self, images: UInt8[Tensor, "batch height width channels"], labels: Tensor | None = None
    ) -> tuple[Float[Tensor, "batch"], Float[Tensor, "batch groups"]]:
        """Log probability of each picture given its latents, and KL divergence a group, in nats."""
        observed = self.likelihood.observe(images)
        done = self.vae(observed, labels)
        return self.explained(done, observed), done.kl

    def explained(self, done: Pass, observed: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch"]:
        """Log probability of each picture given its latents, in nats."""
        if self.vae.padded != self.vae.size:  # pixels beyond the edges are not explained
            return self.likelihood.log_prob(done.outputs, observed)
        return self.likelihood.of_pixels(done.squares, in_squares(observed)).sum((0, 1, 3, 4))


def narrow(width: int) -> int:
    """Channels inside a block of this width: 3×3 convolutions are what costs."""
    return max(8, width // 2)


def _blocks(width: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width) for _ in range(depth)))


def _head(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Distribution parameters from maps; at first they are all zero."""
    last = _silent(Convolution(hidden, outputs))
    return nn.Sequential(nn.SiLU(), Pointwise(inputs, hidden), nn.SiLU(), last)


def _silent(layer: nn.Conv2d) -> nn.Conv2d:
    """The layer, giving nothing at first."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer
