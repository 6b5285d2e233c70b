"""The objective of the sharpening: a copy of the decoder learns to make pictures whose patches look real.

- A Gaussian likelihood asks for the mean of all pictures that a latent vector may stand for: a blurred one.
- So after the network's training and the flow's, a copy of the decoder is trained on beside a critic, which tells
  patches of real pictures from those of sampled ones (Isola et al., "Image-to-image translation with conditional
  adversarial networks", 2017; Larsen et al., "Autoencoding beyond pixels using a learned similarity metric", 2016).
- The encoder, the bound and the priors stay as they are. The likelihood of reconstructions keeps the copy near to them.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, ClassVar, Self

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm
from typing_extensions import override

from trine.device import Device
from trine.generate.flow_training import Posteriors
from trine.generate.network import PictureVAE, decoder_of
from trine.generate.prior import Flow
from trine.generate.recipe import GenerateRecipe
from trine.nn.likelihood import CalibratedGaussian
from trine.progress import Figures
from trine.recipe import Recipe
from trine.train.objective import Objective, ParameterGroup
from trine.train.step import stage_seconds

BATCH = 32
"""Pictures per step: many steps count for more than large batches."""
GREY_RATES, RATES = (2e-3, 4e-3), (5e-4, 1e-3)
"""AdamW's peak learning rates for the decoder and for the critic, of one channel and of more: in colours, higher rates
leave specks."""
REALISM = 0.13
"""Weight of the critic's judgement beside the log likelihood per pixel, whose gradient is as large as one over the
deviation: the weight is divided by that."""
STRIDE = 4
"""Pixels from one patch of the critic to the next. Every step shifts the patches by less than this: at fixed places,
they leave a grid in the pictures."""
WIDTH = 32
"""Channels of the critic's first layer."""
DRAWN = 4096
"""Number of latent vectors that are sampled before the training, for all of its steps."""
VALIDATIONS, VALIDATED = 4, 256
"""Validations, which are recorded only, and pictures of each."""


