"""One trial of a search: a training of a recipe up to its last step, compared by its validations alone."""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typing_extensions import override

from trine.progress import Figures, Silent
from trine.recipe import Recipe
from trine.tasks import TASKS
from trine.train.run import Run

Settings = dict[str, Any]


class OutOfTime(Exception):  # noqa: N818  (an end, and no error)
    """The search has no time left: the trial ends without a score."""


@dataclass(frozen=True)
class Trials:
    """What all trials of a search have in common; it is sent to the processes that run them."""

    recipe: Recipe
    """The recipe that trials change."""
    task: str
    data: str | list[str]
    out: str
    """Folder of the search; all paths are absolute."""
    device: str = "auto"
    data_dir: str | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def folder(self, name: str) -> Path:
        """The run of a trial."""
        return Path(self.out) / "trials" / name

    def train(
        self, name: str, settings: Settings, told: Callable[[float, float], None], deadline: float | None
    ) -> float:
        """Score of the weights that a training with these settings keeps; lower is better.

        told       called after each validation with progress and score; an error that it raises ends the trial
        deadline   by `time.monotonic`
        Raises `OutOfTime`, `TrineError`.
        """
        folder, course = self.folder(name), _Course(told, deadline)
        shutil.rmtree(folder, ignore_errors=True)
        trainer = TASKS[self.task].trainer_class()(self.recipe.changed(**settings), self.device)
        try:
            trainer.fit(
                self.data,
                out=folder,
                data_dir=Path(self.data_dir) if self.data_dir else None,
                test=False,
                report=course,
                network_only=True,
            )
        finally:
            shutil.rmtree(Run(folder).checkpoints, ignore_errors=True)
        return course.score


class _Course(Silent):
    """Keeps the score of the last validation, and ends a trial when the time is over."""

    def __init__(self, told: Callable[[float, float], None], deadline: float | None) -> None:
        self._told, self._deadline = told, deadline
        self.score = float("inf")

    @override
    def validated(self, progress: float, score: float) -> None:
        self.score = score
        self._told(progress, score)

    @override
    def advance(self, step: int, total: int, figures: Figures) -> None:
        if self._deadline is not None and time.monotonic() > self._deadline:
            raise OutOfTime
