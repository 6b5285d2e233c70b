"""Checks of a generator by a classifier: the accuracy score, and a classifier's features as a feature space.

The tasks do not know each other; what needs two of them stands here.
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from trine.classify.classifier import Classifier
from trine.errors import UsageError
from trine.generate.generator import Generator
from trine.generate.labelled import write_labelled
from trine.generate.realism import Features
from trine.pictures.picture_set import PictureSet


def classifier_features(path: str | Path, size: int) -> Features:
    """Inputs of a classifier's last layer, as the feature space of a generator's pictures of this size.

    Raises `UsageError` for a classifier of another picture size, `BundleError` for no classifier.
    """
    classifier = Classifier.load(path)
    if classifier.size != size:
        raise UsageError(
            f"{path}: takes pictures {classifier.size} pixels wide, but the generated ones are {size} wide"
        )
    return classifier.features


def accuracy_score(
    model: Generator,
    opened: PictureSet,
    count: int = 50_000,
    note: Callable[[str], None] = lambda line: None,
    **settings: Any,
) -> dict[str, float]:
    """Classification accuracy score: accuracy on real pictures of a classifier trained on generated ones only.

    With it the control: the same with shuffled labels, on a fifth of the pictures (Ravuri and Vinyals, 2019).

    opened     the real pictures, with a test split
    count      generated training pictures
    settings   changes of the classifier's `quick` recipe
    Raises `UsageError` for a model without labels, `DataError` for other classes.
    """
    scores = {}
    with TemporaryDirectory(prefix="trine-") as folder:
        for name, n in (("accuracy_score", count), ("accuracy_score_shuffled", max(1, count // 5))):
            note(f"{name}: a classifier learns {n:,} generated pictures")
            data = write_labelled(model, opened, n, Path(folder) / name, shuffled=name.endswith("shuffled"))
            # all pictures are shown equally often: the hardest generated ones often belong to no class
            fitted = Classifier("quick", **{"hard_share": 1.0, **settings}).fit(data, out=Path(folder) / f"{name}-run")
            assert fitted.result
            scores[name] = fitted.result.metrics["accuracy_tta"]
    return {**scores, "accuracy_score_n": count}
