"""How a classifier is trained: opens pictures, builds and calibrates the network."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import UInt8
from torch import nn
from typing_extensions import override

from trine.classify import mirrored
from trine.classify.balance import uneven
from trine.classify.chapter import chapter
from trine.classify.choice import choose_network
from trine.classify.classifier import Classifier, build_network
from trine.classify.head import HeadObjective
from trine.classify.network import SMALLEST, PictureNet
from trine.classify.novelty import Seen
from trine.classify.objective import PREPARED, ClassifyObjective, pieces
from trine.classify.pretrained import PretrainedNet
from trine.classify.recipe import ClassifyRecipe
from trine.datasets.catalogue import CATALOGUE
from trine.errors import DataError
from trine.model import Evaluation
from trine.nn.efficientnet import NATIVE
from trine.nn.operations import count_flops
from trine.page.chapter import Chapter
from trine.pictures.batches import evenly, labels_of, mirrors, part_held_out
from trine.pictures.check import refuse_unlearnable
from trine.pictures.opening import open_to_train
from trine.pictures.picture_set import PictureSet, PictureSplit
from trine.progress import Reporter
from trine.train.budget import Budget
from trine.train.fit import RunningFit, Trainer
from trine.train.step import Stepper

TRAINING_SHARE = 0.75
"""Share of a budget that is expected to be left for the steps."""
PROBED, PROBE_SHARE = 64, 0.01
"""Pictures per step that the rate is measured with, and share of the budget for it."""
SAMPLE_BYTES, LEAST_SAMPLE = 2**24, 64
"""Bytes of pictures that normalisation and whitening are fitted to (5,000 of CIFAR-10), and pictures at the least."""
GREY_FIRST = 16
"""Pictures that are looked at for colour before all others."""


class ClassifierTrainer(Trainer[ClassifyRecipe, PictureSet, ClassifyObjective, Classifier]):
    """Trains classifiers."""

    model_type: ClassVar[type[Classifier]] = Classifier
    shape: ClassVar[tuple[str, ...]] = ("network", "widths", "depth", "stem_stride", "fit")
    rates: ClassVar[tuple[str, ...]] = ("filter_rate", "bias_rate", "head_rate", "adam_rate", "finetune_rate")
    validated: Seen | None = None
    """What the trained network makes of the validation pictures that there is time for."""

    @override
    def open(self, data: str | Path, data_dir: Path | None) -> PictureSet:
        if self.start is not None:
            opened = open_to_train(self.recipe, data, data_dir, self.start.size, self.start.reading)
            return opened.with_channels(self.start.channels)
        opened = open_to_train(self.recipe, data, data_dir, _picture_size(data, self.recipe))
        if opened.size[0] != opened.size[1]:
            opened = open_to_train(self.recipe, data, data_dir, max(SMALLEST, min(opened.size)))
        return _grey_as_grey(opened)

    @override
    def remarks(self, opened: PictureSet) -> list[str]:
        remarks = refuse_unlearnable(opened)
        if not opened.is_labelled("validation"):
            raise DataError(f"{opened.name}: the validation pictures have no classes: put each into its class's folder")
        if self.recipe.balance == "none" and (ratio := uneven(labels_of(opened.splits["train"]).bincount().tolist())):
            remarks = (*remarks, _uneven(ratio))
        return [*opened.understood(), *remarks]

    @override
    def settle(
        self, data: str | Path, data_dir: Path | None, opened: PictureSet, budget: Budget | None, report: Reporter
    ) -> PictureSet:
        """Choose between the networks if the recipe says `auto`; the pretrained one reads larger pictures."""
        if self.recipe.network != "auto":
            return opened
        with report.working("choosing the network"):
            named = data in CATALOGUE
            choice = self.device.agree(
                choose_network(opened, self.recipe, self.device, named, budget) if self.device.leads else None
            )
            assert choice
            report.note(f"network {choice.network}: {choice.why}")
            self.recipe = self.recipe.changed(network=choice.network)
            if choice.network == "fast":
                return opened
            with self.device.leader_first():
                return self.open(data, data_dir)

    @override
    def describe(self, opened: PictureSet) -> dict[str, Any]:
        return opened.described()

    @override
    def objective(self, opened: PictureSet, recipe: ClassifyRecipe) -> ClassifyObjective:
        torch.manual_seed(recipe.seed)
        network = _built(opened, recipe)
        if self.start is None:
            network.prepare(torch.from_numpy(_sample(opened.splits["train"])))
        else:
            _adopt(network, self.start, opened.classes)
        frozen = isinstance(network, PretrainedNet) and not network.trained
        splits = {name: split for name, split in opened.splits.items() if self.tests or name != "test"}
        kind = HeadObjective if frozen else ClassifyObjective
        return kind(network, recipe, replace(opened, splits=splits), self.device)

    @override
    def scaled(self, opened: PictureSet, budget: Budget) -> ClassifyRecipe:
        """The largest shape that has time for the passes it needs."""
        if self.recipe.network != "fast" or self.start is not None:
            return self.recipe
        count, size = len(opened.splits["train"]), opened.size[0]
        chosen, *larger = reversed(self.recipe.shapes(size))
        operations = TRAINING_SHARE * budget.left * self._rate(opened, chosen, budget)
        for shape in larger:
            if _operations(opened, shape) * count * shape.wanted_passes(count) > operations:
                break
            chosen = shape
        return chosen

    @override
    def suited(
        self, opened: PictureSet, recipe: ClassifyRecipe, budget: Budget | None, report: Reporter
    ) -> ClassifyRecipe:
        """No mirroring where classes are mirror images of one another."""
        if recipe.flip != "auto" or not mirrors(recipe.flip, opened.channels):
            return recipe
        seconds = mirrored.SHARE * budget.seconds if budget else None
        pairs = self.device.agree(mirrored.mirrored_classes(opened, recipe.seed, self.device, seconds))
        if not pairs:
            return recipe
        named = ", ".join(f"{one} and {other}" for one, other in pairs[:3])
        report.note(f"mirror images of one another: {named}: pictures are not mirrored in the training (flip=none)")
        return recipe.changed(flip="none")

    @override
    @override
    def complete(
        self, opened: PictureSet, objective: ClassifyObjective, network: nn.Module, fit: RunningFit
    ) -> Classifier:
        """Fit temperature, abstain threshold and the reference of typical pictures to the validation split."""
        trained = objective.trained_network(network).eval()
        recipe, flip = objective.recipe, mirrors(objective.recipe.flip, opened.channels)
        if remark := objective.remark(fit.figures):
            fit.report.note(f"warning: {remark}")
        self.validated = objective.validated_views(trained, fit.share, flip)
        held_out = objective.answered(self.validated, fit.share)
        temperature = held_out.balanced(recipe.balance).temperature()
        promised = held_out.promise(temperature, recipe.selective_accuracy)
        fit.report.note(promised.statement(recipe.selective_accuracy))
        if remark := objective.noise_remark(held_out.signed_confidence(temperature)):
            fit.report.note(f"warning: {remark}")
        known, typical = objective.typical(trained, fit.share)
        outliers = objective.of_no_class(trained, fit.share)
        return Classifier.assembled(
            recipe,
            classes=opened.classes,
            size=opened.size[0],
            channels=opened.channels,
            reading=opened.reading,
            temperature=temperature,
            threshold=promised.threshold,
            promise=promised,
            network=trained,
            novelty=held_out.novelty(known, objective.labels[typical], outliers),
            margins=objective.evidence.mean_margins,
        )

    @override
    def evaluate(self, model: Classifier, opened: PictureSet, fit: RunningFit, split: str | None) -> Evaluation:
        return model.evaluation(part_held_out(opened, fit.share), split, self.validated)

    @override
    def chapter(self, model: Classifier, opened: PictureSet, pictures: Mapping[str, bytes]) -> Chapter:
        return chapter(model, opened.splits["train"], pictures)

    def _rate(self, opened: PictureSet, shape: ClassifyRecipe, budget: Budget) -> float:
        """Operations per second in training steps of a few pictures."""
        recipe = shape.changed(batch_size=PROBED)
        objective = ClassifyObjective(_built(opened, recipe), recipe, opened, self.device)
        step = Stepper(objective, self.device).measure(PROBE_SHARE * budget.seconds)
        return self.device.agree(step.flops / step.seconds)


def _uneven(ratio: float) -> str:
    return (
        f"uneven classes: the largest has {ratio:.3g} times as many pictures as the smallest, and is answered more "
        "readily; --balance logits or --balance sampling treat all classes alike"
    )


def _built(opened: PictureSet, recipe: ClassifyRecipe) -> PictureNet:
    return build_network(recipe, opened.channels, opened.size[0], len(opened.classes))


def _operations(opened: PictureSet, recipe: ClassifyRecipe) -> float:
    """Operations of a training step per picture: three times those of an answer."""
    pictures = torch.zeros(1, *opened.splits["train"].images.shape[1:], dtype=torch.uint8)
    with torch.no_grad():
        _, flops = count_flops(lambda: _built(opened, recipe).eval()(pictures))
    return 3 * flops


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


def _sample(split: PictureSplit) -> UInt8[np.ndarray, "n height width channels"]:
    """An even sample of the pictures, `SAMPLE_BYTES` and `PREPARED` at most, the same for every call."""
    most = max(LEAST_SAMPLE, SAMPLE_BYTES // int(np.prod(split.images.shape[1:])))
    return np.array(split.images[evenly(len(split), min(PREPARED, most))])


def _grey_as_grey(opened: PictureSet) -> PictureSet:
    """Pictures in colour whose three channels are all equal, as grey pictures; the same set if one has colour."""
    if opened.channels != 3 or not all(_is_grey(split.images) for split in opened.splits.values()):
        return opened
    splits = {name: replace(split, images=split.images[..., :1]) for name, split in opened.splits.items()}
    remark = "the pictures are saved in colour but are all grey: they are taken as grey"
    return replace(opened, splits=splits, remarks=(*opened.remarks, remark))


def _is_grey(images: UInt8[np.ndarray, "n height width channels"]) -> bool:
    """Whether red, green and blue are equal everywhere; a few pictures decide for most sets."""
    first = evenly(len(images), GREY_FIRST)
    return all(
        bool((part[..., :1] == part).all()) for some in (first, np.arange(len(images))) for part in pieces(images, some)
    )
