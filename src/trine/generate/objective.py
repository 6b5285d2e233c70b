"""The objective of generate: the bound on the log likelihood, in nats per picture."""

from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from typing_extensions import override

from trine.device import Device
from trine.generate.bound import measure_bound, with_fitted_deviation
from trine.generate.codec import Codec
from trine.generate.network import PictureVAE
from trine.generate.recipe import GenerateRecipe
from trine.pictures.batches import epoch_order, evenly, labels_of, mirrors, share_of
from trine.pictures.picture_set import PictureSet
from trine.progress import Figures
from trine.sheet import labelled_png
from trine.train.objective import Objective, ParameterGroup

Batch = dict[str, Tensor]
GROWN = 10
"""Largest number of held-out pictures that are reconstructed after each validation: the columns of the picture of the
training's course."""
GROWTH_ROWS = 8
"""Largest number of validations in that picture."""


class GenerateObjective(Objective):
    """The negative bound, trained by Muon (inner convolution filters) and AdamW (all other parameters)."""

    unit: ClassVar[str] = "pictures"
    headline: ClassVar[str] = "nats"
    patience: ClassVar[int] = 3
    network: PictureVAE
    recipe: GenerateRecipe

    def __init__(self, network: PictureVAE, recipe: GenerateRecipe, pictures: PictureSet, device: Device) -> None:
        self.network, self.recipe, self.device = network, recipe, device
        self.train = pictures.splits["train"]
        self.held_out = pictures.splits.get("validation", self.train)
        labelled = recipe.label and self.train.labels is not None
        self.labels = labels_of(self.train) if labelled else None
        self.batch_size = min(recipe.batch_size, len(self.train))
        self.flip = 0.5 if mirrors(recipe.flip, pictures.channels) else 0.0
        self.shown = self.held_out.images[evenly(len(self.held_out), GROWN)]
        self.growth: UInt8[Tensor, "rows pictures height width channels"] = torch.zeros(
            0, *self.shown.shape, dtype=torch.uint8
        )
        self.growth_steps: Int64[Tensor, "rows"] = torch.zeros(0, dtype=torch.int64)
        self.looked_at = len(self.held_out)
        self.validation_samples = float(len(self.held_out))
        encodings = 1 if self.labels is None else 2  # with labels, priors are fitted to latents with and without them
        later = encodings * len(self.train) / 2 + len(pictures.splits.get("test", ()))  # encoding is half a validation
        self.closing_validations = 3.0 + later / len(self.held_out)

    @property
    def epoch_steps(self) -> int:
        """Steps per epoch; each epoch leaves out the pictures that do not fill its last batch."""
        return max(1, len(self.train) // self.batch_size)

    @override
    def steps(self) -> int:
        return max(round(self.recipe.epochs * self.epoch_steps), self.recipe.least_steps)

    @override
    def samples(self, batch: Batch) -> int:
        return len(batch["images"])

    @override
    def batch(self, step: int) -> Batch:
        epoch, within = divmod(step, self.epoch_steps)
        order = epoch_order(self.recipe.seed, epoch, len(self.train))
        mine = order[within * self.batch_size : (within + 1) * self.batch_size][self.device.rank :: self.device.world]
        images = torch.from_numpy(self.train.images[mine.numpy()])
        mirrored = torch.rand(len(images)) < self.flip
        batch = {"images": torch.where(mirrored[:, None, None, None], images.flip(2), images).to(self.device.name)}
        if self.labels is None:
            return batch
        hidden = torch.rand(len(images)) < self.recipe.label_dropped
        return {
            **batch,
            "labels": torch.where(hidden, self.network.vae.classes, self.labels[mine]).to(self.device.name),
        }

    @override
    def loss(self, network: nn.Module, batch: Batch, progress: float) -> Float[Tensor, ""]:
        """Mean negative bound of the batch, with KL warm-up and free bits."""
        log_prob, kl = network(**batch)
        divergence = kl.mean(0)
        divergence = torch.cat([divergence[:1], divergence[1:].clamp_min(self.recipe.free_bits)])
        loss: Tensor = self._weight(progress) * divergence.sum() - log_prob.mean()
        return loss

    @override
    def parameter_groups(self) -> list[ParameterGroup]:
        """Muon for the inner filters, AdamW for all others; biases have no weight decay."""
        recipe, vae = self.recipe, self.network.vae
        edges = {id(value) for layer in (vae.stem, vae.out) for value in layer.parameters()}
        parameters = list(self.network.parameters())
        filters = [value for value in parameters if value.dim() == 4 and id(value) not in edges and recipe.filter_rate]
        taken = {id(value) for value in filters}
        weights = [value for value in parameters if value.dim() > 1 and id(value) not in taken]
        rest = [value for value in parameters if value.dim() <= 1]
        betas = (0.9, 0.99)
        muon = {"momentum": 0.9, "normalise": False, "weight_decay": recipe.weight_decay}
        decays, stays = ({"betas": betas, "weight_decay": decay} for decay in (recipe.weight_decay, 0.0))
        return [
            ParameterGroup("muon", filters, recipe.filter_rate, muon),
            ParameterGroup("adamw", weights, recipe.learning_rate, decays),
            ParameterGroup("adamw", rest, recipe.learning_rate, stays),
        ]

    @override
    def validate(self, network: nn.Module) -> Figures:
        assert isinstance(network, PictureVAE)
        images, labels = self.held_out.images, self._held_out_labels()
        if self.looked_at < len(images):
            chosen = evenly(len(images), self.looked_at)
            images, labels = images[chosen], None if labels is None else labels[torch.from_numpy(chosen)]
        network.eval()
        with with_fitted_deviation(network, images, self.device):
            bound = measure_bound(network, images, labels, self.device)
        return {
            "loss": bound.nats,
            "nats": bound.nats,
            "kl": bound.kl,
            "reconstruction": bound.reconstruction,
            "active_units": float(bound.active_units),
        }

    @override
    def look_at(self, share: float) -> float:
        self.looked_at = len(share_of(len(self.held_out), share))
        return self.looked_at / len(self.held_out)

    @override
    def validated(self, network: nn.Module, step: int) -> None:
        """Reconstruct the same held-out pictures and keep the results: they show the training's course."""
        assert isinstance(network, PictureVAE)
        codec = Codec(network.eval(), self.device)
        row = torch.from_numpy(codec.decode(codec.encode(self.shown, self.recipe.seed).mean))
        self.growth = torch.cat([self.growth, row[None]])
        self.growth_steps = torch.cat([self.growth_steps, torch.tensor([step])])

    def draw_growth(self) -> bytes:
        """The held-out pictures, and below them their reconstructions after each validation, as a PNG."""
        rows = np.unique(np.linspace(0, len(self.growth) - 1, GROWTH_ROWS).round().astype(np.int64)).tolist()
        images = np.concatenate([self.shown, *self.growth[rows].numpy()])
        labels = [f"step {int(self.growth_steps[row]):,}" for row in rows]
        heading = "held-out pictures, and their reconstructions during the training"
        return labelled_png(images, ["real picture", *labels], heading=heading)

    @override
    def state(self) -> dict[str, Tensor]:
        return {"growth": self.growth, "growth_steps": self.growth_steps}

    @override
    def load_state(self, state: dict[str, Tensor]) -> None:
        if "growth_steps" in state:  # checkpoints of earlier versions show other pictures
            self.growth, self.growth_steps = state["growth"], state["growth_steps"]

    def _held_out_labels(self) -> Tensor | None:
        if self.labels is None or self.held_out.labels is None:
            return None
        return labels_of(self.held_out)

    def _weight(self, progress: float) -> float:
        """Weight of the KL divergence: rises from 0 to beta during the KL warm-up."""
        return self.recipe.beta * min(1.0, progress / self.recipe.kl_warmup if self.recipe.kl_warmup else 1.0)
