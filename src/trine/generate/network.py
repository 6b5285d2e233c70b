"""The variational autoencoder (VAE), from the textbook's form to a hierarchy.

- The encoder computes an activation per resolution. The coarsest one is flattened for the top group.
- The top group is a latent vector with the prior N(0, I). A network with this group only is the textbook's VAE
  (`plain`).
- `map` has a latent map instead: a few numbers per place of the coarsest map, which stays finer than that of `plain`.
- Further groups are latent maps at the decoder's resolutions, coarsest first (`deep`). Their prior is computed from
  the decoder's activation (Sønderby et al., "Ladder variational autoencoders", 2016; Child, "Very deep VAEs", 2021).
- The finest resolution is half the picture's: each 2×2 square of pixels becomes the channels of one position.

Batch sizes are read as `shape[0]`: `len` would freeze the batch of an exported graph.
"""

import math
from collections.abc import Mapping, Sequence
from copy import deepcopy
from itertools import pairwise

import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from trine.generate.latent import DecoderPass, Encoding, Latent, Normal, in_squares
from trine.generate.top import TopGroup, TopMap, TopVector
from trine.nn.convolution import Convolution, Halving, Pointwise
from trine.nn.likelihood import Likelihood

LABEL_FEATURES = 32
"""Width of the label embedding."""
DECODER = ("vae.top.project.", "vae.levels.", "vae.out.")
"""Where the decoder's parameters are in a `PictureVAE`."""
COARSEST_MAP, SMALLEST_MAP = 3, 7
"""A latent map's side is at least an eighth of the picture's (three halvings), and at least about 7 places."""


class ResidualBlock(nn.Module):
    """A 3×3 convolution to half the width, then a 1×1 convolution back, added to the input. Starts as the identity."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = narrow(width)
        self.first, self.second = Convolution(width, inner), _zeroed(Pointwise(inner, width))

    def forward(self, x: Float[Tensor, "batch width rows columns"]) -> Float[Tensor, "batch width rows columns"]:
        """The input plus the convolutions' output."""
        added: Tensor = self.second(F.silu(self.first(F.silu(x))))
        return x + added


