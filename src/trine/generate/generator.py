"""The estimator of generate: pictures in, new pictures out."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Int64, UInt8
from torch import Tensor, nn

from trine.bundle import Manifest, part
from trine.errors import DataError, UsageError, nearest
from trine.generate.bound import Bound, importance_nll, measure_bound
from trine.generate.codec import BLOCK, Codec, Encoded, Noise
from trine.generate.latent import Normal
from trine.generate.likelihood import Bernoulli, CalibratedGaussian, Likelihood
from trine.generate.logistic import LogisticMixture
from trine.generate.network import VAE, Bounded
from trine.generate.objective import GenerateObjective
from trine.generate.prior import FlowPrior, MixturePrior, NormalPrior, Prior, flow_cost
from trine.generate.recipe import GenerateRecipe
from trine.generate.report import draw_kl, metrics, model_card, remarks
from trine.generate.sheet import grid_png, pairs_png
from trine.pictures.decode import as_channels
from trine.pictures.picture_set import PictureSet, PictureSplit, open_pictures
from trine.progress import Reporter
from trine.result import Data
from trine.train.budget import Budget
from trine.train.estimator import Estimator, Judgement
from trine.train.objective import Objective

SHOWN = 64
FLOW_SHARE = 0.15
"""Of a budget of time, what the flow's training may take."""
UNTOLD = 4
"""The flow of a model of labels learns one in so many pictures without its label as well."""


