"""How a classifier is trained: opens pictures, builds and calibrates the network."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import nn
from typing_extensions import override

from trine import files
from trine.classify.calibration import Novelty, abstain_threshold, fit_temperature
from trine.classify.chapter import DoubtfulLabel, chapter, doubtful_labels
from trine.classify.classifier import Classifier, build_network
from trine.classify.network import PictureNet
from trine.classify.objective import PREPARED, ClassifyObjective, HeadObjective
from trine.classify.prediction import predict_logits
from trine.classify.pretrained import PretrainedNet
from trine.classify.recipe import ClassifyRecipe
from trine.datasets.catalogue import CATALOGUE
from trine.errors import DataError
from trine.nn.efficientnet import NATIVE
from trine.page.chapter import Chapter
from trine.pictures.batches import evenly, labels_of, mirrors
from trine.pictures.check import refuse_unlearnable
from trine.pictures.picture_set import PictureSet, PictureSplit
from trine.pictures.squares import open_squares
from trine.train.budget import Budget
from trine.train.fit import RunningFit, Trainer
from trine.train.step import Stepper

NAMED = 20
"""Skipped files that are named before a training; further ones are counted."""


class ClassifierTrainer(Trainer[ClassifyRecipe, PictureSet, ClassifyObjective, Classifier]):
    """Trains classifiers."""

    model_type: ClassVar[type[Classifier]] = Classifier
    shape: ClassVar[tuple[str, ...]] = ("network", "widths", "depth", "fit")
    rates: ClassVar[tuple[str, ...]] = ("filter_rate", "bias_rate", "head_rate", "adam_rate", "finetune_rate")

    doubtful: Sequence[DoubtfulLabel] = ()
    """Training pictures whose labels may be wrong; known once the model is complete."""

    @override
    def open(self, data: str | Path, data_dir: Path | None) -> PictureSet:
        if self.start is None:
            return open_squares(self.recipe, data, data_dir, _picture_size(data, self.recipe))
        opened = open_squares(self.recipe, data, data_dir, self.start.size, self.start.reading)
        return opened.with_channels(self.start.channels)

    @override
    def remarks(self, opened: PictureSet) -> list[str]:
        remarks = refuse_unlearnable(opened)
        if not opened.is_labelled("validation"):
            raise DataError(f"{opened.name}: the validation pictures have no classes: put each into its class's folder")
        more = len(opened.skipped) - NAMED
        skipped = [f"skipped, {line}" for line in opened.skipped[:NAMED]]
        return [*skipped, *([f"and {more:,} more files skipped"] if more > 0 else []), *remarks]

    @override
    def describe(self, opened: PictureSet) -> dict[str, Any]:
        return opened.described()

    @override
    def objective(self, opened: PictureSet, recipe: ClassifyRecipe) -> ClassifyObjective:
        torch.manual_seed(recipe.seed)
        network = build_network(recipe, opened.channels, opened.size[0], len(opened.classes))
        if self.start is None:
            network.prepare(torch.from_numpy(_prepared(opened.splits["train"]).images))
        else:
            _adopt(network, self.start, opened.classes)
        frozen = isinstance(network, PretrainedNet) and not network.trained
        return (HeadObjective if frozen else ClassifyObjective)(network, recipe, opened, self.device)

    @override
    def scaled(self, opened: PictureSet, budget: Budget) -> ClassifyRecipe:
        """The shape of the preset whose compute fits into the time at the measured rate."""
        if self.recipe.network != "fast" or self.start is not None:
            return self.recipe
        step = Stepper(self.objective(opened, self.recipe), self.device).measure(2.0)
        pflop = step.flops / step.seconds * budget.left / 1e15
        share = opened.splits["train"].images[..., 0].size / (50_000 * 32 * 32)
        return self.recipe.for_compute(pflop, max(share, 0.02))

    @override
    def complete(
        self, opened: PictureSet, objective: ClassifyObjective, network: nn.Module, fit: RunningFit
    ) -> Classifier:
        """Fit temperature, abstain threshold and the reference of typical pictures to the validation split."""
        trained = objective.trained_network(network).eval()
        recipe, flip = objective.recipe, mirrors(objective.recipe.flip, opened.channels)
        held_out, prepared = opened.splits["validation"], _prepared(opened.splits["train"])
        logits, labels = predict_logits(trained, held_out.images, self.device, tta=True, flip=flip), labels_of(held_out)
        temperature = files.rounded(fit_temperature(logits, labels))
        known, train = predict_logits(trained, prepared.images, self.device), opened.splits["train"]
        indices = evenly(len(train), PREPARED).tolist()
        self.doubtful = doubtful_labels(known, train, indices, opened.classes, temperature)
        confidence = torch.softmax(logits.double() / temperature, 1).amax(1).numpy()
        correct = (logits.argmax(1) == labels).numpy()
        return Classifier.assembled(
            recipe,
            classes=opened.classes,
            size=opened.size[0],
            channels=opened.channels,
            reading=opened.reading,
            temperature=temperature,
            threshold=files.rounded(abstain_threshold(confidence, correct, recipe.selective_accuracy)),
            network=trained,
            novelty=Novelty.fit(known, labels_of(prepared), logits),
        )

    @override
    def chapter(self, model: Classifier, opened: PictureSet, pictures: Mapping[str, bytes]) -> Chapter:
        return chapter(model, opened.splits["train"], self.doubtful, pictures)


def _adopt(network: PictureNet, start: Classifier, classes: tuple[str, ...]) -> None:
    """Set the weights to those of a trained model; classes that it does not know keep a fresh row in the last layer."""
    own = network.state_dict()
    for name, trained in start.network.state_dict().items():
        if not name.startswith("head."):
            own[name].copy_(trained)
            continue
        for row, label in enumerate(classes):
            if label in start.classes:
                own[name][row] = trained[start.classes.index(label)].to(own[name].device)


def _picture_size(data: str | Path, recipe: ClassifyRecipe) -> int | None:
    """The size to open a set at; named sets, and folders for networks without a native size, keep their own."""
    if recipe.network != "pretrained" or data in CATALOGUE:
        return recipe.picture_size
    return recipe.picture_size or NATIVE


def _prepared(split: PictureSplit) -> PictureSplit:
    """An even sample of at most `PREPARED` pictures, the same for every call."""
    chosen = evenly(len(split), PREPARED)
    labels = None if split.labels is None else split.labels[chosen]
    return replace(
        split, images=np.array(split.images[chosen]), labels=labels, names=(), positions=split.positions[chosen]
    )
