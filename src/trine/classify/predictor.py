"""From pictures in any form to predictions, whatever computes the answers: a network, or its graph without torch."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from trine.annotations import Float, UInt8
from trine.errors import DataError
from trine.pictures.decode import Picture, read_picture
from trine.pictures.given import as_list, picture_name
from trine.pictures.reading import Reading

NOVEL = 0.01
"""p-value below which a picture counts as unlike the training pictures, where the model has none of its own."""
MOST_PROBABLE = 5
"""Number of classes that a prediction names."""


@dataclass(frozen=True)
class Prediction:
    """The classifier's answer for one picture."""

    path: str
    """The path, or the name of a picture that was not given as a path: `picture 1` and so on."""
    label: str = ""
    probability: float = 0.0
    """Calibrated probability of the label."""
    top: tuple[tuple[str, float], ...] = ()
    """The five most probable classes."""
    typicality: float = 0.0
    """p-value against held-out pictures of the training set; small means unlike them."""
    abstain: bool = True
    """Whether the answer should not be used: not sure enough, or not typical enough."""
    error: str | None = None
    """Why the picture cannot be read."""

    def as_json(self) -> dict[str, Any]:
        """A JSON object: path and error of an unreadable picture, else all fields but the error."""
        fields = asdict(self)
        return {
            name: fields[name] for name in (("path", "error") if self.error else [n for n in fields if n != "error"])
        }


class Predictor(ABC):
    """Reads pictures and turns the answers to them into predictions."""

    classes: tuple[str, ...]
    size: int
    """Side of the square that pictures are scaled to, in pixels."""
    channels: int
    """1 for grey pictures, 3 for colour."""
    reading: Reading
    """How pictures become pixels, as in the training."""
    threshold: float
    """Probability below which the classifier abstains."""

    @property
    @abstractmethod
    def unlike(self) -> float:
        """p-value below which a picture counts as unlike the training pictures."""

    @abstractmethod
    def answers(
        self, images: UInt8[np.ndarray, "n height width channels"]
    ) -> tuple[Float[np.ndarray, "n classes"], Float[np.ndarray, "n"]]:
        """Calibrated probabilities and typicality of pictures at the model's size, averaged over test-time views.

        images   uint8 levels of shape (n, size, size, channels)
        Returns probabilities of shape (n, classes), which sum to 1, and p-values of shape (n,).
        """

    def predict(self, pictures: Picture | Sequence[Picture]) -> list[Prediction]:
        """Answers for pictures, or for a single one: paths, bytes, file objects, PIL images or uint8 arrays.

        An array has the uint8 levels of one picture of any size: (height, width) or (height, width, channels). The
        answer to a picture that cannot be read has its `error` set. Raises `UsageError` for what is no list of these.
        """
        return list(self.predict_stream(pictures))

    def predict_stream(
        self, pictures: Picture | Sequence[Picture], batch: int = 64, names: Sequence[str] = ()
    ) -> Iterator[Prediction]:
        """`predict` batch by batch: memory does not grow with the number of pictures.

        names   what the answers call the pictures; without, their paths
        """
        listed = as_list(pictures)
        return self._predict_listed(listed, batch, names or [picture_name(each, n) for n, each in enumerate(listed, 1)])

    def _predict_listed(self, pictures: Sequence[Picture], batch: int, called: Sequence[str]) -> Iterator[Prediction]:
        for start in range(0, len(pictures), batch):
            given, names = pictures[start : start + batch], called[start : start + batch]
            read = [self._read(picture, name) for picture, name in zip(given, names, strict=True)]
            images = [image for image in read if not isinstance(image, str)]
            answers = iter(self._predict(np.stack(images)) if images else [])
            for name, image in zip(names, read, strict=True):
                error = image if isinstance(image, str) else None
                yield Prediction(name, error=error) if error else Prediction(name, **next(answers))

    def _read(self, picture: Picture, name: str) -> UInt8[np.ndarray, "height width channels"] | str:
        """The picture's pixels, or why it cannot be read."""
        try:
            return read_picture(picture, (self.size, self.size), self.channels, name, self.reading)
        except DataError as problem:
            return str(problem)

    def _predict(self, images: UInt8[np.ndarray, "n height width channels"]) -> Iterator[dict[str, Any]]:
        probabilities, typicality = self.answers(images)
        order = np.argsort(-probabilities, 1, kind="stable")[:, :MOST_PROBABLE]
        best = np.take_along_axis(probabilities, order, 1)
        for values, indices, typical in zip(best.tolist(), order.tolist(), typicality.tolist(), strict=True):
            top = tuple((self.classes[index], value) for index, value in zip(indices, values, strict=True))
            abstain = values[0] < self.threshold or typical < self.unlike
            yield {"label": top[0][0], "probability": top[0][1], "top": top, "typicality": typical, "abstain": abstain}


def unlike_from(cut: Float[np.ndarray, ""] | None) -> float:
    """`Predictor.unlike` from what a model has learned of it; None for models of earlier versions."""
    return NOVEL if cut is None else round(float(cut), 6)
