"""A classifier as a graph: decoded pictures in, calibrated probabilities and typicality out.

- `model` takes pictures of any size; whether test-time views are averaged is an input.
- `maps` gives the feature maps of every layer. They stand in a graph of their own: onnxruntime computes every output of
  a graph, and cannot merge layers whose results are outputs.
"""

import copy
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from onnx import ModelProto, numpy_helper
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from typing_extensions import override

from trine.classify.classifier import Classifier
from trine.classify.explain import feature_maps
from trine.classify.look import look
from trine.classify.network import ConvBlock, FastNet, PictureNet, Pixels
from trine.classify.novelty import Novelty, Seen
from trine.classify.prediction import predict_seen
from trine.classify.pretrained import PretrainedNet
from trine.errors import ExportError
from trine.export import quantise
from trine.export.exporter import EIGHT_BIT, LEAST_INPUTS, EightBit, Exporter, Proof, largest
from trine.export.framing import framing, pixels_of_views
from trine.export.graph import joined, marked, traced, without_ignored_edges
from trine.export.real_inputs import RealPictures, held_out_pictures, photographs, training_data
from trine.graphs import Graph
from trine.nn.efficientnet import fused
from trine.pictures.batches import evenly, mirrors
from trine.pictures.decode import resize
from trine.pictures.reading import Reading

CALIBRATION, MOST = 512, 2_000
"""Most held-out pictures that graph and network are compared on and 8-bit ranges are calibrated on; and most that the
accuracy of 8-bit numbers is measured on."""
BATCH = 64
"""Pictures that are compared together."""
TOLERANCE = {"probabilities": 1e-5, "logits": 1e-3}
"""Largest differences that are accepted; rounding of single precision alone gives 3e-7 and 1e-5."""
RESIZED = ((1.5, 1.5), (1.31, 2.0), (2.0, 1.31), (3.0, 2.9), (0.7, 0.9), (1.0, 1.9))
"""Heights and widths of pictures of other sizes, relative to the model's."""
RESIZED_EACH = 16
"""Pictures per other size."""
SQUASHED = Reading(fit="squash")
"""How pictures of other sizes are made."""
RESIZED_EQUAL = 0.95
"""Smallest share of equal decisions on resized pictures that is accepted: one level may differ in a few pixels."""