class Generator(Estimator[GenerateRecipe, PictureSet]):
    """Makes new pictures like those it was shown.

    >>> model = Generator(effort="quick").fit("fashion-mnist", minutes=10)
    >>> model.sample(64, seed=1)
    """

    task: ClassVar[str] = "generate"
    recipe_type: ClassVar[type[GenerateRecipe]] = GenerateRecipe

    classes: tuple[str, ...] = ()
    size: int = 0
    channels: int = 1
    model: Bounded
    growth: UInt8[Tensor, "moments latents height width channels"]
    information: Float[Tensor, "latent"]
    """KL divergence of each unit of the latent vector, in nats: how much it says of a picture."""

    # ---- fit

    def open(self, data: str | Path, data_dir: Path | None, recipe: GenerateRecipe) -> PictureSet:
        """The picture set: square, at the model's size once it has one."""
        opened = self._opened(data, data_dir, recipe, self.size or recipe.picture_size)
        if opened.size[0] != opened.size[1] or not 8 <= opened.size[0] <= 256:
            opened = self._opened(data, data_dir, recipe, min(256, max(8, min(opened.size))))
        return opened

    def _opened(self, data: str | Path, data_dir: Path | None, recipe: GenerateRecipe, size: int | None) -> PictureSet:
        share, limit = recipe.validation_share, recipe.validation_limit
        return open_pictures(
            data, data_dir=data_dir, size=size, seed=recipe.seed, validation_share=share, validation_limit=limit
        )

    def remarks(self, opened: PictureSet) -> list[str]:
        """What is odd about the set. Raises `DataError` if it cannot be learned from."""
        if "train" not in opened.splits or len(opened.splits["train"]) < 2:
            raise DataError(f"{opened.name}: has fewer than two pictures to learn from: add some")
        if self.recipe.label and not opened.classes:
            raise DataError(f"{opened.name}: has no labels: leave out --label, or put pictures into class folders")
        train = opened.splits["train"].images
        notes = [f"skipped, {line}" for line in opened.skipped[:20]]
        if all(np.array_equal(train[0], other) for other in train[:100]):
            notes.append("the pictures are all alike: there is nothing to learn but that one")
        elif len(train) < 500:
            notes.append(f"only {len(train):,} pictures: expect copies of them; a few thousand are better")
        return notes

    def describe(self, opened: PictureSet) -> dict[str, Any]:
        """Name, fingerprint and counts."""
        counts = {name: len(split.images) for name, split in opened.splits.items()}
        return {"name": opened.name, "fingerprint": opened.fingerprint, "splits": counts}

    def objective(self, opened: PictureSet, recipe: GenerateRecipe) -> Objective:
        """A new network."""
        self.classes = opened.classes if recipe.label else ()
        self.size, self.channels = opened.size[0], opened.channels
        torch.manual_seed(recipe.seed)
        self.model = self._network()
        self.trained = GenerateObjective(self.model, recipe, opened, self.device)
        return self.trained

    def scaled(self, opened: PictureSet, budget: Budget, report: Reporter) -> GenerateRecipe:
        """The flow learns for its share of the time, but no shorter than the preset has it learn."""
        recipe = self.recipe
        if "flow_steps" in recipe.by_hand:
            return recipe
        classes = len(opened.classes) if recipe.label else 0
        seconds = self.device.agree(flow_cost(recipe.latents(opened.channels), classes, recipe)[0])
        longer = max(1.0, FLOW_SHARE * budget.left / seconds)
        return recipe.changed(flow_steps=round(longer * recipe.flow_steps))

    def settle(self, opened: PictureSet, model: nn.Module, report: Reporter) -> None:
        """Fit the priors to the latents of the training pictures."""
        assert isinstance(model, Bounded)
        self.model, self.growth = model.eval(), self.trained.growth
        for line in remarks(self._bound(opened, opened.splits.get("validation", opened.splits["train"]))):
            report.note(line)
        train = opened.splits["train"]
        found = self.codec.encode_top(train.images)
        self.information = _kl_per_unit(*found)
        self.priors = self._priors()
        mixture, flow = self.priors["mixture"], self.priors["flow"]
        assert isinstance(mixture, MixturePrior)
        assert isinstance(flow, FlowPrior)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.recipe.seed)
            mixture.fit(found[0] + found[1] * torch.randn_like(found[0]), self.recipe.seed)
            flow.fit(*self._told(train, found), self.recipe)
        self.priors.requires_grad_(False)

    def _told(
        self, train: PictureSplit, untold: tuple[Tensor, Tensor]
    ) -> tuple[Float[Tensor, "n latent"], Float[Tensor, "n latent"], Int64[Tensor, "n"] | None]:
        """What the flow learns: posteriors' means and deviations, and labels.

        In a model of labels the posterior of a picture is another with its label than without, and each goes with the
        decoder that knows as much: so there are all pictures with their labels, and some without.
        """
        if not self.classes:
            return *untold, None
        labels = _labels(train)
        told = self.codec.encode_top(train.images, labels)
        means, deviations = (torch.cat([a, b[::UNTOLD]]) for a, b in zip(told, untold, strict=True))
        return means, deviations, torch.cat([labels, torch.full_like(labels[::UNTOLD], len(self.classes))])

    # ---- judge

    def judge(self, opened: PictureSet, split: str | None = None) -> Judgement:
        """The bound and its parts; by default on test, else validation, else train. Raises `DataError`."""
        name, chosen = chosen_split(opened, split)
        images, bound = as_channels(chosen.images, self.channels), self._bound(opened, chosen)
        data = Data(name=opened.name, fingerprint=opened.fingerprint, split=name, n=len(images))
        figures = metrics(bound, self.model.likelihood, self.recipe.likelihood, images[0].size)
        return Judgement(data, figures, self._pictures(images, bound))

    def _bound(self, opened: PictureSet, split: PictureSplit) -> Bound:
        images = as_channels(split.images, self.channels)
        return measure_bound(self.model, images, self._known_labels(opened, split), self.device)

    def _pictures(self, images: UInt8[np.ndarray, "n height width channels"], bound: Bound) -> dict[str, bytes]:
        some = images[np.linspace(0, len(images) - 1, min(10, len(images))).astype(int)]
        found = {
            "samples.png": grid_png(self.sample(SHOWN, seed=self.recipe.seed)),
            "reconstructions.png": pairs_png(some, self.reconstruct(some)),
            "kl.png": draw_kl(bound.kl_per_group),
        }
        if len(self.growth):
            found["latents.png"] = grid_png(self.growth.flatten(0, 1).numpy(), columns=self.growth.shape[1])
        return found

    def importance(self, opened: PictureSet, split: str, samples: int, count: int = 1000) -> dict[str, Any]:
        """The importance-weighted estimate of the first pictures of a split, with what it was made of.

        Raises `UsageError`.
        """
        if samples < 1 or count < 1:
            raise UsageError(f"{samples} samples of {count} pictures: give 1 or more of both")
        chosen = opened.splits[split]
        images, labels = as_channels(chosen.images[:count], self.channels), self._known_labels(opened, chosen)
        nats = importance_nll(self.model, images, None if labels is None else labels[:count], self.device, samples)
        return {"iw_nats": nats, "iw_samples": samples, "iw_n": len(images)}

    # ---- use

    def sample(
        self,
        n: int,
        *,
        label: str | None = None,
        temperature: float = 1.0,
        pixel_noise: float = 0.0,
        seed: int = 0,
        prior: str | None = None,
    ) -> UInt8[np.ndarray, "n height width channels"]:
        """New pictures; the same seed gives the same ones.

        label         a class that it was trained with (`label=True`); without, any
        temperature   deviation of the latents' noise, from 0: the most typical picture; 1 is as they were learned
        pixel_noise   deviation of the pixels' own noise, as a share of the model's: 0, the expected picture of the
                      latents; 1, a picture drawn from all that the model says
        prior         normal, mixture or flow
        Raises `UsageError`.
        """
        drawn = self.sample_stream(
            n, label=label, temperature=temperature, pixel_noise=pixel_noise, seed=seed, prior=prior
        )
        return np.concatenate(list(drawn))

    def sample_stream(
        self,
        n: int,
        *,
        label: str | None = None,
        temperature: float = 1.0,
        pixel_noise: float = 0.0,
        seed: int = 0,
        prior: str | None = None,
    ) -> Iterator[UInt8[np.ndarray, "batch height width channels"]]:
        """`sample`, a block at a time: memory stays flat however many pictures there are."""
        chosen = self._checked(n, label, temperature, pixel_noise, prior or self.recipe.prior)
        for block in range(-(-n // BLOCK)):
            drawn = self.noise(seed, block).scaled(temperature, pixel_noise)
            yield self.from_noise(drawn, label, chosen)[: n - block * BLOCK]

    def encode(self, images: UInt8[np.ndarray, "n height width channels"], seed: int = 0) -> Encoded:
        """The posteriors of pictures, and a sample of each. Raises `DataError` for pictures of another size."""
        return self.codec.encode(images, seed)

    def decode(
        self, latents: Sequence[Float[Tensor, "n ..."]], label: str | None = None
    ) -> UInt8[np.ndarray, "n height width channels"]:
        """The expected pictures of latents; groups that are not given take the means of their priors."""
        return self.codec.decode(latents, self._label(label))

    def reconstruct(self, images: UInt8[np.ndarray, "n height width from"]) -> UInt8[np.ndarray, "n height width to"]:
        """Each picture through its latents' means and back."""
        return self.decode(self.encode(images).mean)

    def anomaly(self, images: UInt8[np.ndarray, "n height width channels"]) -> Float[np.ndarray, "n"]:
        """How badly each picture is reconstructed: mean squared error of its grey levels, on a scale of 0 to 1.

        Not the likelihood: that is higher for smooth pictures of another kind than for those it was trained on
        (Nalisnick et al., "Do deep generative models know what they don't know?", 2019).
        """
        as_own = as_channels(images, self.channels)
        error = (as_own.astype(np.float64) - self.reconstruct(as_own)) / 255
        return np.asarray(np.square(error).mean((1, 2, 3)))

    @property
    def codec(self) -> Codec:
        """The network at work."""
        return Codec(self.model, self.device)

    def noise(self, seed: int, block: int = 0) -> Noise:
        """What a block of pictures is made of."""
        return Noise.drawn(self.model.vae.shapes, seed, block)

    def from_noise(
        self, noise: Noise, label: str | None = None, prior: str | None = None
    ) -> UInt8[np.ndarray, "n height width channels"]:
        """The pictures that noise becomes."""
        chosen = self.priors[prior or self.recipe.prior]
        assert isinstance(chosen, Prior)
        return self.codec.from_noise(noise, chosen, self._label(label))

    # ---- bundle

    def content(self) -> dict[str, Any]:
        """Classes and the shape of pictures."""
        return {"classes": list(self.classes), "size": self.size, "channels": self.channels}

    def tensors(self) -> dict[str, Tensor]:
        """Weights of network and priors."""
        parts = {"network": self.model.state_dict(), "priors": self.priors.state_dict()}
        named = {f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()}
        return {**named, "information": self.information}

    def restore(self, manifest: Manifest, tensors: dict[str, Tensor]) -> None:
        """Rebuild the network of a bundle."""
        content = manifest.content
        self.classes, self.size, self.channels = tuple(content["classes"]), content["size"], content["channels"]
        self.model, self.priors = self._network(), self._priors()
        self.model.load_state_dict(part(tensors, "network"))
        self.priors.load_state_dict(part(tensors, "priors"))
        self.information = tensors["information"]
        self.model.to(self.device.name).eval()
        self.priors.to(self.device.name).requires_grad_(False)
        self.growth = torch.zeros(0, 1, self.size, self.size, self.channels, dtype=torch.uint8)

    def card(self) -> str:
        """The model card."""
        figures = self.result.model_dump(mode="json") if self.result else {}
        return model_card(figures, self.data, self.recipe.model_dump(mode="json"))

    # ---- parts

    def _network(self) -> Bounded:
        recipe, likelihood = self.recipe, self._likelihood()
        vae = VAE(
            self.channels,
            self.size,
            likelihood.outputs,
            widths=recipe.widths,
            depth=recipe.depth,
            latent=recipe.latents(self.channels),
            groups=recipe.groups if recipe.network == "deep" else (),
            map_latent=recipe.map_latent,
            classes=len(self.classes),
        )
        return Bounded(vae, likelihood)

    def _likelihood(self) -> Likelihood:
        if self.recipe.likelihood == "logistic":
            return LogisticMixture(self.channels, self.recipe.components)
        return CalibratedGaussian(self.channels) if self.recipe.likelihood == "gaussian" else Bernoulli(self.channels)

    def _priors(self) -> nn.ModuleDict:
        latent = self.recipe.latents(self.channels)
        kinds: dict[str, Prior] = {
            "normal": NormalPrior(),
            "mixture": MixturePrior(self.recipe.mixture_components, latent),
            "flow": FlowPrior(latent, len(self.classes), self.recipe.flow_units(latent)),
        }
        return nn.ModuleDict(kinds)

    def _checked(self, n: int, label: str | None, temperature: float, pixel_noise: float, prior: str) -> str:
        if n < 1:
            raise UsageError(f"{n} pictures: ask for one or more")
        if not 0 <= temperature < float("inf"):
            raise UsageError(f"temperature {temperature:g}: give 0 (the most typical picture) or more, such as 0.8")
        if not 0 <= pixel_noise < float("inf"):
            raise UsageError(f"pixel noise {pixel_noise:g}: give 0 (the expected picture) or more, such as 1")
        if prior not in self.priors:
            raise UsageError(
                f"prior {prior!r} is not known: choose {', '.join(self.priors)}{nearest(prior, self.priors)}"
            )
        self._label(label)
        return prior

    def _label(self, label: str | None) -> int | None:
        if label is None:
            return None
        if label not in self.classes:
            known = ", ".join(self.classes) if self.classes else "none: it was trained without --label"
            meant = nearest(label, self.classes)
            raise UsageError(f"label {label!r} is not known to the model: it knows {known}{meant}")
        return self.classes.index(label)

    def _known_labels(self, opened: PictureSet, split: PictureSplit) -> Tensor | None:
        if not self.classes or opened.classes != self.classes or split.labels is None:
            return None
        return _labels(split)


def chosen_split(opened: PictureSet, name: str | None) -> tuple[str, PictureSplit]:
    """The split of that name; by default test, else validation, else train. Raises `DataError`."""
    name = name or next(name for name in ("test", "validation", "train") if name in opened.splits)
    if name not in opened.splits:
        there = opened.splits
        raise DataError(f"{opened.name}: has no split {name!r}: it has {', '.join(there)}{nearest(name, there)}")
    return name, opened.splits[name]


def _kl_per_unit(means: Tensor, deviations: Tensor) -> Float[Tensor, "latent"]:
    zeros = torch.zeros_like(means)
    posterior, prior = Normal(means, 2 * deviations.log()), Normal(zeros, zeros)
    return posterior.kl_per_unit(prior).mean(0)


def _labels(split: PictureSplit) -> Tensor:
    return torch.from_numpy(np.array(split.labels, dtype=np.int64))
