"""The estimator of classify: pictures in, labels with honest probabilities out."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from trine import files
from trine.bundle import Manifest, part
from trine.classify import report
from trine.classify.calibration import Novelty, abstain_threshold, fit_temperature
from trine.classify.network import SMALLEST, ClassicNet, FastNet, PictureNet
from trine.classify.objective import PREPARED, ClassifyObjective, HeadObjective, predict_logits
from trine.classify.pretrained import PretrainedNet
from trine.classify.recipe import ClassifyRecipe
from trine.datasets.catalogue import CATALOGUE
from trine.errors import DataError, nearest
from trine.nn.efficientnet import NATIVE
from trine.pictures.check import refuse_unlearnable
from trine.pictures.decode import as_channels, read_picture
from trine.pictures.picture_set import PictureSet, PictureSplit, open_pictures
from trine.progress import Reporter
from trine.result import Data
from trine.train.budget import Budget
from trine.train.estimator import Estimator, Judgement
from trine.train.loop import Training
from trine.train.objective import Objective
from trine.train.run import Run

NAMED = 20
"""Skipped files that are named before a training; the rest is counted."""
NOVEL = 0.01
"""A picture less typical than this share of the held-out ones is unlike the training pictures."""


@dataclass(frozen=True)
class Prediction:
    """What the classifier says of one picture."""

    path: str
    label: str = ""
    probability: float = 0.0
    top: tuple[tuple[str, float], ...] = ()
    """The five likeliest classes."""
    typicality: float = 0.0
    """p-value against pictures like those it was trained on; small means unlike them."""
    abstain: bool = True
    """Whether the answer had better not be used."""
    error: str | None = None
    """Why the picture could not be read."""

    def as_json(self) -> dict[str, Any]:
        """The prediction as a JSON object."""
        fields = asdict(self)
        return {
            name: fields[name] for name in (("path", "error") if self.error else [n for n in fields if n != "error"])
        }


class Classifier(Estimator[ClassifyRecipe, PictureSet]):
    """Says what a picture shows.

    >>> model = Classifier(effort="quick").fit("photos/", minutes=10)
    >>> model.predict(["cat.jpg"])[0].label
    """

    task: ClassVar[str] = "classify"
    recipe_type: ClassVar[type[ClassifyRecipe]] = ClassifyRecipe

    classes: tuple[str, ...] = ()
    size: int = 32
    channels: int = 3
    temperature: float = 1.0
    threshold: float = 0.0
    model: PictureNet
    novelty: Novelty

    # ---- fit

    def open(self, data: str | Path, data_dir: Path | None, recipe: ClassifyRecipe) -> PictureSet:
        """The picture set, at the model's size once it has one; before a training, fit to learn from."""
        if self.classes:
            return self._opened(data, data_dir, recipe, self.size)
        opened = self._opened(data, data_dir, recipe, _picture_size(data, recipe))
        if opened.size[0] != opened.size[1]:
            opened = self._opened(data, data_dir, recipe, max(SMALLEST, min(opened.size)))
        return opened

    def remarks(self, opened: PictureSet) -> list[str]:
        """Files that were skipped, and what is odd about the set. Raises `DataError` if it cannot be learned from."""
        odd = refuse_unlearnable(opened)
        if not _is_labelled(opened, "validation"):
            raise DataError(f"{opened.name}: the validation pictures have no classes: put each into its class's folder")
        more = len(opened.skipped) - NAMED
        skipped = [f"skipped, {line}" for line in opened.skipped[:NAMED]]
        return [*skipped, *([f"and {more:,} more files skipped"] if more > 0 else []), *odd]

    def _opened(self, data: str | Path, data_dir: Path | None, recipe: ClassifyRecipe, size: int | None) -> PictureSet:
        share, limit = recipe.validation_share, recipe.validation_limit
        return open_pictures(
            data, data_dir=data_dir, size=size, seed=recipe.seed, validation_share=share, validation_limit=limit
        )

    def describe(self, opened: PictureSet) -> dict[str, Any]:
        """Name, fingerprint and counts."""
        counts = {name: len(split.images) for name, split in opened.splits.items()}
        return {"name": opened.name, "fingerprint": opened.fingerprint, "splits": counts}

    def objective(self, opened: PictureSet, recipe: ClassifyRecipe) -> Objective:
        """A new network, prepared on some training pictures."""
        self.classes, self.size, self.channels = opened.classes, opened.size[0], opened.channels
        torch.manual_seed(recipe.seed)
        self.model = self._network()
        self.model.prepare(torch.from_numpy(_some(opened.splits["train"]).images))
        frozen = isinstance(self.model, PretrainedNet) and not self.model.trained
        return (HeadObjective if frozen else ClassifyObjective)(self.model, recipe, opened, self.device)

    def scaled(self, opened: PictureSet, budget: Budget, report: Reporter) -> ClassifyRecipe:
        """The preset's shape for the compute that fits into the time; the measured rate is said by the forecast."""
        if self.recipe.network != "fast":
            return self.recipe
        training = Training(self.objective(opened, self.recipe), Run(Path()), self.device)
        seconds, flops = training.measure_step(2.0)
        pflop = flops / seconds * budget.left / 1e15
        train = opened.splits["train"].images
        share = train[..., 0].size / (50_000 * 32 * 32)
        return self.recipe.for_compute(pflop, max(share, 0.02))

    def settle(self, opened: PictureSet, model: nn.Module, report: Reporter) -> None:
        """Temperature, abstain threshold and the reference of typical pictures, from the validation split."""
        if isinstance(model, PictureNet):
            self.model = model
        else:  # the last layer alone was trained
            self.model.head.load_state_dict(model.state_dict())
        held_out, some = opened.splits["validation"], _some(opened.splits["train"])
        logits, labels = self.logits(held_out.images, tta=True), _labels(held_out)
        self.temperature = files.rounded(fit_temperature(logits, labels))
        confidence = torch.softmax(logits.double() / self.temperature, 1).amax(1).numpy()
        correct = (logits.argmax(1) == labels).numpy()
        self.threshold = files.rounded(abstain_threshold(confidence, correct, self.recipe.selective_accuracy))
        self.novelty = Novelty.fit(self.logits(some.images), _labels(some), logits)

    # ---- judge

    def judge(self, opened: PictureSet, split: str | None = None) -> Judgement:
        """Accuracy with and without averaging, calibration, errors; by default on test, else validation, else train.

        Raises `DataError` for classes it does not know.
        """
        labelled = [name for name in ("test", "validation", "train") if _is_labelled(opened, name)]
        if not labelled or (split and split not in labelled):
            kind = f"labelled split {split!r}" if split else "labelled split"
            meant = nearest(split or "", labelled)
            raise DataError(f"{opened.name}: has no {kind}: it has {', '.join(labelled) or 'no labels'}{meant}")
        name = split or labelled[0]
        chosen = opened.splits[name]
        images = as_channels(chosen.images, self.channels)
        averaged = self.logits(images, tta=True)
        said = report.Answers(
            plain=self.logits(images),
            averaged=averaged,
            labels=self._own_labels(opened, chosen),
            temperature=self.temperature,
            threshold=self.threshold,
            novelty=self.novelty.p_value(averaged),
        )
        data = Data(name=opened.name, fingerprint=opened.fingerprint, split=name, n=len(images))
        return Judgement(data, report.metrics(said, self.classes), report.pictures(said, self.classes, images))

    # ---- use

    def predict(self, paths: Sequence[str | Path]) -> list[Prediction]:
        """What each picture shows; a file that cannot be read has its `error` set."""
        return list(self.predict_stream(paths))

    def predict_stream(self, paths: Sequence[str | Path], batch: int = 64) -> Iterator[Prediction]:
        """`predict`, a batch at a time: memory stays flat however many pictures there are."""
        for start in range(0, len(paths), batch):
            read = [_read(Path(path), self.size, self.channels) for path in paths[start : start + batch]]
            images = [image for image in read if not isinstance(image, str)]
            found = iter(self._predict(np.stack(images)) if images else [])
            for path, image in zip(paths[start : start + batch], read, strict=True):
                yield (
                    Prediction(str(path), error=image)
                    if isinstance(image, str)
                    else Prediction(str(path), **next(found))
                )

    def logits(
        self, images: UInt8[np.ndarray, "n height width channels"], tta: bool = False
    ) -> Float[Tensor, "n classes"]:
        """Logits of pictures at the model's size; with `tta` the weighted mean over their test-time views."""
        flip = self.recipe.flip in ("alternating", "random") or (self.recipe.flip == "auto" and self.channels == 3)
        return predict_logits(self.model, images, self.device, tta, flip)

    def _predict(self, images: UInt8[np.ndarray, "n height width channels"]) -> Iterator[dict[str, Any]]:
        logits = self.logits(images, tta=True)
        probabilities = torch.softmax(logits.double() / self.temperature, 1)
        typicality = self.novelty.p_value(logits)
        best = probabilities.topk(min(5, len(self.classes)))
        for values, indices, typical in zip(
            best.values.tolist(), best.indices.tolist(), typicality.tolist(), strict=True
        ):
            top = tuple((self.classes[index], value) for index, value in zip(indices, values, strict=True))
            abstain = values[0] < self.threshold or typical < NOVEL
            yield {"label": top[0][0], "probability": top[0][1], "top": top, "typicality": typical, "abstain": abstain}

    # ---- bundle

    def content(self) -> dict[str, Any]:
        """Labels, thresholds and the shape of pictures."""
        return {
            "classes": list(self.classes),
            "size": self.size,
            "channels": self.channels,
            "temperature": self.temperature,
            "threshold": self.threshold,
        }

    def tensors(self) -> dict[str, Tensor]:
        """The network's weights and what novelty needs."""
        parts = {"network": self.model.state_dict(), "novelty": self.novelty.state()}
        return {f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()}

    def restore(self, manifest: Manifest, tensors: dict[str, Tensor]) -> None:
        """Rebuild the network of a bundle."""
        content = manifest.content
        self.classes, self.size, self.channels = tuple(content["classes"]), content["size"], content["channels"]
        self.temperature, self.threshold = content["temperature"], content["threshold"]
        self.model = self._network()
        self.model.load_state_dict(part(tensors, "network"))
        self.model.to(self.device.name)
        self.novelty = Novelty(**part(tensors, "novelty"))

    def card(self) -> str:
        """The model card."""
        figures = self.result.model_dump(mode="json") if self.result else {}
        return report.card(self.classes, figures, self.data, self.recipe.model_dump(mode="json"))

    # ---- parts

    def _network(self) -> PictureNet:
        recipe, shape = self.recipe, (self.channels, self.size, len(self.classes))
        if recipe.network == "fast":
            return FastNet(*shape, widths=recipe.widths, depth=recipe.depth)
        if recipe.network == "classic":
            return ClassicNet(*shape, widths=recipe.widths, dropout=recipe.dropout)
        return PretrainedNet(*shape, dropout=recipe.dropout, trained=recipe.finetune_rate > 0)

    def _own_labels(self, opened: PictureSet, split: PictureSplit) -> Tensor:
        """The split's labels as this model numbers its classes: matched by name."""
        unknown = sorted(set(opened.classes) - set(self.classes))
        if unknown:
            raise DataError(
                f"{opened.name}: the model does not know the classes {', '.join(unknown[:5])}: leave them out"
            )
        place = torch.tensor([self.classes.index(name) for name in opened.classes])
        return place[_labels(split)]


def _picture_size(data: str | Path, recipe: ClassifyRecipe) -> int | None:
    """The size to open a set at before a training; named sets and folders for other networks have their own."""
    if recipe.network != "pretrained" or data in CATALOGUE:
        return recipe.picture_size
    return recipe.picture_size or NATIVE


def _is_labelled(opened: PictureSet, split: str) -> bool:
    return split in opened.splits and opened.splits[split].labels is not None


def _some(split: PictureSplit) -> PictureSplit:
    """An even sample of a split, the same every time."""
    chosen = np.linspace(0, len(split.images) - 1, min(PREPARED, len(split.images))).astype(np.int64)
    labels = None if split.labels is None else split.labels[chosen]
    return PictureSplit(np.array(split.images[chosen]), labels, (), split.positions[chosen])


def _labels(split: PictureSplit) -> Tensor:
    return torch.from_numpy(np.array(split.labels, dtype=np.int64))


def _read(path: Path, size: int, channels: int) -> UInt8[np.ndarray, "height width channels"] | str:
    try:
        return read_picture(path, (size, size), channels)
    except DataError as problem:
        return str(problem)
