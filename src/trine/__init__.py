"""Trine: three deep networks that train on the machine you have.

Classifier   pictures -> classes            from trine import Classifier
Detector     event sequences -> findings    Classifier(effort="quick").fit("photos/", minutes=10)
Generator    pictures -> new pictures
load         a saved model, whatever its task
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from trine.errors import (
    BundleError,
    CheckpointError,
    ClusterError,
    DataError,
    DiskFullError,
    DivergedError,
    ExportError,
    InterruptedTraining,
    RecipeError,
    RunError,
    StoreError,
    TrineError,
    UnsafeDataError,
    UsageError,
)
from trine.extras import installed
from trine.tasks import TASKS

if TYPE_CHECKING:
    from trine.classify.classifier import Classifier
    from trine.detect.detector import Detector
    from trine.generate.generator import Generator

__all__ = [
    "BundleError",
    "CheckpointError",
    "Classifier",
    "ClusterError",
    "DataError",
    "Detector",
    "DiskFullError",
    "DivergedError",
    "ExportError",
    "Generator",
    "InterruptedTraining",
    "RecipeError",
    "RunError",
    "StoreError",
    "TrineError",
    "UnsafeDataError",
    "UsageError",
    "load",
]


def load(path: str | Path) -> Any:
    """The model in a bundle or run folder, whatever its task. Raises `BundleError`, `UsageError` without torch."""
    with installed():
        from trine.model import load

    return load(path)


def __getattr__(name: str) -> Any:
    """Models are imported when they are first used: torch is heavy, and need not be installed."""
    for task in TASKS.values():
        if task.model.endswith(f":{name}"):
            with installed():
                return task.model_class()
    raise AttributeError(f"module 'trine' has no attribute {name!r}")