class PatchCritic(nn.Module):
    """Judges overlapping patches of a picture, 18 pixels wide: positive for real ones, negative for made ones.

    Spectral norms limit its slope (Miyato et al., "Spectral normalization for generative adversarial networks", 2018).
    """

    def __init__(self, channels: int, width: int = WIDTH) -> None:
        super().__init__()
        shapes = [(channels, width, 4, 2), (width, 2 * width, 4, 2), (2 * width, 2 * width, 3, 1), (2 * width, 1, 1, 1)]
        self.layers = nn.ModuleList(
            spectral_norm(nn.Conv2d(inner, outer, side, stride, padding=int(side > 1)))
            for inner, outer, side, stride in shapes
        )

    def forward(self, pictures: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch 1 rows columns"]:
        """The judgement of each patch; pictures have levels from −1 to 1."""
        hidden = self.layers[0](pictures)
        for layer in self.layers[1:]:
            hidden = layer(F.leaky_relu(hidden, 0.2))
        judged: Tensor = hidden
        return judged


class Sharpening(nn.Module):
    """What is trained: a copy of the network, of which only the decoder changes, and the critic."""

    def __init__(self, network: PictureVAE) -> None:
        super().__init__()
        self.sharp = deepcopy(network)
        self.critic = PatchCritic(network.likelihood.channels)

    @override
    def train(self, mode: bool = True) -> Self:
        """The likelihood's deviation stays: it must not excuse what becomes worse."""
        super().train(mode)
        self.sharp.likelihood.eval()
        return self

    @contextmanager
    def fixed_critic(self) -> Iterator[None]:
        """The critic's weights are constants in the block: what it judges is differentiated, not the critic."""
        self.critic.requires_grad_(False)
        yield
        self.critic.requires_grad_(True)


class SharpenObjective(Objective):
    """Log likelihood of reconstructions and the critic's judgement of sampled pictures; the critic's hinge loss."""

    unit: ClassVar[str] = "pictures"
    closing_validations = 0.0
    network: Sharpening

    def __init__(
        self,
        network: PictureVAE,
        flow: Flow,
        recipe: GenerateRecipe,
        images: UInt8[np.ndarray, "n height width channels"],
        posteriors: Posteriors,
        device: Device,
    ) -> None:
        """images, posteriors   of the training pictures: the first posteriors are those of the pictures, in order."""
        self.images, self.posteriors, self.device = images, posteriors, device
        self.length, self.batch_size = recipe.sharpen_steps, min(BATCH, len(images))
        self.recipe = Recipe(
            seed=recipe.seed,
            batch_size=self.batch_size,
            schedule="triangular",
            warmup=0.02,
            final_rate=0.02,
            ema_decay=0.98,
            precision="float32",
            validations=VALIDATIONS,
            checkpoint_seconds=recipe.checkpoint_seconds,
        )
        torch.manual_seed(recipe.seed)  # the critic's first weights
        self.network = Sharpening(network).to(device.name)
        likelihood = self.network.sharp.likelihood
        assert isinstance(likelihood, CalibratedGaussian)
        deviation = 2 * reconstruction_error(network, images, posteriors, device)
        likelihood.deviation.fill_(deviation)
        self.realism = REALISM / (deviation * likelihood.channels)
        self.latents, self.labels = drawn(flow, posteriors, recipe.seed, device)

    @override
    def steps(self) -> int:
        return self.length

    @override
    def batch(self, step: int) -> dict[str, Tensor]:
        """Real pictures, and the latents of as many reconstructions and as many new pictures."""
        chosen, made = (torch.randint(most, (self.batch_size,)) for most in (len(self.images), len(self.latents)))
        means, deviations = self.posteriors.means[chosen], self.posteriors.deviations[chosen]
        latents = torch.cat([means + deviations * torch.randn(means.shape), self.latents[made]])
        batch = {"images": torch.from_numpy(self.images[chosen.numpy()]), "latents": latents}
        if self.posteriors.labels is not None and self.labels is not None:
            batch["labels"] = torch.cat([self.posteriors.labels[chosen], self.labels[made]])
        return {name: values.to(self.device.name) for name, values in batch.items()}

    @override
    def samples(self, batch: dict[str, Tensor]) -> int:
        return len(batch["images"])

    @override
    def loss(self, network: nn.Module, batch: dict[str, Tensor], progress: float) -> Float[Tensor, ""]:
        assert isinstance(network, Sharpening)
        sharp, critic = network.sharp, network.critic
        real = sharp.likelihood.observe(batch["images"])
        reconstructed, made = _outputs(sharp, batch["latents"], batch.get("labels")).chunk(2)
        nats_per_value = -sharp.likelihood.log_prob(reconstructed, real).mean() / real[0].numel()
        pictures = within_range(made, sharp.likelihood)
        down, right = torch.randint(STRIDE, (2,)).tolist()
        real, pictures = real[..., down:, right:], pictures[..., down:, right:]
        told_apart = F.relu(1 - critic(real)).mean() + F.relu(1 + critic(pictures.detach())).mean()
        with network.fixed_critic():
            realism = critic(pictures).mean()
        loss: Tensor = nats_per_value - self.realism * realism + told_apart
        return loss

    @override
    def parameter_groups(self) -> list[ParameterGroup]:
        decoder = list(decoder_of(self.network.sharp).values())
        critic = list(self.network.critic.parameters())
        rate, critic_rate = GREY_RATES if self.network.sharp.likelihood.channels == 1 else RATES
        shared: dict[str, Any] = {"weight_decay": 0.0}
        return [
            ParameterGroup("adamw", decoder, rate, {"betas": (0.9, 0.99), **shared}),
            ParameterGroup("adamw", critic, critic_rate, {"betas": (0.5, 0.99), **shared}),
        ]

    @override
    def validate(self, network: nn.Module) -> Figures:
        """The error of reconstructions, from 0 to 1: it rises a little while the pictures become sharper."""
        assert isinstance(network, Sharpening)
        return {"loss": reconstruction_error(network.sharp, self.images, self.posteriors, self.device)}

    @override
    def score(self, figures: Figures) -> float:
        """All validations are as good: the error says how near the pictures are, not how sharp."""
        return 0.0


def sharpen_seconds(
    network: PictureVAE,
    flow: Flow,
    recipe: GenerateRecipe,
    images: UInt8[np.ndarray, "n height width channels"],
    device: Device,
) -> float:
    """Duration of a sharpening with this recipe, in seconds, estimated from a few steps."""
    zeros = torch.zeros(len(images), network.vae.top.latent)
    labels = torch.zeros(len(images), dtype=torch.long) if network.vae.classes else None
    posteriors = Posteriors(zeros, zeros, labels)
    return stage_seconds(SharpenObjective(network, flow, recipe, images, posteriors, device), device)


def drawn(
    flow: Flow, posteriors: Posteriors, seed: int, device: Device
) -> tuple[Float[Tensor, "drawn latent"], Int64[Tensor, "drawn"] | None]:
    """Latent vectors that the flow samples, of the labels that the training pictures have."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(DRAWN, posteriors.means.shape[1], generator=generator)
    labels = posteriors.labels
    if labels is not None:
        labels = labels[torch.randint(len(labels), (DRAWN,), generator=generator)]
    flow = flow.to(device.name).eval()
    with torch.inference_mode():
        asked = None if labels is None else labels.to(device.name)
        latents = flow(noise.to(device.name), torch.zeros(DRAWN, device=device.name), asked).cpu()
    return latents.clone(), labels


def within_range(outputs: Float[Tensor, "*any"], likelihood: nn.Module) -> Float[Tensor, "*any"]:
    """The expected pictures. Where they end at black or white, gradients lead back into the range only."""
    assert isinstance(likelihood, CalibratedGaussian)
    if likelihood.bounded:
        return torch.tanh(outputs)
    pictures: Tensor = _Inward.apply(outputs)  # type: ignore[no-untyped-call]
    return pictures


@torch.inference_mode()
def reconstruction_error(
    network: PictureVAE, images: UInt8[np.ndarray, "n height width channels"], posteriors: Posteriors, device: Device
) -> float:
    """Root of the mean squared error of the first pictures' reconstructions, with levels from 0 to 1."""
    network.eval()
    real = network.likelihood.observe(torch.from_numpy(np.array(images[:VALIDATED])).to(device.name))
    labels = None if posteriors.labels is None else posteriors.labels[: len(real)].to(device.name)
    outputs = _outputs(network, posteriors.means[: len(real)].to(device.name), labels)
    return float((network.likelihood.expected(outputs) - real).square().mean().sqrt()) / 2


def _outputs(network: PictureVAE, latents: Tensor, labels: Tensor | None) -> Tensor:
    """The decoder's likelihood parameters."""
    return network.vae.decode(latents.shape[0], labels, given=[latents], noise=[latents]).outputs


class _Inward(torch.autograd.Function):
    """Clamps to [−1, 1]; the gradient beyond an end passes only where a step against it leads back."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        ctx.save_for_backward(values)
        return values.clamp(-1, 1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (values,) = ctx.saved_tensors
        outwards = ((values > 1) & (gradient < 0)) | ((values < -1) & (gradient > 0))
        return gradient.masked_fill(outwards, 0.0)
