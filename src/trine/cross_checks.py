"""Checks of a generator by a classifier: the accuracy score, and a classifier's features as a feature space.

The tasks' rooms do not import each other. What needs two tasks is here.
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from trine.classify.classifier import Classifier
from trine.errors import UsageError
from trine.generate.generator import Generator
from trine.generate.labelled import write_labelled
from trine.measures.realism import Features
from trine.pictures.picture_set import PictureSet

CONTROL = 5
"""The control is trained on one picture in this many: its accuracy is that of chance, whatever their number."""


def classifier_features(path: str | Path, size: tuple[int, int]) -> Features:
    """A feature space for pictures of this height and width in pixels: the inputs of a classifier's last layer.

    path   the classifier's bundle or run folder
    Raises `UsageError` for a classifier of another picture size, `BundleError` for a path without a classifier.
    """
    classifier = Classifier.load(path)
    if (classifier.size, classifier.size) != size:
        side, (height, width) = classifier.size, size
        raise UsageError(f"{path}: takes pictures of {side}×{side} pixels, but generated ones have {width}×{height}")
    return classifier.features


def accuracy_score(
    model: Generator,
    opened: PictureSet,
    count: int = 50_000,
    note: Callable[[str], None] = lambda line: None,
    **settings: Any,
) -> dict[str, float]:
    """Accuracy on real test pictures of a classifier that is trained on generated pictures (Ravuri and Vinyals, 2019).

    The control is a second classifier, trained on a fifth of the pictures with shuffled labels.

    opened     the real pictures, with a test split
    count      number of generated training pictures
    note       called with a line before each training
    settings   changes of the classifier's `quick` recipe
    Raises `UsageError` for a model without labels, `DataError` for a set of other classes or without a test split.
    """
    scores = {}
    with TemporaryDirectory(prefix="trine-") as folder:
        for name, n in (("accuracy_score", count), ("accuracy_score_shuffled", max(1, count // CONTROL))):
            note(f"{name}: a classifier learns {n:,} generated pictures")
            data = write_labelled(model, opened, n, Path(folder) / name, shuffled=name.endswith("shuffled"))
            # train on all pictures equally often: those with the largest loss may belong to no class
            fitted = Classifier("quick", **{"hard_share": 1.0, **settings}).fit(data, out=Path(folder) / f"{name}-run")
            assert fitted.result
            scores[name] = fitted.result.metrics["accuracy_tta"]
    return {**scores, "accuracy_score_n": count}
