"""The objective of classify: cross-entropy with label smoothing on augmented batches."""

import math
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn
from typing_extensions import override

from trine.bundle import joined, part
from trine.classify import augment
from trine.classify.balance import log_shares
from trine.classify.expectation import expected_accuracy
from trine.classify.held_out import HeldOut
from trine.classify.label_evidence import NOISY, LabelEvidence, contradicted
from trine.classify.network import PatchWhitening, PictureNet
from trine.classify.novelty import Seen
from trine.classify.outliers import EACH, KINDS, PIECES, outliers
from trine.classify.prediction import predict_logits, predict_seen
from trine.classify.recipe import ClassifyRecipe
from trine.classify.sampler import Sampler
from trine.device import Device
from trine.pictures.batches import PIXELS, at_once, evenly, labels_of, mirrors, part_of, share_of
from trine.pictures.picture_set import PictureSet
from trine.plurals import quantity
from trine.progress import Figures
from trine.train.objective import Objective, ParameterGroup

Batch = dict[str, Tensor]
PREPARED = 5_000
"""Training pictures for what is fitted without gradients: normalisation, whitening, typicality."""
PIECE_BYTES = 2**25
"""Bytes of pictures that are copied at a time."""
FEWEST_HELD_OUT = 200
"""Held-out pictures below which calibration rests on the training pictures too, where that is cheap."""
EXPLODED = 10.0
"""A validation loss of so many times that of guessing is a divergence."""


