"""The three tasks, listed once: help, demo, docs and loading read them here.

Classes are named as text and imported when they are first used: torch is heavy.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Task:
    """One task: its classes as `module:name`, and the lines that help shows."""

    name: str
    model: str
    trainer: str
    recipe: str
    exporter: str
    job: str
    example: str
    verbs: str

    def model_class(self) -> Any:
        """The class of trained models, a `trine.model.Model`."""
        return imported(self.model)

    def trainer_class(self) -> Any:
        """The class that trains them, a `trine.train.fit.Trainer`."""
        return imported(self.trainer)

    def exporter_class(self) -> Any:
        """The class that writes them as ONNX graphs, a `trine.export.exporter.Exporter`."""
        return imported(self.exporter)

    def recipe_class(self) -> Any:
        """The class of their recipes, a `trine.recipe.Recipe`."""
        return imported(self.recipe)


TASKS: Mapping[str, Task] = {
    task.name: task
    for task in (
        Task(
            name="classify",
            model="trine.classify.classifier:Classifier",
            trainer="trine.classify.training:ClassifierTrainer",
            recipe="trine.classify.recipe:ClassifyRecipe",
            exporter="trine.export.classifier:ClassifierExporter",
            job="Say what a picture shows",
            example="trine classify fit photos/ --minutes 10",
            verbs="fit, tune, evaluate, predict, explain",
        ),
        Task(
            name="detect",
            model="trine.detect.detector:Detector",
            trainer="trine.detect.training:DetectorTrainer",
            recipe="trine.detect.recipe:DetectRecipe",
            exporter="trine.export.detector:DetectorExporter",
            job="Flag deviations in event sequences",
            example="trine detect fit access.log",
            verbs="fit, tune, check, evaluate, score, explain, watch, findings, feedback, recalibrate",
        ),
        Task(
            name="generate",
            model="trine.generate.generator:Generator",
            trainer="trine.generate.training:GeneratorTrainer",
            recipe="trine.generate.recipe:GenerateRecipe",
            exporter="trine.export.generator:GeneratorExporter",
            job="Make new pictures",
            example="trine generate fit drawings/ --minutes 10",
            verbs="fit, tune, evaluate, sample, reconstruct, score, interpolate, traverse, map, encode, like, check",
        ),
    )
}


def imported(target: str) -> Any:
    """The object named `module:name`."""
    module, _, name = target.partition(":")
    return getattr(import_module(module), name)
