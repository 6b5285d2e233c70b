"""What the loop optimises for classify: smoothed cross-entropy on augmented batches."""

from functools import lru_cache
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor, nn

from trine.classify import augment
from trine.classify.network import PatchWhitening, PictureNet
from trine.classify.recipe import ClassifyRecipe
from trine.data.pictures import PictureSet
from trine.train.device import Device
from trine.train.objective import Figures, Objective, ParameterGroup

Batch = dict[str, Tensor]


class ClassifyObjective(Objective):
    """Cross-entropy with label smoothing; Muon on filters, SGD on biases and head, or AdamW on everything."""

    unit: ClassVar[str] = "pictures"
    headline: ClassVar[str] = "accuracy"
    model: PictureNet
    recipe: ClassifyRecipe

    def __init__(self, model: PictureNet, recipe: ClassifyRecipe, pictures: PictureSet, device: Device) -> None:
        self.model, self.recipe, self.device = model, recipe, device
        self.train, self.validation = pictures.splits["train"], pictures.splits["validation"]
        self.labels = torch.from_numpy(np.array(self.train.labels, dtype=np.int64))
        self.batch_size = min(recipe.batch_size, max(16, len(self.labels) // 32), len(self.labels))
        self.flip = recipe.flip if recipe.flip != "auto" else "alternating" if pictures.channels == 3 else "none"

    @property
    def epoch_steps(self) -> int:
        """Steps in a pass over the train split; what does not fill a batch waits for the next pass."""
        return max(1, len(self.labels) // self.batch_size)

    def steps(self) -> int:
        """The recipe's epochs, or its least steps."""
        return max(round(self.recipe.epochs * self.epoch_steps), self.recipe.least_steps)

    def samples(self, batch: Batch) -> int:
        """Pictures in a batch."""
        return len(batch["labels"])

    def batch(self, step: int) -> Batch:
        """The pictures of one step, augmented: this process's share."""
        epoch, within = divmod(step, self.epoch_steps)
        order = _order(self.recipe.seed, epoch, len(self.labels))
        mine = order[within * self.batch_size : (within + 1) * self.batch_size][self.device.rank :: self.device.world]
        images = self._augmented(torch.from_numpy(self.train.images[mine.numpy()]), self._flipped(epoch, mine))
        return {"images": images.to(self.device.name), "labels": self.labels[mine].to(self.device.name)}

    def loss(self, model: nn.Module, batch: Batch, progress: float) -> Float[Tensor, ""]:
        """Mean cross-entropy."""
        logits = model(batch["images"]).float()
        return F.cross_entropy(logits, batch["labels"], label_smoothing=self.recipe.label_smoothing)

    def parameter_groups(self) -> list[ParameterGroup]:
        """Muon on the filters, SGD on the rest; AdamW for networks that are not normalised throughout."""
        if self.recipe.network == "fast":
            return self._muon_groups()
        head = list(self.model.head.parameters())
        ids = {id(parameter) for parameter in head}
        body = [value for value in self.model.parameters() if value.requires_grad and id(value) not in ids]
        options = {"weight_decay": 0.01}
        body_rate = self.recipe.finetune_rate if self.recipe.network == "pretrained" else self.recipe.adam_rate
        return [
            ParameterGroup("adamw", head, self.recipe.adam_rate, options),
            ParameterGroup("adamw", body, body_rate, options),
        ]

    def validate(self, model: nn.Module) -> Figures:
        """Loss and accuracy on the validation split."""
        logits = predict_logits(model, self.validation.images, self.device)
        labels = torch.from_numpy(np.array(self.validation.labels, dtype=np.int64))
        accuracy = float((logits.argmax(1) == labels).float().mean())
        return {"loss": float(F.cross_entropy(logits, labels)), "accuracy": accuracy}

    def _muon_groups(self) -> list[ParameterGroup]:
        recipe, size = self.recipe, self.batch_size
        stem = [module.bias for module in self.model.modules() if isinstance(module, PatchWhitening)]
        head = list(self.model.head.parameters())
        filters = [value for value in self.model.parameters() if value.requires_grad and value.dim() == 4]
        taken = {id(value) for value in (*stem, *head, *filters)}
        biases = [value for value in self.model.parameters() if value.requires_grad and id(value) not in taken]

        def sgd(parameters: list[nn.Parameter], rate: float, until: float = 1.0) -> ParameterGroup:
            options = {
                "momentum": recipe.momentum,
                "nesterov": recipe.momentum > 0,
                "weight_decay": recipe.weight_decay / rate,
            }
            return ParameterGroup("sgd", parameters, rate * size, options, until)

        return [
            ParameterGroup("muon", filters, recipe.filter_rate, {"momentum": recipe.filter_momentum}),
            sgd(stem, recipe.bias_rate, recipe.stem_until),
            sgd(biases, recipe.bias_rate),
            sgd(head, recipe.head_rate),
        ]

    def _flipped(self, epoch: int, indices: Int64[Tensor, "batch"]) -> Bool[Tensor, "batch"] | None:
        if self.flip == "alternating":
            return augment.alternating_flips(self.recipe.seed, epoch, indices)
        return torch.rand(len(indices)) < 0.5 if self.flip == "random" else None

    def _augmented(
        self, images: UInt8[Tensor, "batch height width channels"], flipped: Bool[Tensor, "batch"] | None
    ) -> UInt8[Tensor, "batch height width channels"]:
        images = augment.shift_and_flip(images, self.recipe.shift, flipped)
        if self.recipe.colour_jitter:
            images = augment.colour_jitter(images, self.recipe.colour_jitter)
        return augment.cutout(images, self.recipe.cutout) if self.recipe.cutout else images


@torch.inference_mode()
def predict_logits(
    model: nn.Module,
    images: UInt8[np.ndarray, "n height width channels"],
    device: Device,
    tta: bool = False,
    flip: bool = True,
) -> Float[Tensor, "n classes"]:
    """Logits of many pictures; with `tta` the weighted mean over their test-time views."""
    model.eval()
    found = [torch.zeros(0, 1)]
    for batch in _chunks(images, device):
        weighted = augment.views(batch, flip) if tta else [(1.0, batch)]
        with device.autocast():
            found.append(torch.stack([weight * model(view).float() for weight, view in weighted]).sum(0).cpu())
    return torch.cat(found[1:]) if len(found) > 1 else found[0]


@torch.inference_mode()
def predict_features(
    model: PictureNet, images: UInt8[np.ndarray, "n height width channels"], device: Device
) -> Float[Tensor, "n features"]:
    """What the last layer sees of many pictures."""
    model.eval()
    with device.autocast():
        return torch.cat([model.features(batch).float().cpu() for batch in _chunks(images, device)])


def _chunks(images: UInt8[np.ndarray, "n height width channels"], device: Device) -> list[Tensor]:
    size = max(1, 500 * 32 * 32 // (images.shape[1] * images.shape[2]))
    return [
        torch.from_numpy(images[start : start + size].copy()).to(device.name) for start in range(0, len(images), size)
    ]


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> Int64[Tensor, "n"]:
    generator = torch.Generator().manual_seed(seed * 7_919 + epoch)
    return torch.randperm(count, generator=generator)