class ClassifyObjective(Objective):
    """Cross-entropy with label smoothing; Muon on filters, SGD on biases and head, or AdamW on everything."""

    unit: ClassVar[str] = "pictures"
    headline: ClassVar[str] = "accuracy"
    network: PictureNet
    recipe: ClassifyRecipe

    def __init__(self, network: PictureNet, recipe: ClassifyRecipe, pictures: PictureSet, device: Device) -> None:
        self.network, self.recipe, self.device = network, recipe, device
        self.name = pictures.name
        self.train, self.validation = pictures.splits["train"], pictures.splits["validation"]
        self.labels = labels_of(self.train)
        most = min(recipe.batch_size, network.largest_batch, len(self.labels))
        self.batch_size = min(most, max(16, len(self.labels) // 32))
        self.progress, self.cropped = 0.0, 0
        self.evidence = LabelEvidence(len(self.labels), device)
        self.sampler = self._sampler(recipe.hard_share if recipe.network == "fast" else 1.0)
        self.log_shares = log_shares(self.labels, len(pictures.classes)) if recipe.balance == "logits" else None
        self.looked_at = evenly(len(self.validation), len(self.validation))
        self.validation_samples = float(len(self.validation))
        self.closing_pictures = self._closing_pictures(pictures)
        self.closing_validations = self.closing_pictures / len(self.validation)
        self.augmentation = augment.Augmentation.of(recipe, pictures.channels)

    @property
    def epoch_steps(self) -> int:
        """Steps per epoch; pictures that do not fill a batch are left for the next epoch."""
        return max(1, len(self.labels) // self.batch_size)

    @override
    def steps(self) -> int:
        return max(round(self.recipe.epochs * self.epoch_steps), self.recipe.least_steps)

    @property
    @override
    def few_steps(self) -> int:
        """Enough for a third of the passes that are wanted."""
        passes = self.recipe.wanted_passes(len(self.labels)) / 3 if self.recipe.network == "fast" else 0
        return round(passes * self.epoch_steps)

    @override
    def samples(self, batch: Batch) -> int:
        return len(batch["labels"])

    @override
    def batch(self, step: int) -> Batch:
        epoch, mine = self.sampler.next(self.progress)
        images = self.augmentation(torch.from_numpy(self.train.images[mine.numpy()]), epoch, mine, self.cropped)
        return {"images": images.to(self.device.name), **self._labelled(mine)}

    @override
    def loss(self, network: nn.Module, batch: Batch, progress: float) -> Float[Tensor, ""]:
        return self._cross_entropy(network(batch["images"]).float(), batch)

    @override
    def state(self) -> dict[str, Tensor]:
        return {**self.sampler.state(), **joined({"evidence": self.evidence.state()})}

    @override
    def load_state(self, state: dict[str, Tensor]) -> None:
        self.sampler.load_state(state)
        self.evidence.load_state(part(state, "evidence"))

    @override
    def gather(self) -> None:
        self.sampler.gather()

    @override
    def finishing(self, network: nn.Module) -> None:
        self.evidence.gather()

    @override
    def starting(self, progress: float) -> None:
        self.progress = self.evidence.progress = progress
        self.cropped = self._crop() if progress < self.recipe.crop_until else 0

    @override
    def relative_cost(self, progress: float) -> float:
        size = self.train.images.shape[1]
        return (1 - self._crop() / size) ** 2 if progress < self.recipe.crop_until else 1.0

    def _crop(self) -> int:
        """Pixels cut off each side early in the training: convolutions cost in proportion to the pixels."""
        return round(self.recipe.crop * self.train.images.shape[1]) if self.recipe.network == "fast" else 0

    @override
    def expectation(self, pflop: float) -> str:
        return expected_accuracy(self.name, pflop) if self.recipe.network == "fast" else ""

    @override
    def parameter_groups(self) -> list[ParameterGroup]:
        if self.recipe.network == "fast":
            return self._muon_groups()
        head = list(self.network.head.parameters())
        ids = {id(parameter) for parameter in head}
        body = [value for value in self.network.parameters() if value.requires_grad and id(value) not in ids]
        options = {"weight_decay": 0.01}
        body_rate = self.recipe.finetune_rate if self.recipe.network == "pretrained" else self.recipe.adam_rate
        return [
            ParameterGroup("adamw", head, self.recipe.adam_rate, options),
            ParameterGroup("adamw", body, body_rate, options),
        ]

    @override
    def validate(self, network: nn.Module) -> Figures:
        assert isinstance(network, PictureNet)
        parts = pieces(self.validation.images, self.looked_at)
        return self._figures(torch.cat([predict_logits(network.eval(), part, self.device) for part in parts]))

    @override
    def look_at(self, share: float) -> float:
        self.looked_at = share_of(len(self.validation), share)
        return len(self.looked_at) / len(self.validation)

    @override
    def score(self, figures: Figures) -> float:
        return 1 - figures["accuracy"]

    @override
    def noise(self, figures: Figures) -> float:
        """Two standard errors of the accuracy."""
        wrong, count = self.score(figures), len(self.looked_at)
        return 2 * math.sqrt((wrong * (1 - wrong) + 1 / count) / count)

    @override
    def exploded(self, figures: Figures) -> bool:
        return super().exploded(figures) or figures["loss"] > EXPLODED * math.log(
            max(2, self.network.head.out_features)
        )

    def typical(self, network: PictureNet, share: float) -> tuple[Seen, Int64[Tensor, "n"]]:
        """What the network makes of an even sample of the training pictures, and their indices.

        share   of `PREPARED` pictures
        """
        most = len(share_of(min(PREPARED, len(self.train)), share))
        known = evenly(len(self.train), most)
        parts = [predict_seen(network, part, self.device) for part in pieces(self.train.images, known)]
        return Seen.joined(parts), torch.from_numpy(known)

    def validated_views(self, network: PictureNet, share: float, flip: bool) -> Seen:
        """What the network makes of this share of the validation split; logits averaged over test-time views."""
        return predict_seen(network, part_of(self.validation, share).images, self.device, tta=True, flip=flip)

    def answered(self, validated: Seen, share: float) -> HeldOut:
        """Answers to pictures that were held out; `validated` are those to this share of the validation split."""
        return HeldOut(validated, labels_of(part_of(self.validation, share)))

    def of_no_class(self, network: PictureNet, share: float) -> Seen:
        """What the network makes of pictures that are certainly of no class."""
        pieces_of = np.array(self.train.images[evenly(len(self.train), PIECES)])
        return predict_seen(network, outliers(pieces_of, max(2, round(share * EACH)), self.recipe.seed), self.device)

    def trained_network(self, network: nn.Module) -> PictureNet:
        """The whole network, given what the loop trained of it."""
        assert isinstance(network, PictureNet)
        return network

    def remark(self, figures: Figures) -> str | None:
        """What is to be said when the accuracy on validation is no better than that of the commonest class."""
        labels = labels_of(self.validation)
        if not figures or not len(labels):
            return None
        commonest = float(labels.bincount().max()) / len(labels)
        if figures["accuracy"] > commonest + self.noise({**figures, "accuracy": commonest}) / 2:
            return None
        shares = f"{100 * figures['accuracy']:.1f} % of {quantity(len(labels), 'validation picture')} are right"
        told = "it cannot be told whether the network has" if figures["accuracy"] > commonest else "the network has not"
        return f"{told} learned the classes: {shares}, {100 * commonest:.1f} % would be with the commonest class alone"

    def noise_remark(self, held_out: Float[Tensor, "n"]) -> str | None:
        """What is to be said when many labels look wrong, in the training and among held-out pictures.

        held_out   probabilities of their answers, negative where these are not the label
        """
        if not self.sampler.noisy or contradicted(held_out) <= NOISY:
            return None
        return (
            "many labels look wrong: the training did not prefer the hardest pictures; "
            "`trine data check MODEL DATA` lists the labels to check"
        )

    def _closing_pictures(self, pictures: PictureSet) -> float:
        """Pictures that pass through the network after the last step: calibration, typicality, evaluation."""
        flip = mirrors(self.recipe.flip, pictures.channels)
        views = len(augment.views(torch.zeros(1, 2, 2, 1, dtype=torch.uint8), flip, self.network.view_shift))
        tested = len(pictures.splits["test"]) if pictures.is_labelled("test") else 0
        return views * (len(self.validation) + tested) + min(PREPARED, len(self.train)) + EACH * (len(KINDS) + 1)

    def _figures(self, logits: Float[Tensor, "n classes"]) -> Figures:
        labels = labels_of(self.validation)[torch.from_numpy(self.looked_at)]
        accuracy = float((logits.argmax(1) == labels).float().mean())
        return {"loss": float(F.cross_entropy(logits, labels)), "accuracy": accuracy}

    def _muon_groups(self) -> list[ParameterGroup]:
        """Muon for the filters, SGD for biases and the last layer (the fast network)."""
        recipe, size = self.recipe, self.batch_size
        stem = [module.bias for module in self.network.modules() if isinstance(module, PatchWhitening)]
        head = list(self.network.head.parameters())
        filters = [value for value in self.network.parameters() if value.requires_grad and value.dim() == 4]
        taken = {id(value) for value in (*stem, *head, *filters)}
        biases = [value for value in self.network.parameters() if value.requires_grad and id(value) not in taken]

        def sgd(parameters: list[nn.Parameter], rate: float, until: float = 1.0) -> ParameterGroup:
            options = {"momentum": recipe.momentum, "weight_decay": recipe.weight_decay / rate}
            return ParameterGroup("sgd", parameters, rate * size, options, until)

        return [
            ParameterGroup("muon", filters, recipe.filter_rate, {"momentum": recipe.filter_momentum}),
            sgd(stem, recipe.bias_rate, recipe.stem_until),
            sgd(biases, recipe.bias_rate),
            sgd(head, recipe.head_rate),
        ]

    def _sampler(self, hard_share: float) -> Sampler:
        recipe = self.recipe
        return Sampler(
            len(self.labels),
            self.batch_size,
            recipe.seed,
            self.device,
            hard_share,
            recipe.hard_from,
            self.evidence,
            trusting=recipe.trust_labels == "always",
            evenly=self.labels if recipe.balance == "sampling" else None,
        )

    def _labelled(self, indices: Int64[Tensor, "batch"]) -> Batch:
        return {"labels": self.labels[indices].to(self.device.name), "indices": indices}

    def _cross_entropy(self, logits: Float[Tensor, "batch classes"], batch: Batch) -> Float[Tensor, ""]:
        """Mean loss with label smoothing; the sampler learns each picture's loss without it."""
        labels = batch["labels"]
        self.evidence.learn(batch["indices"], logits, labels)
        if self.log_shares is not None:
            logits = logits + self.log_shares.to(logits.device)
        if self.sampler.chooses:
            self.sampler.learn(batch["indices"], F.cross_entropy(logits.detach(), labels, reduction="none"))
        smoothing = self.recipe.label_smoothing
        if self.log_shares is not None:  # spread evenly, it would make small classes as likely as the label
            logs, shares = logits.log_softmax(1), self.log_shares.to(logits.device).exp()
            return F.nll_loss(logs, labels).mul(1 - smoothing) - smoothing * (logs @ shares).mean()
        return F.cross_entropy(logits, labels, label_smoothing=smoothing)


def pieces(
    images: UInt8[np.ndarray, "n height width channels"], chosen: Int64[np.ndarray, "chosen"]
) -> Iterator[UInt8[np.ndarray, "some height width channels"]]:
    """The chosen pictures, copied a part at a time."""
    step = at_once(*images.shape[1:3]) * max(1, PIECE_BYTES // (3 * PIXELS))
    for start in range(0, len(chosen), step):
        yield images[chosen[start : start + step]]
