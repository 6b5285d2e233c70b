"""What the loop optimises for classify: smoothed cross-entropy on augmented batches."""

from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Bool, Float, Int64, UInt8
from torch import Tensor, nn

from trine.classify import augment
from trine.classify.expectation import expected_accuracy
from trine.classify.network import PatchWhitening, PictureNet
from trine.classify.recipe import ClassifyRecipe
from trine.classify.sampler import Sampler
from trine.device import Device
from trine.nn.operations import count_flops
from trine.pictures.batches import at_once
from trine.pictures.picture_set import PictureSet
from trine.progress import Figures
from trine.train.objective import Objective, ParameterGroup

Batch = dict[str, Tensor]
PREPARED = 5_000
"""Training pictures that what is not trained is fitted to: normalisation, whitening, novelty."""
PASSES = 2
"""How many augmented versions of each picture's features are kept when only the last layer is trained."""


class ClassifyObjective(Objective):
    """Cross-entropy with label smoothing; Muon on filters, SGD on biases and head, or AdamW on everything."""

    unit: ClassVar[str] = "pictures"
    headline: ClassVar[str] = "accuracy"
    model: PictureNet
    recipe: ClassifyRecipe

    def __init__(self, model: PictureNet, recipe: ClassifyRecipe, pictures: PictureSet, device: Device) -> None:
        self.model, self.recipe, self.device = model, recipe, device
        self.name = pictures.name
        self.train, self.validation = pictures.splits["train"], pictures.splits["validation"]
        self.labels = torch.from_numpy(np.array(self.train.labels, dtype=np.int64))
        most = min(recipe.batch_size, model.largest_batch, len(self.labels))
        self.batch_size = min(most, max(16, len(self.labels) // 32))
        self.progress, self.cropped = 0.0, 0
        share = recipe.hard_share if recipe.network == "fast" else 1.0
        self.sampler = Sampler(len(self.labels), self.batch_size, recipe.seed, device, share, recipe.hard_from)
        held_out, test = len(self.validation), len(pictures.splits.get("test", ()))
        views = len(augment.views(torch.zeros(1, 2, 2, 1, dtype=torch.uint8)))
        self.closing_validations = views + ((views + 1) * test + PREPARED) / held_out
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
        epoch, mine = self.sampler.next(self.progress)
        images = self._augmented(torch.from_numpy(self.train.images[mine.numpy()]), self._flipped(epoch, mine))
        return {"images": images.to(self.device.name), **self._labelled(mine)}

    def loss(self, model: nn.Module, batch: Batch, progress: float) -> Float[Tensor, ""]:
        """Mean cross-entropy."""
        return self._cross_entropy(model(batch["images"]).float(), batch)

    def state(self) -> dict[str, Tensor]:
        """The sampler's."""
        return self.sampler.state()

    def load_state(self, state: dict[str, Tensor]) -> None:
        """Take back what `state` gave."""
        self.sampler.load_state(state)

    def starting(self, progress: float) -> None:
        """Early pictures are cropped: the network learns from fewer pixels, then from all."""
        self.progress = progress
        self.cropped = self._crop() if progress < self.recipe.crop_until else 0

    def relative_cost(self, progress: float) -> float:
        """Convolutions cost as much as there are pixels."""
        size = self.train.images.shape[1]
        return (1 - self._crop() / size) ** 2 if progress < self.recipe.crop_until else 1.0

    def _crop(self) -> int:
        return round(self.recipe.crop * self.train.images.shape[1]) if self.recipe.network == "fast" else 0

    def expectation(self, pflop: float) -> str:
        """The accuracy that is known of a named set."""
        return expected_accuracy(self.name, pflop) if self.recipe.network == "fast" else ""

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
        assert isinstance(model, PictureNet)
        return self._figures(predict_logits(model, self.validation.images, self.device))

    def _figures(self, logits: Float[Tensor, "n classes"]) -> Figures:
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
            options = {"momentum": recipe.momentum, "weight_decay": recipe.weight_decay / rate}
            return ParameterGroup("sgd", parameters, rate * size, options, until)

        return [
            ParameterGroup("muon", filters, recipe.filter_rate, {"momentum": recipe.filter_momentum}),
            sgd(stem, recipe.bias_rate, recipe.stem_until),
            sgd(biases, recipe.bias_rate),
            sgd(head, recipe.head_rate),
        ]

    def _labelled(self, indices: Int64[Tensor, "batch"]) -> Batch:
        return {"labels": self.labels[indices].to(self.device.name), "indices": indices}

    def _cross_entropy(self, logits: Float[Tensor, "batch classes"], batch: Batch) -> Float[Tensor, ""]:
        """Mean smoothed cross-entropy; the sampler learns how hard each picture is without the smoothing."""
        labels = batch["labels"]
        if self.sampler.chooses:
            self.sampler.learn(batch["indices"], F.cross_entropy(logits.detach(), labels, reduction="none"))
        return F.cross_entropy(logits, labels, label_smoothing=self.recipe.label_smoothing)

    def _flipped(self, epoch: int, indices: Int64[Tensor, "batch"]) -> Bool[Tensor, "batch"] | None:
        if self.flip == "alternating":
            return augment.alternating_flips(self.recipe.seed, epoch, indices)
        return torch.rand(len(indices)) < 0.5 if self.flip == "random" else None

    def _augmented(
        self, images: UInt8[Tensor, "batch height width channels"], flipped: Bool[Tensor, "batch"] | None
    ) -> UInt8[Tensor, "batch height width channels"]:
        images = augment.shift_and_flip(images, self.recipe.shift, flipped, self.cropped)
        if self.recipe.colour_jitter:
            images = augment.colour_jitter(images, self.recipe.colour_jitter)
        return augment.cutout(images, self.recipe.cutout) if self.recipe.cutout else images


class HeadObjective(ClassifyObjective):
    """The last layer alone, on features that are computed once: `PASSES` times over differently augmented pictures."""

    def __init__(self, model: PictureNet, recipe: ClassifyRecipe, pictures: PictureSet, device: Device) -> None:
        super().__init__(model, recipe, pictures, device)
        model.to(device.name)
        passes, flops = count_flops(
            lambda: [predict_features(model, self._pass(epoch), device) for epoch in range(PASSES)]
        )
        self.table, self.prepared_flops = torch.stack(passes), float(flops)
        self.held_out = predict_features(model, self.validation.images, device).to(device.name)
        self.model = model.head  # type: ignore[assignment]

    def batch(self, step: int) -> Batch:
        """The features of one step's pictures."""
        epoch, mine = self.sampler.next(self.progress)
        return {"features": self.table[epoch % PASSES, mine].to(self.device.name), **self._labelled(mine)}

    def loss(self, model: nn.Module, batch: Batch, progress: float) -> Float[Tensor, ""]:
        """Mean cross-entropy, with dropout of features."""
        return self._cross_entropy(model(F.dropout(batch["features"], self.recipe.dropout)).float(), batch)

    def parameter_groups(self) -> list[ParameterGroup]:
        """AdamW on the last layer."""
        return [ParameterGroup("adamw", list(self.model.parameters()), self.recipe.adam_rate, {"weight_decay": 0.01})]

    def validate(self, model: nn.Module) -> Figures:
        """Loss and accuracy on the validation split."""
        with torch.inference_mode(), self.device.autocast():
            return self._figures(model(self.held_out).float().cpu())

    def _pass(self, epoch: int) -> Iterator[Tensor]:
        """Every training picture as one epoch shows it."""
        start = 0
        for images in _chunks(self.train.images, self.device):
            indices = torch.arange(start, start + len(images))
            yield self._augmented(images, self._flipped(epoch, indices))
            start += len(images)


@torch.inference_mode()
def predict_logits(
    model: PictureNet,
    images: UInt8[np.ndarray, "n height width channels"],
    device: Device,
    tta: bool = False,
    flip: bool = True,
) -> Float[Tensor, "n classes"]:
    """Logits of many pictures; with `tta` the weighted mean over their test-time views."""
    model.eval()
    found = []
    for batch in _chunks(images, device):
        weighted = augment.views(batch, flip, model.view_shift) if tta else [(1.0, batch)]
        with device.autocast():
            found.append(torch.stack([weight * model(view).float() for weight, view in weighted]).sum(0).cpu())
    return torch.cat(found)


@torch.inference_mode()
def predict_features(
    model: PictureNet,
    images: UInt8[np.ndarray, "n height width channels"] | Iterator[Tensor],
    device: Device,
) -> Float[Tensor, "n features"]:
    """What the last layer sees of many pictures, given whole or a batch at a time."""
    model.eval()
    batches = _chunks(images, device) if isinstance(images, np.ndarray) else images
    with device.autocast():
        return torch.cat([model.features(batch.to(device.name)).float().cpu() for batch in batches])


def _chunks(images: UInt8[np.ndarray, "n height width channels"], device: Device) -> Iterator[Tensor]:
    size = at_once(*images.shape[1:3])
    for start in range(0, len(images), size):
        yield torch.from_numpy(images[start : start + size].copy()).to(device.name)
