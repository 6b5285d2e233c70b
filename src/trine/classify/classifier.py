"""A trained classifier: pictures in, labels with calibrated probabilities out."""

from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from typing_extensions import override

from trine.bundle import joined, part
from trine.classify import report
from trine.classify.balance import PRIORS
from trine.classify.calibration import Promise
from trine.classify.evaluation import Answers, cross_validation, metrics
from trine.classify.network import ClassicNet, FastNet, PictureNet
from trine.classify.novelty import Novelty, Seen
from trine.classify.prediction import predict_features, predict_logits, predict_seen
from trine.classify.predictor import Predictor
from trine.classify.pretrained import PretrainedNet
from trine.classify.recipe import ClassifyRecipe
from trine.device import Device
from trine.errors import DataError, RecipeError, nearest
from trine.model import Evaluation, Model
from trine.nn.weights import arrays_of, tensors_of
from trine.pictures.batches import labels_of, mirrors
from trine.pictures.decode import as_channels
from trine.pictures.opening import open_to_evaluate
from trine.pictures.picture_set import ALL, PictureSet, PictureSplit
from trine.pictures.reading import Reading
from trine.result import Data


class Classifier(Predictor, Model[ClassifyRecipe]):
    """Says what a picture shows.

    >>> model = Classifier(effort="quick").fit("photos/", minutes=10)
    >>> model.predict(["cat.jpg"])[0].label
    """

    task: ClassVar[str] = "classify"
    recipe_type: ClassVar[type[ClassifyRecipe]] = ClassifyRecipe

    temperature: float
    """Divisor of the logits that calibrates the probabilities."""
    promise: Promise | None
    """What is shown of the answers from the threshold on; none for models of earlier versions."""
    network: PictureNet
    novelty: Novelty
    margins: Tensor
    """Mean margin of each training picture over the training, for `label_check`; 0: not shown. Older models: empty."""

    @property
    @override
    def unlike(self) -> float:
        return self.novelty.unlike

    @override
    def answers(
        self, images: UInt8[np.ndarray, "n height width channels"]
    ) -> tuple[Float[np.ndarray, "n classes"], Float[np.ndarray, "n"]]:
        seen = self.seen(images)
        probabilities = torch.softmax(seen.logits.double() / self.temperature, 1)
        return probabilities.numpy(), self.novelty.p_value(seen).numpy()

    def logits(
        self, images: UInt8[np.ndarray, "n height width channels"], tta: bool = False
    ) -> Float[Tensor, "n classes"]:
        """Logits of pictures at the model's size; with `tta` the weighted mean over their test-time views."""
        return predict_logits(self.network, images, self.device, tta, mirrors(self.recipe.flip, self.channels))

    def seen(self, images: UInt8[np.ndarray, "n height width channels"]) -> Seen:
        """Look, features, and logits averaged over test-time views, of pictures at the model's size."""
        flip = mirrors(self.recipe.flip, self.channels)
        return predict_seen(self.network, images, self.device, tta=True, flip=flip)

    def features(self, images: UInt8[np.ndarray, "n height width channels"]) -> Float[Tensor, "n features"]:
        """Inputs of the last layer, for pictures at the model's size."""
        return predict_features(self.network, as_channels(images, self.channels), self.device)

    @override
    def open(self, data: str | Path, data_dir: Path | None = None) -> PictureSet:
        """A set to evaluate on: as a whole, but the data of the training is split as in the training."""
        trained_on = self.data.get("fingerprint")
        return open_to_evaluate(self.recipe, data, data_dir, self.size, self.reading, trained_on)

    @override
    def evaluation(self, opened: PictureSet, split: str | None = None, validated: Seen | None = None) -> Evaluation:
        """Figures and pictures: by default on test; else on validation for the data of the training, else on all.

        validated   what `seen` returns for the validation split, if that is known
        """
        name, chosen = self._measured(opened, split)
        images = as_channels(chosen.images, self.channels)
        seen = validated if validated is not None and name == "validation" else self.seen(images)
        answers = self._answers(seen, self.own_labels(opened, chosen))
        data = Data(name=opened.name, fingerprint=opened.fingerprint, split=name, n=len(images))
        figures = {**metrics(answers, self.classes), "prior": PRIORS[self.recipe.balance]}
        if name == "validation" and self.promise and opened.fingerprint == self.data.get("fingerprint"):
            figures |= cross_validation(self.promise)
        return Evaluation(data, figures, report.pictures(answers, self.classes, images))

    @override
    def content(self) -> dict[str, Any]:
        return {
            "classes": list(self.classes),
            "size": self.size,
            "channels": self.channels,
            "reading": self.reading.as_json(),
            "temperature": self.temperature,
            "threshold": self.threshold,
            **({"promise": asdict(self.promise)} if self.promise else {}),
        }

    @override
    def arrays(self) -> dict[str, np.ndarray]:
        labels = {"margins": self.margins}
        parts = {"network": self.network.state_dict(), "novelty": self.novelty.state(), "labels": labels}
        return arrays_of(joined(parts))

    @override
    @classmethod
    def parts(
        cls, recipe: ClassifyRecipe, content: dict[str, Any], arrays: dict[str, np.ndarray], device: Device
    ) -> dict[str, Any]:
        classes, size, channels = tuple(content["classes"]), content["size"], content["channels"]
        tensors = tensors_of(arrays)
        network = build_network(recipe, channels, size, len(classes))
        network.load_state_dict(part(tensors, "network"))
        return {
            "classes": classes,
            "size": size,
            "channels": channels,
            "reading": Reading.from_json(content.get("reading")),
            "temperature": content["temperature"],
            "threshold": content["threshold"],
            "promise": Promise(**content["promise"]) if "promise" in content else None,
            "network": network.to(device.name).eval(),
            "novelty": Novelty(**part(tensors, "novelty")),
            "margins": part(tensors, "labels").get("margins", torch.zeros(0)),
        }

    @override
    def card(self) -> str:
        figures = self.result.model_dump(mode="json") if self.result else {}
        return report.card(self.classes, figures, self.data, self.recipe.model_dump(mode="json"), self.promise)

    def _answers(self, seen: Seen, labels: Tensor) -> Answers:
        with torch.inference_mode():  # the first view is the picture itself
            plain = self.network.logits(seen.features.to(self.device.name)).float().cpu()
        return Answers(
            plain=plain,
            averaged=seen.logits,
            labels=labels,
            temperature=self.temperature,
            threshold=self.threshold,
            novelty=self.novelty.p_value(seen),
            unlike=self.novelty.unlike,
            promised=self.promise.accuracy if self.promise else None,
        )

    def _measured(self, opened: PictureSet, split: str | None) -> tuple[str, PictureSplit]:
        """The labelled split of that name, or the one to measure on. Raises `DataError`."""
        labelled = [name for name in ("test", "validation", "train") if opened.is_labelled(name)]
        if not labelled or (split and split not in (*labelled, ALL)):
            kind = f"labelled split {split!r}" if split else "labelled split"
            meant = nearest(split or "", labelled)
            there = ", ".join([*labelled, ALL]) if labelled else "no labels"
            raise DataError(f"{opened.name}: has no {kind}: it has {there}{meant}")
        learned = opened.fingerprint == self.data.get("fingerprint")
        name = split or (labelled[0] if learned or labelled[0] == "test" else ALL)
        return name, opened.joined(labelled) if name == ALL else opened.splits[name]

    def own_labels(self, opened: PictureSet, split: PictureSplit) -> Tensor:
        """The split's labels as indices of this model's classes, matched by name. Raises `DataError`."""
        unknown = sorted(set(opened.classes) - set(self.classes))
        if unknown:
            raise DataError(
                f"{opened.name}: the model does not know the classes {', '.join(unknown[:5])}: leave them out"
            )
        own = torch.tensor([self.classes.index(name) for name in opened.classes])
        return own[labels_of(split)]


def build_network(recipe: ClassifyRecipe, channels: int, size: int, classes: int) -> PictureNet:
    """A new network for pictures of this size, its weights random."""
    shape = (channels, size, classes)
    if recipe.network == "fast":
        return FastNet(*shape, widths=recipe.widths, depth=recipe.depth, stride=recipe.stem_stride)
    if recipe.network == "classic":
        return ClassicNet(*shape, widths=recipe.widths, dropout=recipe.dropout)
    if recipe.network == "auto":
        raise RecipeError("network=auto is not a network: fit chooses one; set network to fast, classic or pretrained")
    return PretrainedNet(*shape, dropout=recipe.dropout, trained=recipe.finetune_rate > 0)
