"""How a generator is trained: opens pictures, trains the network, then fits the priors to the pictures' latents."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from typing_extensions import override

from trine.drawing import attempted
from trine.errors import DataError, UsageError
from trine.generate.bound import fit_deviation, measure_bound
from trine.generate.chapter import chapter
from trine.generate.codec import Codec
from trine.generate.directions import Directions
from trine.generate.flow_training import FlowObjective, Posteriors, flow_seconds
from trine.generate.generator import Generator, build_network, build_priors
from trine.generate.latent import Normal
from trine.generate.network import PictureVAE, decoder_of, with_decoder
from trine.generate.objective import GenerateObjective
from trine.generate.prior import Flow, MixturePrior
from trine.generate.prior_choice import Pictures, choose_prior
from trine.generate.recipe import GenerateRecipe
from trine.generate.report import remarks
from trine.generate.sharpening import Sharpening, SharpenObjective, reconstruction_error, sharpen_seconds
from trine.model import Evaluation
from trine.page.chapter import Chapter
from trine.pictures.batches import evenly, labels_of, part_held_out, part_of
from trine.pictures.decode import as_channels
from trine.pictures.opening import open_to_train
from trine.pictures.picture_set import PictureSet, PictureSplit
from trine.plurals import quantity
from trine.progress import Reporter
from trine.sheet import OPACITY
from trine.train.budget import MEASURING, STAGES, Budget
from trine.train.fit import RunningFit, Trainer
from trine.train.step import Stepper

FLOW_SHARE, MAP_FLOW_SHARE = 0.15, 0.45
"""Share of a budget for the training of a flow, of vectors and of maps."""
SHARPEN_SHARE, SHARPEN_AFTER, SHARPEN_LEAST = 0.45, 90, 30
"""Share of a budget beyond its first 90 seconds for sharpening the decoder; of less than 30 seconds, none is made."""
TRAINING_SHARE, PROBE_SHARE = 0.77, 0.01
"""Shares of a budget: that is expected to be left for the steps of network, flow and decoder, and for measuring a step.
"""
WANTED_STEPS, BATCHES, SMALLEST_BATCH = 1_000, 16, 16
"""Steps that a budget should have time for, batches per epoch of a small set, and the smallest batch for them."""
UNLABELLED = 4
"""The flow also learns one in four pictures without its label."""
COMPARED = 100
"""Number of pictures that are checked for being all equal."""
COMPARED_ERRORS = 1_000
"""Number of held-out pictures whose reconstruction errors a model keeps: scores are compared with them."""
WIDE, WIDE_SECONDS = 512, 60
"""Width of a flow that has this many seconds and more for its training: it learns more, and later."""
FEW = 500
"""Number of training pictures below which copies of them are expected, and a critic would learn them by heart."""
FEW_LATENT = 16
"""Latent numbers of a model for fewer grey pictures than that: chosen by the bound of other pictures (bench/notes)."""
WORSE = 1.25
"""Factor of the reconstructions' error beyond which a sharpened decoder is not used."""


