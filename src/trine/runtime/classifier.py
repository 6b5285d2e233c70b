"""A classifier at work without torch: pictures in, labels with calibrated probabilities out."""

import numpy as np

from trine.annotations import Float, UInt8, override
from trine.classify.predictor import Predictor, unlike_from
from trine.pictures.reading import Reading
from trine.runtime.exported import ExportedBundle

PIXELS = 64 * 32 * 32
"""Pixels that are computed together, not counting test-time views: 64 pictures of CIFAR-10's size."""


class ExportedClassifier(Predictor):
    """`predict` and `predict_stream` answer as those of `trine.Classifier`: labels, probabilities, abstentions."""

    def __init__(self, exported: ExportedBundle) -> None:
        content = exported.content
        self.classes, self.size, self.channels = tuple(content["classes"]), content["size"], content["channels"]
        self.reading, self.threshold = Reading.from_json(content.get("reading")), content["threshold"]
        self._unlike = unlike_from(exported.arrays("novelty.cut").get("novelty.cut"))
        self._graph = exported.graph("model")

    @property
    @override
    def unlike(self) -> float:
        return self._unlike

    @override
    def answers(
        self, images: UInt8[np.ndarray, "n height width channels"]
    ) -> tuple[Float[np.ndarray, "n classes"], Float[np.ndarray, "n"]]:
        together = max(1, PIXELS // (self.size * self.size))
        starts = range(0, len(images), together)
        parts = [self._graph.run(pictures=images[i : i + together], views=np.array(True)) for i in starts]
        probabilities, typicality = ([part[name] for part in parts] for name in ("probabilities", "typicality"))
        return np.concatenate(probabilities), np.concatenate(typicality)
