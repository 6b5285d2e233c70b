"""Trine: three deep networks that train on the machine you have.

Classifier   pictures -> classes            from trine import Classifier
Detector     event sequences -> findings    Classifier(effort="quick").fit("photos/", minutes=10)
Generator    pictures -> new pictures
load         a saved model, whatever its task
"""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trine.errors import (
    BundleError,
    CheckpointError,
    DataError,
    DivergedError,
    InterruptedTraining,
    RecipeError,
    RunError,
    TrineError,
    UnsafeDataError,
    UsageError,
)

if TYPE_CHECKING:
    from trine.classify.classifier import Classifier
    from trine.detect.detector import Detector
    from trine.generate.generator import Generator

__all__ = [
    "BundleError",
    "CheckpointError",
    "Classifier",
    "DataError",
    "Detector",
    "DivergedError",
    "Generator",
    "InterruptedTraining",
    "RecipeError",
    "RunError",
    "TrineError",
    "UnsafeDataError",
    "UsageError",
    "load",
]

ESTIMATORS = {
    "classify": ("trine.classify.classifier", "Classifier"),
    "detect": ("trine.detect.detector", "Detector"),
    "generate": ("trine.generate.generator", "Generator"),
}


def load(path: str | Path) -> Any:
    """The model in a bundle or run folder, as an estimator of its task. Raises `BundleError`."""
    from trine import bundle

    task = bundle.read_manifest(bundle.locate(path)).task
    if task not in ESTIMATORS:
        raise BundleError(f"{path}: a model for {task}, which this Trine does not know: upgrade Trine")
    return _estimator(*ESTIMATORS[task]).load(path)


def __getattr__(name: str) -> Any:
    """Estimators are imported when they are first used: torch is heavy."""
    for module, estimator in ESTIMATORS.values():
        if name == estimator:
            return _estimator(module, estimator)
    raise AttributeError(f"module 'trine' has no attribute {name!r}")


def _estimator(module: str, name: str) -> Any:
    return getattr(import_module(module), name)