class GeneratorTrainer(Trainer[GenerateRecipe, PictureSet, GenerateObjective, Generator]):
    """Trains generators."""

    model_type: ClassVar[type[Generator]] = Generator
    shape: ClassVar[tuple[str, ...]] = (
        "network", "widths", "depth", "latent", "groups", "map_latent", "likelihood", "bounded_means", "components",
        "fit", "label",
    )  # fmt: skip
    rates: ClassVar[tuple[str, ...]] = ("learning_rate", "filter_rate")
    seconds: dict[str, float]
    """Seconds that a budget has for the further trainings ahead, `flow` and `sharpen`."""

    @override
    def open(self, data: str | Path, data_dir: Path | None) -> PictureSet:
        if self.start is None:
            recipe = self.recipe
            kept = recipe.transparency == "auto"
            size, aspect = recipe.picture_size, recipe.aspect
            return open_to_train(recipe, data, data_dir, size, aspect=aspect, transparency=kept)
        kept, size = self.start.channels == OPACITY, self.start.size
        opened = open_to_train(self.recipe, data, data_dir, size, self.start.reading, transparency=kept)
        return opened.with_channels(self.start.channels)

    @override
    def remarks(self, opened: PictureSet) -> list[str]:
        if "train" not in opened.splits or len(opened.splits["train"]) < 2:
            raise DataError(f"{opened.name}: has fewer than two pictures to learn from: add some")
        if self.recipe.network == "map" and self.recipe.prior == "mixture":
            raise UsageError("prior=mixture: a latent map has no mixture: leave it out, or take another network")
        if "sharpen_steps" in self.recipe.by_hand and self.recipe.sharpen_steps and not self.recipe.sharpens:
            raise UsageError(
                "sharpen_steps: is for the networks plain and map with the gaussian likelihood: leave it out, or give 0"
            )
        if self.recipe.label and not opened.classes:
            instead = "train a new model" if self.start else "leave out --label"
            raise DataError(f"{opened.name}: has no labels: {instead}, or put pictures into class folders")
        if self.start is not None and self.start.classes != _classes(opened, self.recipe):
            raise DataError(f"{opened.name}: has other labels than the model to go on from: train a new one")
        train = opened.splits["train"].images
        notes = [*opened.understood(), *opened.remarks]
        if all(np.array_equal(train[0], other) for other in train[:COMPARED]):
            notes.append("all pictures are equal: there is nothing to learn but that one")
        elif len(train) < FEW:
            notes.append(f"only {quantity(len(train), 'picture')}: expect copies of them; a few thousand are better")
        return notes

    @override
    def describe(self, opened: PictureSet) -> dict[str, Any]:
        return opened.described()

    @override
    def scaled(self, opened: PictureSet, budget: Budget) -> GenerateRecipe:
        """Smaller batches where there is no time for enough steps: rates fall with the root of the batch's size."""
        recipe, count = self.recipe, len(opened.splits["train"])
        if recipe.flow_width is None and recipe.network != "map" and FLOW_SHARE * budget.seconds >= WIDE_SECONDS:
            recipe = recipe.changed(flow_width=max(WIDE, recipe.flow_units(recipe.latents(opened.channels))))
        if "batch_size" in recipe.by_hand:
            return recipe
        size = min(recipe.batch_size, max(SMALLEST_BATCH, count // BATCHES))
        objective = self.objective(opened, recipe.changed(batch_size=min(size, SMALLEST_BATCH)))
        step = Stepper(objective, self.device).measure(PROBE_SHARE * budget.seconds)
        share = TRAINING_SHARE - _flow_share(recipe) - _sharpen_seconds(recipe, count, budget) / budget.seconds
        pictures = share * budget.left / step.seconds * objective.batch_size
        while size > SMALLEST_BATCH and pictures / size < WANTED_STEPS:
            size //= 2
        size = self.device.agree(size)
        scale = (size / recipe.batch_size) ** 0.5
        rates = {name: scale * getattr(recipe, name) for name in ("learning_rate", "filter_rate")}
        return recipe.changed(batch_size=size, **rates)

    @override
    def suited(
        self, opened: PictureSet, recipe: GenerateRecipe, budget: Budget | None, report: Reporter
    ) -> GenerateRecipe:
        """Fewer latent numbers for few grey pictures: further ones describe single pictures, not what they share."""
        few = opened.channels == 1 and len(opened.splits["train"]) < FEW
        if not few or recipe.latent or recipe.network == "map" or self.start:
            return recipe
        usual = recipe.latents(opened.channels)
        report.note(f"few pictures: {FEW_LATENT} latent numbers instead of {usual} (--set latent={usual} for as many)")
        return recipe.changed(latent=FEW_LATENT)

    @override
    def stage_seconds(self, opened: PictureSet, recipe: GenerateRecipe, budget: Budget) -> float:
        """The trainings of the flow and of the decoder: shares of the budget, or numbers of steps chosen by hand."""
        self.seconds = {
            "flow": _flow_share(recipe) * budget.seconds,
            "sharpen": _sharpen_seconds(recipe, len(opened.splits["train"]), budget),
        }
        if not {"flow_steps", "sharpen_steps"} & self.recipe.by_hand:
            return sum(self.seconds.values())
        classes = _classes(opened, recipe)
        network = build_network(recipe, opened.channels, opened.size, classes)
        flow = build_priors(recipe, network.vae, classes)["flow"]
        assert isinstance(flow, Flow)
        if "flow_steps" in self.recipe.by_hand:
            self.seconds["flow"] = self.device.agree(flow_seconds(flow, recipe, self.device))
        if "sharpen_steps" in self.recipe.by_hand and recipe.sharpens:
            images = opened.splits["train"].images
            self.seconds["sharpen"] = self.device.agree(sharpen_seconds(network, flow, recipe, images, self.device))
        return sum(self.seconds.values())

    @override
    def evaluate(self, model: Generator, opened: PictureSet, fit: RunningFit, split: str | None) -> Evaluation:
        return model.evaluation(part_held_out(opened, fit.share), split)

    @override
    def objective(self, opened: PictureSet, recipe: GenerateRecipe) -> GenerateObjective:
        torch.manual_seed(recipe.seed)
        network = build_network(recipe, opened.channels, opened.size, _classes(opened, recipe))
        if self.start is not None:
            network.load_state_dict(self.start.network.state_dict())
        splits = {name: split for name, split in opened.splits.items() if self.tests or name != "test"}
        return GenerateObjective(network, recipe, replace(opened, splits=splits), self.device)

    @override
    def complete(
        self, opened: PictureSet, objective: GenerateObjective, network: nn.Module, fit: RunningFit
    ) -> Generator:
        """Fit the priors to the latents of the training pictures."""
        assert isinstance(network, PictureVAE)
        recipe, codec = objective.recipe, Codec(network.eval(), self.device)
        before = _measuring(fit)
        objective.train, objective.held_out = (part_of(s, fit.share) for s in (objective.train, objective.held_out))
        fit_deviation(network, objective.held_out.images, self.device)
        means, deviations = codec.encode_top(objective.train.images, seed=recipe.seed)
        priors, learned = self._fitted_priors(opened, objective, codec, Posteriors(means, deviations, None), fit)
        if len(objective.growth):
            fit.pictures |= attempted({"latents.png": objective.draw_growth})
        model = Generator.assembled(
            recipe,
            classes=_classes(opened, recipe),
            size=opened.size,
            channels=opened.channels,
            reading=opened.reading,
            network=codec.network,
            sharp=codec.network,
            priors=priors.to(self.device.name).eval().requires_grad_(False),
            information=_kl_per_unit(means, deviations),
            directions=Directions.fitted(means.numpy()),
            errors=torch.zeros(0),
        )
        model = model.replaced(errors=_held_out_errors(model, opened, objective.held_out))
        images = as_channels(objective.held_out.images, model.channels)
        bound = measure_bound(model.network, images, model.known_labels(opened, objective.held_out), self.device)
        for line in remarks(bound):
            fit.report.note(line)
        if not bound.collapsed and _sharpened(recipe, len(opened.splits["train"]), fit.budget):
            if fit.budget:  # what is measured by now needs no time any more
                kept = fit.budget.kept_back
                kept[MEASURING] = max(kept.get(MEASURING, 0.0) / 2, kept.get(MEASURING, 0.0) - _measuring(fit) + before)
            model = self._with_sharp_decoder(model, objective.train.images, learned, fit)
        if bound.collapsed or "validation" not in opened.splits:
            return model
        return self._without_copies(model, as_channels(objective.train.images, model.channels), images, fit)

    @override
    def chapter(self, model: Generator, opened: PictureSet, pictures: Mapping[str, bytes]) -> Chapter:
        return chapter(model, opened, pictures)

    def _with_sharp_decoder(
        self, model: Generator, images: Pictures, posteriors: Posteriors, fit: RunningFit
    ) -> Generator:
        """The model with a copy of its decoder that makes sharp pictures, if it keeps to what it is given."""
        recipe, flow = model.recipe, model.priors["flow"]
        assert isinstance(flow, Flow)
        sharpening = SharpenObjective(model.network, flow, recipe, images, posteriors, self.device)
        before = reconstruction_error(model.network, images, posteriors, self.device)
        seconds = self._stage_time("sharpen", fit)
        fit.report.note(f"the decoder learns to make sharp pictures: {_length(seconds, recipe.sharpen_steps)}")
        trained = fit.train_stage("sharpen", sharpening, seconds)
        assert isinstance(trained, Sharpening)
        after = reconstruction_error(trained.sharp, images, posteriors, self.device)
        if after > WORSE * before:
            fit.report.note(f"the sharpened decoder is not used: its error is {after:.3f}, before {before:.3f}")
            return model
        return model.replaced(sharp=with_decoder(model.network, decoder_of(trained.sharp)))

    def _stage_time(self, stage: str, fit: RunningFit) -> float | None:
        """Seconds for a further training; None without a budget, or for a number of steps chosen by hand."""
        if fit.budget is None:
            return None
        fit.budget.kept_back[STAGES] = sum(self.seconds.values())
        seconds = self.seconds.pop(stage)
        return None if f"{stage}_steps" in self.recipe.by_hand else seconds

    def _without_copies(self, model: Generator, train: Pictures, held_out: Pictures, fit: RunningFit) -> Generator:
        """The model with a prior that makes new pictures, as far as one does; the share of copies is said."""
        copies = choose_prior(model, train, held_out, "prior" in self.recipe.by_hand)
        if copies.shares:
            fit.report.note(copies.statement())
        return model.replaced(recipe=model.recipe.changed(prior=copies.chosen))

    def _fitted_priors(
        self,
        opened: PictureSet,
        objective: GenerateObjective,
        codec: Codec,
        unlabelled: Posteriors,
        fit: RunningFit,
    ) -> tuple[nn.ModuleDict, Posteriors]:
        """The priors, and what the flow learned: posteriors of the training pictures in order, then further ones.

        unlabelled   the posteriors of the pictures without their labels
        """
        recipe, classes = objective.recipe, _classes(opened, objective.recipe)
        torch.manual_seed(recipe.seed)  # the flow's first weights: the same in a run that is resumed here
        priors = build_priors(recipe, codec.network.vae, classes)
        flow = priors["flow"]
        assert isinstance(flow, Flow)
        for prior in priors.values():
            if isinstance(prior, MixturePrior):
                generator = torch.Generator().manual_seed(recipe.seed)
                noise = torch.randn(unlabelled.means.shape, generator=generator)
                prior.fit(unlabelled.means + unlabelled.deviations * noise, recipe.seed)
        seconds = self._stage_time("flow", fit)
        fit.report.note(f"the flow learns to sample latent vectors: {_length(seconds, recipe.flow_steps)}")
        held_out = Posteriors(*codec.encode_top(objective.held_out.images, seed=recipe.seed), None)
        learned = _with_labels(codec, objective.train, classes, unlabelled, recipe.seed)
        validated = _with_labels(codec, objective.held_out, classes, held_out, recipe.seed)
        fit.train_stage("flow", FlowObjective(flow, recipe, learned, validated, self.device), seconds)
        return priors, learned


def _measuring(fit: RunningFit) -> float:
    """Seconds used so far for anything but further trainings; 0 without a budget."""
    return fit.budget.elapsed - fit.stage_time if fit.budget else 0.0


def _held_out_errors(model: Generator, opened: PictureSet, split: PictureSplit) -> Float[Tensor, "held_out"]:
    """Reconstruction errors of held-out pictures, ascending."""
    chosen = evenly(len(split), COMPARED_ERRORS)
    known = model.known_labels(opened, split)
    labels = None if known is None else [model.classes[code] for code in known[torch.from_numpy(chosen)].tolist()]
    return torch.from_numpy(model.anomaly(np.array(split.images[chosen]), labels)).float().sort().values


def _classes(opened: PictureSet, recipe: GenerateRecipe) -> tuple[str, ...]:
    return opened.classes if recipe.label else ()


def _with_labels(
    codec: Codec, split: PictureSplit, classes: tuple[str, ...], unlabelled: Posteriors, seed: int
) -> Posteriors:
    """The posteriors that the flow of a model with labels learns; without labels, `unlabelled` itself.

    The posterior of a picture depends on whether its label is known. So the flow learns all pictures with their labels,
    and one in `UNLABELLED` without.
    """
    if not classes or split.labels is None:
        return unlabelled
    labels = labels_of(split)
    means, deviations = codec.encode_top(split.images, labels, seed=seed)
    unknown = torch.full_like(labels[::UNLABELLED], len(classes))
    return Posteriors(
        torch.cat([means, unlabelled.means[::UNLABELLED]]),
        torch.cat([deviations, unlabelled.deviations[::UNLABELLED]]),
        torch.cat([labels, unknown]),
    )


def _length(seconds: float | None, steps: int) -> str:
    return f"{seconds:.0f} s" if seconds else f"{steps:,} steps"


def _sharpened(recipe: GenerateRecipe, count: int, budget: Budget | None) -> bool:
    """Whether the decoder for this number of training pictures is sharpened."""
    if not recipe.sharpens or "sharpen_steps" in recipe.by_hand:
        return recipe.sharpens
    return count >= FEW and (budget is None or _sharpen_seconds(recipe, count, budget) > 0)


def _sharpen_seconds(recipe: GenerateRecipe, count: int, budget: Budget) -> float:
    """Seconds of a budget for the sharpening: it needs a decoder that has learned something."""
    seconds = SHARPEN_SHARE * (budget.seconds - SHARPEN_AFTER)
    return seconds if seconds >= SHARPEN_LEAST and recipe.sharpens and count >= FEW else 0.0


def _flow_share(recipe: GenerateRecipe) -> float:
    return MAP_FLOW_SHARE if recipe.network == "map" else FLOW_SHARE


def _kl_per_unit(means: Tensor, deviations: Tensor) -> Float[Tensor, "latent"]:
    zeros = torch.zeros_like(means)
    posterior, prior = Normal(means, 2 * deviations.log()), Normal(zeros, zeros)
    return posterior.kl_per_unit(prior).mean(0)