class WholeClassifier(nn.Module):
    """From pictures in their views to all answers."""

    def __init__(self, network: PictureNet, novelty: Novelty, temperature: float) -> None:
        super().__init__()
        self.network, self.novelty, self.temperature = network, novelty, temperature

    def forward(
        self, shown: UInt8[Tensor, "batch views height width channels"], weights: Float[Tensor, "views"]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Probabilities, logits, typicality."""
        batch, views = shown.shape[:2]
        features = self.network.features(shown.flatten(0, 1))
        each = self.network.logits(features).view(batch, views, -1)
        logits = (each * weights[:, None]).sum(1)
        first = features.view(batch, views, -1)[:, 0]
        typicality = self.novelty.p_value(Seen(look(shown[:, 0]), first, logits))
        return torch.softmax(logits / self.temperature, 1), logits, typicality


class LayerMaps(nn.Module):
    """From pictures to the maps of every layer, and the weights of the last layer, which weigh its maps in Grad-CAM."""

    def __init__(self, network: PictureNet) -> None:
        super().__init__()
        self.network = network

    def forward(
        self, shown: UInt8[Tensor, "batch views height width channels"], weights: Float[Tensor, "views"]
    ) -> tuple[Tensor, ...]:
        """Maps of each layer, then the weights of the last linear layer."""
        maps: list[Tensor] = []
        layers = self.network.layers().values()
        handles = [layer.register_forward_hook(lambda _m, _i, output: maps.append(output)) for layer in layers]
        try:
            self.network.features(shown[:, 0])
        finally:
            for handle in handles:
                handle.remove()
        return (*maps, self.network.head.weight * weights.sum())


class ClassifierExporter(Exporter[Classifier]):
    """Graphs of a classifier."""

    @override
    def graphs(self) -> dict[str, ModelProto]:
        model = self.model
        flip, size = mirrors(model.recipe.flip, model.channels), model.size
        views = pixels_of_views(size, flip, model.network.view_shift)
        before = framing(size, model.channels, model.reading.fit, views)
        shape = (size, size, model.channels)
        inputs = {
            "shown": (torch.zeros(3, 2, *shape, dtype=torch.uint8), ("batch", "views", None, None, None)),
            "weights": (torch.ones(2), ("views",)),
        }
        whole = WholeClassifier(for_inference(model.network), model.novelty, model.temperature)
        axes = ("batch", None)
        answers = {"probabilities": axes, "logits": axes, "typicality": ("batch",)}
        layers = LayerMaps(model.network)
        maps = {map_name(name): ("batch", None, None, None) for name in model.network.layers()}
        return {
            "model": joined(before, without_ignored_edges(traced(whole, inputs, answers))),
            "maps": _without_views(joined(before, traced(layers, inputs, {**maps, "head_weights": (None, None)}))),
        }

    @override
    def proofs(self, graphs: Mapping[str, Graph]) -> dict[str, Proof]:
        return {"model": self._proof(graphs["model"]), "maps": self._proof_of_maps(graphs["maps"])}

    @override
    def check_eight_bit(self) -> None:
        if self._pictures.labels is None:
            raise ExportError(
                "--int8: the labelled pictures that the model was trained on are not at hand: name them with --data"
            )

    @override
    def eight_bit(self, graphs: Mapping[str, ModelProto], folder: Path, weights: str) -> EightBit:
        pictures, graph = self._pictures, graphs["model"]
        chosen = pictures.images[evenly(len(pictures), CALIBRATION)]
        inputs = ({"pictures": batch, "views": np.array(False)} for batch in _batches(chosen))
        name = f"model{EIGHT_BIT}"
        small = marked(quantise.of_convolutions(graph, inputs, folder), name, weights)
        contents = graph.SerializeToString(), small.SerializeToString()
        both = [Graph(content, each, weights, each, 1) for content, each in zip(contents, ("model", name), strict=True)]
        whole, eight = (self._accuracy(each, pictures) for each in both)
        timed = {"pictures": np.resize(pictures.images, (BATCH, *pictures.images.shape[1:])), "views": np.array(False)}
        rates = [quantise.per_second(lambda one=each: one.run(**timed), BATCH) for each in both]  # type: ignore[misc]
        figures = quantise.compared("accuracy", whole, eight, contents, rates)
        figures |= {"inputs": len(pictures), "calibrated_on": len(chosen), "source": pictures.source}
        return EightBit({"model": small}, figures, quantise.refusal("accuracy", whole, eight))

    @cached_property
    def _pictures(self) -> RealPictures:
        """Held-out pictures, else photographs."""
        model = self.model
        if (data := training_data(model, self.data, self.data_dir)) is None:
            return photographs(model.size, model.channels, LEAST_INPUTS)
        opened = model.open(data, self.data_dir)
        real = held_out_pictures(opened, model.channels, MOST, LEAST_INPUTS)
        if real.labels is None or set(opened.classes) - set(model.classes):
            return RealPictures(real.images, None, real.source)
        own = np.array([model.classes.index(name) for name in opened.classes])
        return RealPictures(real.images, own[real.labels], real.source)

    @property
    def _compared(self) -> UInt8[np.ndarray, "n height width channels"]:
        """The pictures that graph and network are compared on."""
        images = self._pictures.images
        return np.asarray(images[evenly(len(images), CALIBRATION)])

    def answers(self, images: UInt8[np.ndarray, "n height width channels"], views: bool) -> dict[str, np.ndarray]:
        """The network's own answers."""
        model, flip = self.model, mirrors(self.model.recipe.flip, self.model.channels)
        seen = predict_seen(model.network, images, model.device, tta=views, flip=flip)
        probabilities = torch.softmax(seen.logits.double() / model.temperature, 1)
        answers = {"probabilities": probabilities, "logits": seen.logits, "typicality": model.novelty.p_value(seen)}
        return {name: value.numpy() for name, value in answers.items()}

    def _decisions(self, answers: Mapping[str, np.ndarray]) -> np.ndarray:
        """Index of each label, and whether the classifier abstains."""
        probabilities, typicality = answers["probabilities"], answers["typicality"]
        abstains = (probabilities.max(1) < self.model.threshold) | (typicality < self.model.novelty.unlike)
        return np.stack([probabilities.argmax(1), abstains], 1)

    def _accuracy(self, graph: Graph, pictures: RealPictures) -> float:
        """Share of right answers, views averaged."""
        found = [graph.run(pictures=batch, views=np.array(True))["logits"] for batch in _batches(pictures.images)]
        return float((np.concatenate(found).argmax(1) == pictures.labels).mean())

    def _proof(self, graph: Graph) -> Proof:
        images = self._compared
        differences: list[tuple[str, float]] = []
        equal: list[np.ndarray] = []
        for views in (True, False):
            for batch in _batches(images):
                expected, found = self.answers(batch, views), graph.run(pictures=batch, views=np.array(views))
                differences += [(name, float(np.abs(expected[name] - found[name]).max())) for name in expected]
                equal.append((self._decisions(expected) == self._decisions(found)).all(1))
        resized = list(self._resized())
        further = self._compared_resized(graph, resized)
        step = 1 / (len(self.model.novelty.reference) + 1)
        return Proof(
            inputs=len(images),
            source=self._pictures.source,
            largest_difference=largest(differences),
            tolerance={**TOLERANCE, "typicality": 2 * step + 1e-4},  # a score may fall into the next quantile
            equal_decisions=float(np.concatenate(equal).mean()),
            further={"resized": further},
        )

    def _resized(self) -> Iterator[np.ndarray]:
        """Pictures of other sizes, which the graph was not traced with."""
        images, size = self._compared, self.model.size
        for number, (down, across) in enumerate(RESIZED):
            some = images[number * RESIZED_EACH : (number + 1) * RESIZED_EACH]
            if len(some):
                yield resize(some, (max(8, round(down * size)), max(8, round(across * size))), SQUASHED)

    def _compared_resized(self, graph: Graph, resized: list[np.ndarray]) -> dict[str, Any]:
        """Resizing in the graph beside Pillow's. Raises `ExportError` where too many decisions differ."""
        equal, difference = [], 0.0
        for images in resized:
            square = resize(images, (self.model.size, self.model.size), self.model.reading)
            expected, found = self.answers(square, True), graph.run(pictures=images, views=np.array(True))
            equal.append((self._decisions(expected) == self._decisions(found)).all(1))
            difference = max(
                difference, float(np.abs(expected["probabilities"] - found["probabilities"]).max(initial=0))
            )
        share = float(np.concatenate(equal).mean())
        if share < RESIZED_EQUAL:
            raise ExportError(
                f"model.onnx resizes otherwise than Pillow: {100 * share:.1f} % of {sum(map(len, equal))} decisions "
                f"are equal, accepted are {100 * RESIZED_EQUAL:g} %: nothing is written"
            )
        return {"inputs": sum(map(len, equal)), "equal_decisions": share, "largest_difference": difference}

    def _proof_of_maps(self, graph: Graph) -> Proof:
        network, differences = copy.deepcopy(self.model.network), []
        images = self._compared[:8]
        found = graph.run(pictures=images)
        for index in range(len(images)):
            for name, maps in feature_maps(network, torch.from_numpy(images[index : index + 1].copy())).items():
                scale = max(1.0, float(maps.abs().max()))
                differences.append(("maps", float(np.abs(maps.numpy() - found[map_name(name)][index]).max()) / scale))
        weights = np.abs(self.model.network.head.weight.detach().numpy() - found["head_weights"]).max()
        return Proof(
            inputs=len(images),
            source=self._pictures.source,
            largest_difference=largest([*differences, ("head_weights", float(weights))]),
            tolerance={"maps": 1e-4, "head_weights": 1e-6},
        )


def _batches(images: UInt8[np.ndarray, "n height width channels"]) -> Iterator[np.ndarray]:
    return (images[start : start + BATCH] for start in range(0, len(images), BATCH))


def map_name(layer: str) -> str:
    """Name of the output that holds a layer's maps."""
    return f"maps/{layer}"


class Planes(nn.Module):
    """8-bit levels as they are, channels first."""

    def forward(self, images: UInt8[Tensor, "batch height width channels"]) -> Float[Tensor, "batch channels h w"]:
        """Levels from 0 to 255."""
        return images.permute(0, 3, 1, 2).float()


class NormalisedPlanes(nn.Module):
    """The normalisation of `Pixels` after the channels are put first, where onnxruntime computes it faster."""

    def __init__(self, pixels: Pixels) -> None:
        super().__init__()
        self.register_buffer("mean", pixels.mean[:, None, None])
        self.register_buffer("deviation", pixels.deviation[:, None, None])

    mean: Tensor
    deviation: Tensor

    def forward(self, images: UInt8[Tensor, "batch height width channels"]) -> Float[Tensor, "batch channels h w"]:
        """Normalised pictures."""
        return (images.permute(0, 3, 1, 2).float() - self.mean) / self.deviation


def for_inference(network: PictureNet) -> PictureNet:
    """A copy whose normalisations are folded into convolutions, where they can be."""
    folded = copy.deepcopy(network).eval().requires_grad_(False)
    if isinstance(folded, PretrainedNet):
        fused(folded.network)
    if isinstance(folded, FastNet):
        for block in folded.blocks:
            assert isinstance(block, ConvBlock)
            _fold_norms(block)
        _fold_pixels(folded)
    else:
        folded.pixels = NormalisedPlanes(folded.pixels)  # type: ignore[assignment]
    return folded


def _fold_pixels(network: FastNet) -> None:
    """Fold the normalisation of pixels into the stem, which has no padding."""
    stem, pixels = network.stem, network.pixels
    scaled = stem.filters.double() / pixels.deviation.double()[:, None, None]
    stem.bias.copy_(stem.bias.double() - (scaled * pixels.mean.double()[:, None, None]).sum((1, 2, 3)))
    stem.filters.copy_(scaled)
    network.pixels = Planes()  # type: ignore[assignment]


def _fold_norms(block: ConvBlock) -> None:
    """Fold each norm into its convolution, past the pooling between them: scales are positive, and keep the order."""
    convolution = 0
    for index, part in enumerate(block):
        if isinstance(part, nn.Conv2d):
            convolution = index
        elif isinstance(part, nn.BatchNorm2d):
            block[convolution] = fuse_conv_bn_eval(block[convolution], part)  # type: ignore[type-var]
            block[index] = nn.Identity()


def _without_views(model: ModelProto) -> ModelProto:
    """The graph without the input for test-time views, which are off."""
    (views,) = (value for value in model.graph.input if value.name == "views")
    model.graph.input.remove(views)
    model.graph.initializer.append(numpy_helper.from_array(np.array(False), "views"))
    return model
