"""What the loop optimises for generate: the bound on the log likelihood, in nats a picture."""

from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from trine.device import Device
from trine.generate.bound import measure_bound
from trine.generate.network import Bounded
from trine.generate.prior import flow_cost
from trine.generate.recipe import GenerateRecipe
from trine.pictures.batches import epoch_order
from trine.pictures.picture_set import PictureSet
from trine.progress import Figures
from trine.train.objective import Objective, ParameterGroup

Batch = dict[str, Tensor]
GROWN = 10
"""Latents whose pictures are kept at each validation."""
NEAR = 0.6
"""Their deviation: latents nearer to the middle than N(0, I) has them are more like those of real pictures."""


class GenerateObjective(Objective):
    """Reconstruction and KL divergence; AdamW on everything."""

    unit: ClassVar[str] = "pictures"
    headline: ClassVar[str] = "nats"
    model: Bounded
    recipe: GenerateRecipe

    def __init__(self, model: Bounded, recipe: GenerateRecipe, pictures: PictureSet, device: Device) -> None:
        self.model, self.recipe, self.device = model, recipe, device
        self.train = pictures.splits["train"]
        self.held_out = pictures.splits.get("validation", self.train)
        labelled = recipe.label and self.train.labels is not None
        self.labels = torch.from_numpy(np.array(self.train.labels, dtype=np.int64)) if labelled else None
        self.batch_size = min(recipe.batch_size, len(self.train))
        flip = recipe.flip == "random" or (recipe.flip == "auto" and pictures.channels == 3)
        self.flip = 0.5 if flip else 0.0
        self.growth = torch.zeros(0, GROWN, *self.train.images.shape[1:], dtype=torch.uint8)
        encoded = len(self.train) / 2 + len(pictures.splits.get("test", ()))
        self.closing_validations = 3.0 + encoded / len(self.held_out)
        self.closing_seconds, self.prepared_flops = flow_cost(model.vae.top.latent, model.vae.classes, recipe)

    @property
    def epoch_steps(self) -> int:
        """Steps in a pass over the train split; what does not fill a batch waits for the next pass."""
        return max(1, len(self.train) // self.batch_size)

    def steps(self) -> int:
        """The recipe's epochs, or its least steps."""
        return max(round(self.recipe.epochs * self.epoch_steps), self.recipe.least_steps)

    def samples(self, batch: Batch) -> int:
        """Pictures in a batch."""
        return len(batch["images"])

    def batch(self, step: int) -> Batch:
        """The pictures of one step: this process's share."""
        epoch, within = divmod(step, self.epoch_steps)
        order = epoch_order(self.recipe.seed, epoch, len(self.train))
        mine = order[within * self.batch_size : (within + 1) * self.batch_size][self.device.rank :: self.device.world]
        images = torch.from_numpy(self.train.images[mine.numpy()])
        mirrored = torch.rand(len(images)) < self.flip
        batch = {"images": torch.where(mirrored[:, None, None, None], images.flip(2), images).to(self.device.name)}
        if self.labels is None:
            return batch
        hidden = torch.rand(len(images)) < self.recipe.label_dropped
        return {**batch, "labels": torch.where(hidden, self.model.vae.classes, self.labels[mine]).to(self.device.name)}

    def loss(self, model: nn.Module, batch: Batch, progress: float) -> Float[Tensor, ""]:
        """Negative bound, mean over the batch; the KL divergence's weight rises first, and free bits cost nothing."""
        log_prob, kl = model(**batch)
        divergence = kl.mean(0)
        divergence = torch.cat([divergence[:1], divergence[1:].clamp_min(self.recipe.free_bits)])
        loss: Tensor = self._weight(progress) * divergence.sum() - log_prob.mean()
        return loss

    def parameter_groups(self) -> list[ParameterGroup]:
        """Muon on the inner filters, AdamW on the rest; biases and embeddings do not decay."""
        recipe, vae = self.recipe, self.model.vae
        edges = {id(value) for layer in (vae.stem, vae.out) for value in layer.parameters()}
        parameters = list(self.model.parameters())
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

    def validate(self, model: nn.Module) -> Figures:
        """The bound on the validation split; keeps pictures of the same latents."""
        assert isinstance(model, Bounded)
        found = measure_bound(model, self.held_out.images, self._held_out_labels(), self.device)
        self.growth = torch.cat([self.growth, self._grown(model)[None]])
        return {
            "loss": found.nats,
            "nats": found.nats,
            "kl": found.kl,
            "reconstruction": found.reconstruction,
            "active_units": float(found.active_units),
        }

    def state(self) -> dict[str, Tensor]:
        """The pictures kept so far."""
        return {"growth": self.growth}

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take back what `state` gave."""
        self.growth = state["growth"]

    @torch.inference_mode()
    def _grown(self, model: Bounded) -> UInt8[Tensor, "latents height width channels"]:
        generator = torch.Generator().manual_seed(self.recipe.seed)
        noise = [NEAR * torch.randn(GROWN, *shape, generator=generator) for shape in model.vae.shapes]
        with self.device.autocast():
            made = model.vae.decode(GROWN, noise=[values.to(self.device.name) for values in noise])
        return model.likelihood.mean(made.outputs).cpu()

    def _held_out_labels(self) -> Tensor | None:
        if self.labels is None or self.held_out.labels is None:
            return None
        return torch.from_numpy(np.array(self.held_out.labels, dtype=np.int64))

    def _weight(self, progress: float) -> float:
        return self.recipe.beta * min(1.0, progress / self.recipe.kl_warmup if self.recipe.kl_warmup else 1.0)
