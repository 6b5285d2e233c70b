"""A generator as graphs: `encoder`, `decoder`, and `prior`, the distribution that latent vectors are sampled from.

All noise is an input, so that graphs draw nothing and give the same pictures everywhere.

- `encoder`: pictures, and N(0, I) noise of each group but the last -> mean and variance of every group. The posterior
  of a group depends on a sample of the groups above it.
- `decoder`: per group a latent, or noise that it is sampled from; how many groups are given; a label -> the expected
  pictures, as 8-bit levels and as levels from 0 to 1.
- `prior`: noise, and what the recipe's prior needs beside it -> latent vectors.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from onnx import ModelProto
from torch import Tensor, nn
from typing_extensions import override

from trine.errors import ExportError
from trine.export.exporter import LEAST_INPUTS, EightBit, Exporter, Proof, largest
from trine.export.graph import Inputs, traced
from trine.export.real_inputs import RealPictures, held_out_pictures, training_data
from trine.generate.generator import Generator
from trine.generate.latent import Latent, Normal
from trine.generate.network import DecoderLevel, PictureVAE
from trine.generate.prior import Flow, MixturePrior, Prior
from trine.graphs import Graph
from trine.nn.likelihood import Bernoulli, as_picture

LEVEL_TOLERANCE, LATENT_TOLERANCE = 1e-4, 1e-4
"""Largest differences that are accepted: of levels from 0 to 1, and of means, variances and latents relative to the
largest of them, or to 1."""
BATCH = 64
"""Pictures that are compared together."""
SEED = 0
"""Seed of the noise of the comparisons."""
BINARISATION, GIVEN, LABELS, NOISE, CHANCE = "binarisation", "given", "labels", "noise", "chance"
"""Inputs: uniform numbers that make pictures black and white; how many groups are given as latents, not as noise; class
indices, of which one more than there are means unknown; N(0, I) noise and uniform numbers of the prior."""


class Encoder(nn.Module):
    """From pictures and noise to the posteriors of all groups."""

    def __init__(self, network: PictureVAE) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: UInt8[Tensor, "batch height width channels"], *values: Tensor) -> tuple[Tensor, ...]:
        """Means of all groups, then their variances.

        values   uniform numbers for black and white pictures; noise of each group but the last; the labels of a network
                 that knows them
        """
        vae, likelihood = self.network.vae, self.network.likelihood
        drawn = list(values)
        labels = drawn.pop() if vae.classes else None
        if isinstance(likelihood, Bernoulli):
            observed = likelihood.binarised(images, drawn.pop(0))
        else:
            observed = likelihood.observe(images)
        encoding, posteriors = vae.encode(observed, labels), []
        if drawn:
            last = torch.zeros(observed.shape[0], *vae.shapes[-1])  # the last group's sample leads to nothing
            latents = vae.decode(observed.shape[0], labels, encoding=encoding, noise=[*drawn, last]).latents
            posteriors = [_posterior(latent) for latent in latents]
        else:
            posteriors = [encoding.top]
        variances = [torch.exp(posterior.log_variance) for posterior in posteriors]
        return (*(posterior.mean for posterior in posteriors), *variances)


class Decoder(nn.Module):
    """From latents, or noise that they are sampled from, to pictures."""

    def __init__(self, network: PictureVAE) -> None:
        super().__init__()
        self.network, self.given = copy.deepcopy(network), [torch.zeros((), dtype=torch.long)]
        index = 1
        for level in self.network.vae.levels:
            assert isinstance(level, DecoderLevel)
            for number, group in enumerate(level.groups):
                level.groups[number] = GivenOrSampled(group, index, self.given)
                index += 1

    def forward(self, *values: Tensor) -> tuple[Tensor, Tensor]:
        """Levels as 8-bit numbers, and from 0 to 1.

        values   per group a latent or noise; where there are several groups, how many are latents; then the labels
        """
        vae, likelihood = self.network.vae, self.network.likelihood
        groups = len(vae.shapes)
        if groups > 1:
            self.given[0] = values[groups]
        labels = values[-1] if vae.classes else None
        decoded = vae.decode(values[0].shape[0], labels, given=values[:1], noise=values[:groups])
        expected = likelihood.expected(decoded.outputs)
        return as_picture(expected), ((expected + 1) / 2).permute(0, 2, 3, 1)


class GivenOrSampled(nn.Module):
    """A group of the decoder: what it is given is a latent if its index is below `given`, else noise."""

    def __init__(self, group: nn.Module, index: int, given: list[Tensor]) -> None:
        super().__init__()
        self.group, self.index, self.given = group, index, given

    def forward(
        self, hidden: Tensor, encoded: Tensor | None, noise: Tensor, given: Tensor | None
    ) -> tuple[Tensor, Latent]:
        """As `MapGroup.forward`, without an encoder."""
        sampled = self.group(hidden, None, noise, None)[1].sample
        answer: tuple[Tensor, Latent] = self.group(
            hidden, None, noise, torch.where(self.given[0] > self.index, noise, sampled)
        )
        return answer


class Sampler(nn.Module):
    """From noise to latent vectors, with the inputs that a prior needs."""

    def __init__(self, prior: Prior) -> None:
        super().__init__()
        self.prior = prior

    def forward(self, noise: Tensor, *further: Tensor) -> Tensor:
        """further   chance for a mixture, labels for a flow that knows classes."""
        mixture = isinstance(self.prior, MixturePrior)
        chance = further[0] if mixture else noise[:, 0]
        labels = further[0] if further and not mixture else None
        latents: Tensor = self.prior(noise, chance, labels)
        return latents


class GeneratorExporter(Exporter[Generator]):
    """Graphs of a generator."""

    @override
    def graphs(self) -> dict[str, ModelProto]:
        network = self.model.network
        groups, axes = range(len(network.vae.shapes)), [_axes(shape) for shape in network.vae.shapes]
        moments = {f"{moment}.{i}": axes[i] for moment in ("mean", "variance") for i in groups}
        picture = ("batch", None, None, None)
        return {
            "encoder": traced(Encoder(network), self._encoder_inputs(), moments),
            "decoder": traced(
                Decoder(self.model.sharp), self._decoder_inputs(), {"pictures": picture, "levels": picture}
            ),
            "prior": traced(Sampler(self._prior), self._prior_inputs(), {"latent.0": ("batch", None)}),
        }

    @override
    def proofs(self, graphs: Mapping[str, Graph]) -> dict[str, Proof]:
        return {
            "encoder": self._proof_of_encoder(graphs["encoder"]),
            "decoder": self._proof_of_decoder(graphs["decoder"]),
            "prior": self._proof_of_prior(graphs["prior"]),
        }

    @override
    def check_eight_bit(self) -> None:
        raise ExportError("--int8: generators are not exported as 8-bit numbers: leave it out")

    @override
    def eight_bit(self, graphs: Mapping[str, ModelProto], folder: Path, weights: str) -> EightBit:
        raise NotImplementedError  # `check_eight_bit` refuses

    @property
    def _prior(self) -> Prior:
        prior = self.model.priors[self.model.recipe.prior]
        assert isinstance(prior, Prior)
        return prior

    @cached_property
    def _pictures(self) -> RealPictures:
        """Held-out pictures, else pictures that the generator samples."""
        model = self.model
        if (data := training_data(model, self.data, self.data_dir)) is None:
            return RealPictures(model.sample(LEAST_INPUTS, seed=SEED), None, "pictures of the generator")
        return held_out_pictures(model.open(data, self.data_dir), model.channels, LEAST_INPUTS, LEAST_INPUTS)

    # ---- inputs

    def _noise(self, count: int, seed: int = SEED) -> list[Tensor]:
        """N(0, I) noise per group."""
        generator = torch.Generator().manual_seed(seed)
        return [torch.randn(count, *shape, generator=generator) for shape in self.model.network.vae.shapes]

    def _binarisation(self, count: int) -> Tensor | None:
        """Uniform numbers for black and white pictures; None for others."""
        model = self.model
        if not isinstance(model.network.likelihood, Bernoulli):
            return None
        generator = torch.Generator().manual_seed(SEED)
        return torch.rand(count, model.channels, *model.size, generator=generator)

    def _encoder_noise(self, count: int) -> dict[str, Tensor]:
        """What the encoder takes beside pictures: uniform numbers, and noise of each group but the last."""
        uniform, noise = self._binarisation(count), self._noise(count)[:-1]
        binarisation = {} if uniform is None else {BINARISATION: uniform}
        return {**binarisation, **{f"{NOISE}.{i}": each for i, each in enumerate(noise)}}

    def _labels(self, count: int) -> Tensor:
        """Every class, and none, in turn."""
        return torch.arange(count) % (len(self.model.classes) + 1)

    def _encoder_inputs(self) -> Inputs:
        model, count = self.model, 3
        images = torch.zeros(count, *model.size, model.channels, dtype=torch.uint8)
        further = self._encoder_noise(count)
        inputs: dict[str, tuple[Tensor, Sequence[str | None]]] = {"pictures": (images, ("batch", None, None, None))}
        inputs |= {name: (each, _axes(each.shape[1:])) for name, each in further.items()}
        return inputs | self._label_input()

    def _label_input(self) -> dict[str, tuple[Tensor, Sequence[str | None]]]:
        """The labels, of a network that knows them."""
        return {LABELS: (self._labels(3), ("batch",))} if self.model.network.vae.classes else {}

    def _decoder_inputs(self) -> Inputs:
        values = self._noise(3)
        inputs: dict[str, tuple[Tensor, Sequence[str | None]]] = {
            f"latent.{i}": (each, _axes(each.shape[1:])) for i, each in enumerate(values)
        }
        if len(values) > 1:
            inputs[GIVEN] = (torch.tensor(1), ())
        return inputs | self._label_input()

    def _prior_inputs(self) -> Inputs:
        noise = self._noise(3)[0]
        inputs: dict[str, tuple[Tensor, Sequence[str | None]]] = {NOISE: (noise, ("batch", None))}
        if isinstance(self._prior, MixturePrior):
            inputs[CHANCE] = (torch.linspace(0, 1, 3), ("batch",))
        if isinstance(self._prior, Flow) and self.model.classes:
            inputs[LABELS] = (self._labels(3), ("batch",))
        return inputs

    # ---- proofs

    def _batches(self) -> Iterator[np.ndarray]:
        images = self._pictures.images
        return (images[start : start + BATCH] for start in range(0, len(images), BATCH))

    def _posteriors(
        self, images: np.ndarray, uniform: Tensor | None, noise: list[Tensor], labels: Tensor | None
    ) -> list[Normal]:
        """The network's own posteriors."""
        vae, likelihood, pictures = (
            self.model.network.vae,
            self.model.network.likelihood,
            torch.from_numpy(images.copy()),
        )
        if isinstance(likelihood, Bernoulli) and uniform is not None:
            observed = likelihood.binarised(pictures, uniform)
        else:
            observed = likelihood.observe(pictures)
        latents = vae.decode(len(images), labels, encoding=vae.encode(observed, labels), noise=noise).latents
        return [_posterior(latent) for latent in latents]

    def _proof_of_encoder(self, graph: Graph) -> Proof:
        differences = []
        for images in self._batches():
            noise, uniform = self._noise(len(images)), self._binarisation(len(images))
            labels = self._labels(len(images)) if LABELS in graph.inputs else None
            expected = self._posteriors(images, uniform, noise, labels)
            given = {name: each.numpy() for name, each in self._encoder_noise(len(images)).items()}
            given |= {} if labels is None else {LABELS: labels.numpy()}
            found = graph.run(pictures=images, **given)
            for i, posterior in enumerate(expected):
                differences.append(("means", _relative(posterior.mean, found[f"mean.{i}"])))
                variance = torch.exp(posterior.log_variance)
                differences.append(("variances", _relative(variance, found[f"variance.{i}"])))
        return self._proof(differences, {"means": LATENT_TOLERANCE, "variances": LATENT_TOLERANCE})

    def _proof_of_decoder(self, graph: Graph) -> Proof:
        """Latents of pictures decoded, all groups given; then noise, only the top group given."""
        model, differences, equal = self.model, [], []
        for images in self._batches():
            count, labels = len(images), self._labels(len(images)) if LABELS in graph.inputs else None
            noise = self._noise(count)
            means = [each.mean for each in self._posteriors(images, self._binarisation(count), noise, labels)]
            for values, given in ((means, means), ([means[0], *noise[1:]], means[:1])):
                outputs = model.sharp.vae.decode(count, labels, given=given, noise=noise).outputs
                levels = (model.network.likelihood.expected(outputs).permute(0, 2, 3, 1) + 1) / 2
                pictures = model.network.likelihood.mean(outputs).numpy()
                inputs = {f"latent.{i}": each.numpy() for i, each in enumerate(values)}
                inputs |= {GIVEN: np.array(len(given))} if GIVEN in graph.inputs else {}
                inputs |= {} if labels is None else {LABELS: labels.numpy()}
                found = graph.run(**inputs)
                differences.append(("levels", float((levels - torch.from_numpy(found["levels"])).abs().max())))
                equal.append(np.mean(pictures == found["pictures"]))
        return self._proof(differences, {"levels": LEVEL_TOLERANCE}, float(np.mean(equal)))

    def _proof_of_prior(self, graph: Graph) -> Proof:
        differences = []
        for number, images in enumerate(self._batches()):
            count = len(images)
            noise = self._noise(count, SEED + number)[0]
            chance, labels = torch.linspace(0, 1, count), self._labels(count)
            expected = self._prior(noise, chance, labels if self.model.classes else None)
            inputs = {NOISE: noise, CHANCE: chance, LABELS: labels}
            found = graph.run(**{name: inputs[name].numpy() for name in graph.inputs})
            differences.append(("latents", _relative(expected, found["latent.0"])))
        return self._proof(differences, {"latents": LATENT_TOLERANCE})

    def _proof(
        self, differences: list[tuple[str, float]], tolerance: dict[str, float], equal: float | None = None
    ) -> Proof:
        pictures = self._pictures
        return Proof(len(pictures), pictures.source, largest(differences), tolerance, equal)


def _posterior(latent: Latent) -> Normal:
    assert latent.posterior
    return latent.posterior


def _axes(shape: Sequence[int]) -> tuple[str | None, ...]:
    return ("batch", *[None] * len(shape))


def _relative(expected: Tensor, found: np.ndarray) -> float:
    """The largest difference relative to the largest value, or to 1."""
    return float((expected - torch.from_numpy(found)).abs().max()) / max(1.0, float(expected.abs().max()))