class MapGroup(nn.Module):
    """A latent map; its prior depends on the decoder's map, its posterior also on the encoder's.

    Log variances have a smooth bound. Without it, a prior with a tiny variance and a wrong mean makes the KL divergence
    of a batch up to 10⁹ times larger, and after some hundred such steps the coarser groups collapse.
    """

    def __init__(self, width: int, latent: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.shape = (latent, *size)
        self.register_buffer("bound", torch.tensor(4.0))
        self.prior = _head(width, narrow(width), 2 * latent)
        self.posterior = _head(2 * width, narrow(width), 2 * latent)
        self.project = Pointwise(latent, width)

    bound: Tensor
    """Largest absolute log variance."""

    def forward(
        self, hidden: Tensor, encoded: Tensor | None, noise: Tensor, given: Tensor | None
    ) -> tuple[Float[Tensor, "batch width rows columns"], Latent]:
        """The decoder's map plus the projected latent: `given`, else a sample of the posterior, else one of the prior.

        encoded   the encoder's map; None: there is no posterior
        """
        parameters = self.prior(hidden).float()
        prior, posterior = self._normal(parameters), None
        if encoded is not None:
            joined = torch.cat([hidden, encoded.to(hidden.dtype)], 1)
            posterior = self._normal(parameters + self.posterior(joined).float())
        z = given if given is not None else (posterior or prior).at(noise)
        return hidden + self.project(z), Latent(z, prior, posterior)

    def _normal(self, parameters: Float[Tensor, "batch parameters rows columns"]) -> Normal:
        """The distribution of a head's outputs: means and unbounded log variances."""
        mean, log_variance = parameters.chunk(2, 1)
        return Normal(mean, self.bound * torch.tanh(log_variance / self.bound))


class DecoderLevel(nn.Module):
    """The decoder at one resolution: latent maps, residual blocks, and the step to the next finer resolution."""

    def __init__(
        self, width: int, finer: int | None, groups: int, latent: int, depth: int, size: tuple[int, int]
    ) -> None:
        super().__init__()
        self.groups = nn.ModuleList(MapGroup(width, latent, size) for _ in range(groups))
        self.blocks = nn.ModuleList(_blocks(width, depth) for _ in range(max(1, groups)))
        self.finer = Pointwise(width, finer) if finer else None

    def up(self, hidden: Tensor) -> Tensor:
        """The map at the next finer resolution; unchanged at the finest."""
        return F.interpolate(self.finer(hidden), scale_factor=2.0) if self.finer else hidden


class VAE(nn.Module):
    """Encoder, latent groups and decoder: from observed pictures to parameters of their likelihood.

    size         height and width of the pictures in pixels, or the side of square ones
    outputs      number of likelihood parameters per pixel
    widths       channels per resolution, finest first; the last is repeated
    depth        residual blocks per resolution of the encoder, and after each group of the decoder
    latent       units of the latent vector
    groups       number of latent maps per resolution, coarsest first; none: the textbook's VAE
    map_latent   channels of a latent map
    spatial      the top group is a latent map, not a vector
    classes      number of labels that the network is conditioned on; 0 for none
    """

    def __init__(
        self,
        channels: int,
        size: int | tuple[int, int],
        outputs: int,
        *,
        widths: tuple[int, ...] = (32, 64),
        depth: int = 1,
        latent: int = 32,
        groups: tuple[int, ...] = (),
        map_latent: int = 8,
        spatial: bool = False,
        classes: int = 0,
    ) -> None:
        super().__init__()
        self.size, self.classes = (size, size) if isinstance(size, int) else size, classes
        count = halvings(self.size, spatial)
        self.padded = _multiple(self.size[0], 2**count), _multiple(self.size[1], 2**count)
        widths = tuple(widths[min(index, len(widths) - 1)] for index in range(count))
        sizes = [(self.padded[0] >> index + 1, self.padded[1] >> index + 1) for index in range(count)]
        conditions = LABEL_FEATURES if classes else 0
        self.labels = nn.Embedding(classes + 1, LABEL_FEATURES) if classes else None
        self.stem = Convolution(4 * channels, widths[0])
        self.down = nn.ModuleList(_blocks(width, depth) for width in widths)
        self.coarser = nn.ModuleList(Halving(inner, outer) for inner, outer in pairwise(widths))
        self.top: TopGroup = (
            TopMap(widths[-1], sizes[-1], map_latent, conditions)
            if spatial
            else TopVector(widths[-1], sizes[-1], latent, conditions)
        )
        self.groups = (*groups, *[0] * count)[:count]
        finer = (None, *widths[:-1])
        self.levels = nn.ModuleList(
            DecoderLevel(widths[i], finer[i], self.groups[-1 - i], map_latent, depth, sizes[i])
            for i in reversed(range(count))
        )
        self.out = nn.Conv2d(widths[0], 4 * outputs, 1)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Shape of each group's latent: the vector, then the maps, coarsest first."""
        groups = [module for module in self.levels.modules() if isinstance(module, MapGroup)]
        return [(self.top.latent,), *(group.shape for group in groups)]

    def forward(
        self,
        observed: Float[Tensor, "batch channels height width"],
        labels: Int64[Tensor, "batch"] | None = None,
        generator: torch.Generator | None = None,
    ) -> DecoderPass:
        """Encode, sample and decode.

        generator   source of the noise; without, torch's global one, as in training
        """
        return self.decode(observed.shape[0], labels, encoding=self.encode(observed, labels), generator=generator)

    def encode(
        self, observed: Float[Tensor, "batch channels height width"], labels: Int64[Tensor, "batch"] | None = None
    ) -> Encoding:
        """The encoder alone: posterior of the latent vector, and activations for the latent maps."""
        below, beside = self.padded[0] - self.size[0], self.padded[1] - self.size[1]
        padded = F.pad(observed, (0, beside, 0, below), mode="replicate") if below or beside else observed
        hidden = self.stem(F.pixel_unshuffle(padded, 2).contiguous(memory_format=torch.channels_last))
        maps = []
        for index, blocks in enumerate(self.down):
            hidden = blocks(self.coarser[index - 1](hidden) if index else hidden)
            maps.append(hidden)
        top = self.top.posterior_of(hidden, self._condition(observed, labels))
        return Encoding(
            top, [activation if count else None for activation, count in zip(maps[::-1], self.groups, strict=True)]
        )

    def decode(
        self,
        count: int | torch.SymInt,
        labels: Int64[Tensor, "batch"] | None = None,
        *,
        encoding: Encoding | None = None,
        given: Sequence[Tensor] = (),
        noise: Sequence[Tensor] | None = None,
        generator: torch.Generator | None = None,
    ) -> DecoderPass:
        """Compute all groups from the top down, then the likelihood parameters.

        count      number of pictures; a symbol while the network is traced for an export
        encoding   latents are sampled from their posteriors; without, from their priors
        given      latents of the first groups, used instead of samples
        noise      N(0, I) noise of each group; without, it is drawn from `generator`
        """
        noise = noise if noise is not None else self.noise(count, generator)
        fixed = [*given, *[None] * (len(noise) - len(given))]
        posterior = encoding.top if encoding is not None else None
        hidden, latent = self.top(posterior, self._condition(noise[0], labels), noise[0], fixed[0])
        latents = [latent]
        for index, level in enumerate(self.levels):
            assert isinstance(level, DecoderLevel)
            encoded = encoding.maps[index] if encoding is not None else None
            for number, blocks in enumerate(level.blocks):
                if number < len(level.groups):
                    hidden, latent = level.groups[number](hidden, encoded, noise[len(latents)], fixed[len(latents)])
                    latents.append(latent)
                hidden = blocks(hidden)
            hidden = level.up(hidden)
        with torch.autocast(hidden.device.type, enabled=False):  # means need more digits than bfloat16 has
            squares = self._out(F.silu(hidden.float()))
        return DecoderPass(squares, self.size, latents)

    def _out(self, hidden: Float[Tensor, "batch width rows columns"]) -> Float[Tensor, "maps 2 2 batch rows columns"]:
        """The last 1×1 convolution, as a matrix product whose rows are maps: likelihoods are fastest in this layout."""
        pixels = hidden.permute(0, 2, 3, 1).flatten(0, 2)
        assert self.out.bias is not None
        maps = torch.addmm(self.out.bias[:, None], self.out.weight.flatten(1), pixels.T)
        return maps.view(-1, 2, 2, hidden.shape[0], *hidden.shape[2:])

    def noise(self, count: int | torch.SymInt, generator: torch.Generator | None = None) -> list[Tensor]:
        """N(0, I) noise for each group; without a generator, from torch's global one."""
        device = self.out.weight.device
        drawn = [torch.randn(count, *shape[1:], shape[0], generator=generator, device=device) for shape in self.shapes]
        return [values.movedim(-1, 1) for values in drawn]  # channels_last, as the maps are

    def _condition(
        self, like: Float[Tensor, "batch *any"], labels: Int64[Tensor, "batch"] | None
    ) -> Float[Tensor, "batch conditions"]:
        """Label embeddings; without labels, the embedding of an unknown label.

        like   gives batch size and device
        """
        if self.labels is None:
            return torch.zeros(like.shape[0], 0, device=like.device)
        unknown = torch.full((like.shape[0],), self.classes, device=like.device)
        features: Tensor = self.labels(unknown if labels is None else labels)
        return features


class PictureVAE(nn.Module):
    """A VAE and its likelihood."""

    def __init__(self, vae: VAE, likelihood: Likelihood) -> None:
        super().__init__()
        self.vae, self.likelihood = vae, likelihood

    def forward(
        self, images: UInt8[Tensor, "batch height width channels"], labels: Tensor | None = None
    ) -> tuple[Float[Tensor, "batch"], Float[Tensor, "batch groups"]]:
        """Log probability of each picture given its latents, and KL divergence per group, in nats."""
        observed = self.likelihood.observe(images)
        decoded = self.vae(observed, labels)
        return self.log_prob(decoded, observed), decoded.kl

    def log_prob(
        self, decoded: DecoderPass, observed: Float[Tensor, "batch channels height width"]
    ) -> Float[Tensor, "batch"]:
        """Log probability of each picture given its latents, in nats."""
        if self.vae.padded != self.vae.size:  # leave out padded pixels
            return self.likelihood.log_prob(decoded.outputs, observed)
        return self.likelihood.pixel_log_prob(decoded.squares, in_squares(observed)).sum((0, 1, 3, 4))


def decoder_of(network: PictureVAE) -> dict[str, nn.Parameter]:
    """The parameters that only pictures, not their posteriors, depend on, by their names in the network."""
    return {name: value for name, value in network.named_parameters() if name.startswith(DECODER)}


def with_decoder(network: PictureVAE, decoder: Mapping[str, Tensor]) -> PictureVAE:
    """A copy of the network for use, with the parameters of another decoder, see `decoder_of`."""
    copied = deepcopy(network)
    copied.load_state_dict({**copied.state_dict(), **decoder})
    return copied.eval()


def halvings(size: tuple[int, int], spatial: bool) -> int:
    """How often the encoder halves a picture: to four pixels and more, but for a latent map to an eighth at most.

    Of a picture that is not square, the square with as many pixels counts.
    """
    side = math.sqrt(math.prod(size))
    if spatial:
        return max(1, min(COARSEST_MAP, int(math.log2(side / SMALLEST_MAP))))
    return max(1, int(math.log2(side / 4)))


def narrow(width: int) -> int:
    """Channels inside a residual block: half its width, because the 3×3 convolution costs most of the compute."""
    return max(8, width // 2)


def _multiple(side: int, step: int) -> int:
    """The smallest multiple of `step` that is not below `side`."""
    return math.ceil(side / step) * step


def _blocks(width: int, depth: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width) for _ in range(depth)))


def _head(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    """Layers that compute distribution parameters from maps; their outputs start as zeros."""
    last = _zeroed(Convolution(hidden, outputs))
    return nn.Sequential(nn.SiLU(), Pointwise(inputs, hidden), nn.SiLU(), last)


def _zeroed(layer: nn.Conv2d) -> nn.Conv2d:
    """The layer with all its parameters set to zero."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
    return layer
