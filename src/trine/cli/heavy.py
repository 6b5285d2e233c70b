"""The parts of `trine generate evaluate` that take minutes, each by an option of its own."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter, validators

from trine.cli import output
from trine.cli.options import Flag
from trine.errors import UsageError

if TYPE_CHECKING:
    from trine.generate.features import Features
    from trine.generate.generator import Generator
    from trine.pictures.picture_set import PictureSet
    from trine.train.estimator import Judgement

Generated = Annotated[int | None, Parameter(validator=validators.Number(gte=2))]


@Parameter(name="*")
@dataclass
class HeavyParts:
    """What to measure beside the bound."""

    importance: int | None = None
    "Estimate the likelihood by importance sampling with so many samples a picture."
    pictures: int = 1000
    "How many pictures, from the first, --importance takes."
    frechet: Flag = False
    "Compare generated pictures with real ones by features of EfficientNet-Lite0: Fréchet distance, density, coverage."
    classifier: Path | None = None
    "Compare them by the features of this classifier of the same pictures."
    memorisation: Flag = False
    "Look for copies of training pictures; needs a train split and another."
    accuracy_score: Flag = False
    "Train a classifier on generated pictures and test it on real ones; needs a model of --label."
    generated: Generated = None
    "How many pictures are generated. [default: 10,000 to compare, 2,000 to look for copies, 50,000 to train on]"

    def add_to(self, judged: "Judgement", model: "Generator", opened: "PictureSet") -> None:
        """Measure what was asked for. Raises `UsageError`, `DataError`."""
        from trine.generate.metrics import add_memorisation, add_realism

        if self.importance is not None:
            judged.metrics |= model.importance(opened, judged.data.split, self.importance, self.pictures)
        if self.frechet or self.classifier:
            add_realism(judged, model, opened, self._spaces(model), self.generated or 10_000)
        if self.memorisation:
            add_memorisation(judged, model, opened, self.generated or 2_000)
        if self.accuracy_score:
            judged.metrics |= accuracy_score(model, opened, self.generated or 50_000)

    def _spaces(self, model: "Generator") -> dict[str, "Features"]:
        from trine.generate.features import lite0

        spaces = {"cnn": features_of(self.classifier, model.size)} if self.classifier else {}
        return spaces | ({"lite0": lite0(model.size)} if self.frechet else {})


def features_of(classifier: Path, size: int) -> "Features":
    """What a classifier's last layer sees: a generator knows of no classifier, so it is handed down from here."""
    from trine.classify.classifier import Classifier
    from trine.classify.objective import predict_features
    from trine.pictures.decode import as_channels

    loaded = Classifier.load(classifier)
    if loaded.size != size:
        raise UsageError(f"{classifier}: takes pictures {loaded.size} pixels wide, but those made are {size} wide")
    return lambda images: predict_features(loaded.model, as_channels(images, loaded.channels), loaded.device)


def accuracy_score(model: "Generator", opened: "PictureSet", count: int, **settings: Any) -> dict[str, float]:
    """Accuracy on real pictures of a classifier that saw generated ones only; and with its labels shuffled.

    `settings` change the classifier's quick recipe. Raises `UsageError`, `DataError`.
    """
    from trine.classify.classifier import Classifier
    from trine.generate.labelled import write_labelled

    found = {}
    with TemporaryDirectory(prefix="trine-") as folder:
        for name, n in (("accuracy_score", count), ("accuracy_score_shuffled", max(1, count // 5))):
            output.note(f"{name}: a classifier learns {n:,} generated pictures")
            data = write_labelled(model, opened, n, Path(folder) / name, shuffled=name.endswith("shuffled"))
            # every picture is shown alike: the hardest of those generated are often of no class at all
            fitted = Classifier("quick", **{"hard_share": 1.0, **settings}).fit(data, out=Path(folder) / f"{name}-run")
            assert fitted.result
            found[name] = fitted.result.metrics["accuracy_tta"]
    return {**found, "accuracy_score_n": count}
