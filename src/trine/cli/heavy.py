"""The parts of `trine generate evaluate` that take minutes: one option each."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from trine.cli import output
from trine.cli.options import Flag

if TYPE_CHECKING:
    from trine.generate.generator import Generator
    from trine.measures.realism import Features
    from trine.model import Evaluation
    from trine.pictures.picture_set import PictureSet

Generated = Annotated[int | None, Parameter(validator=validators.Number(gte=2))]
TO_COMPARE, TO_SEARCH, TO_TRAIN = 10_000, 2_000, 50_000
"""Default number of generated pictures: for feature spaces, for the search for copies, for the accuracy score."""


@Parameter(name="*")
@dataclass
class HeavyParts:
    """What to measure in addition to the bound."""

    importance: int | None = None
    "Estimate the likelihood by importance sampling with this many samples per picture."
    pictures: int = 1000
    "Number of pictures for --importance, counted from the first."
    frechet: Flag = False
    "Compare generated pictures with real ones by features of EfficientNet-Lite0: Fréchet distance, density, coverage."
    classifier: Path | None = None
    "Compare them by features of this classifier, which was trained on the same pictures."
    memorisation: Flag = False
    "Search for copies of training pictures; needs a train split and another one."
    accuracy_score: Flag = False
    "Train a classifier on generated pictures and test it on real ones; needs a model trained with --label."
    generated: Generated = None
    "Number of generated pictures. [default: 10,000 to compare, 2,000 to search for copies, 50,000 to train on]"

    def added_to(self, evaluation: "Evaluation", model: "Generator", opened: "PictureSet") -> "Evaluation":
        """The evaluation, extended by the chosen parts. Raises `UsageError`, `DataError`."""
        from trine.generate.evaluation import with_memorisation, with_realism

        if self.importance is not None:
            split = evaluation.data.split
            evaluation = evaluation.extended(model.importance(opened, split, self.importance, self.pictures))
        if self.frechet or self.classifier:
            evaluation = with_realism(evaluation, model, opened, self._spaces(model), self.generated or TO_COMPARE)
        if self.memorisation:
            if opened.fingerprint != model.data.get("fingerprint"):
                output.note(
                    f"--memorisation: {opened.name} is not what the model was trained on: copies of that are not found"
                )
            evaluation = with_memorisation(evaluation, model, opened, self.generated or TO_SEARCH)
        if self.accuracy_score:
            from trine.cross_checks import accuracy_score

            score = accuracy_score(model, opened, self.generated or TO_TRAIN, output.note)
            evaluation = evaluation.extended(score)
        return evaluation

    def _spaces(self, model: "Generator") -> dict[str, "Features"]:
        """The chosen feature spaces, by the names that metrics have."""
        from trine.cross_checks import classifier_features
        from trine.measures.realism import lite0

        spaces = {"cnn": classifier_features(self.classifier, model.size)} if self.classifier else {}
        return spaces | ({"lite0": lite0(max(model.size))} if self.frechet else {})
