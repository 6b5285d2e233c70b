"""A trained model: used, evaluated, saved and loaded. It knows nothing of its training."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

import numpy as np

from trine import bundle, files, machine
from trine.bundle import BundleManifest
from trine.device import Device, choose
from trine.errors import BundleError, RecipeError, UsageError
from trine.progress import Reporter
from trine.recipe import Recipe
from trine.result import Compute, Data, Result
from trine.tasks import TASKS, imported

R = TypeVar("R", bound=Recipe)


@dataclass(frozen=True)
class Evaluation:
    """Figures of a model on one split, and the pictures that show them (PNGs by file name)."""

    data: Data
    metrics: dict[str, Any]
    pictures: dict[str, bytes] = field(default_factory=dict)

    def extended(self, metrics: dict[str, Any], pictures: dict[str, bytes] | None = None) -> "Evaluation":
        """This evaluation with further figures and pictures."""
        return Evaluation(self.data, {**self.metrics, **metrics}, {**self.pictures, **(pictures or {})})


class _NotTrainedError(UsageError, AttributeError):
    """A part of a trained model is used before the training; an `AttributeError` too, as `hasattr` expects."""


class Model(ABC, Generic[R]):
    """A network of one task with everything that its bundle holds. `R` is the type of its recipe.

    Until `fit` or `load` it holds its recipe only. Afterwards nothing in it changes: many threads can use it at once.
    """

    task: ClassVar[str]
    recipe_type: ClassVar[type[Recipe]]

    recipe: R
    device: Device
    """Where the network computes."""
    data: dict[str, Any]
    """Name, fingerprint and sizes of the training data."""
    cost: Compute
    """Cost of the training."""
    result: Result | None
    """Evaluation at the end of the training."""
    run: Path | None
    """Folder of the run, when this process trained the model."""

    def __init__(self, effort: str | None = None, *, recipe: R | None = None, **settings: Any) -> None:
        """A model to be trained. Raises `UsageError` for settings and a recipe together, `RecipeError`."""
        if recipe is not None and (effort is not None or settings):
            given = ", ".join([*(["effort"] if effort is not None else []), *settings])
            raise UsageError(f"{given}: the recipe has its own: change it with recipe.changed(...), or leave it out")
        if recipe is not None and not isinstance(recipe, self.recipe_type):
            raise UsageError(f"recipe={recipe!r:.80}: give a {self.recipe_type.__name__}, or settings by their names")
        if effort is not None and not isinstance(effort, str):
            raise UsageError(f"effort={effort!r:.80}: give quick, good or best")
        chosen = recipe if recipe is not None else self.recipe_type.preset(effort or "quick", **settings)
        vars(self).update(
            recipe=chosen, device=Device("cpu", bfloat16=False), data={}, cost=Compute(), result=None, run=None
        )

    @classmethod
    def assembled(cls, recipe: R, **parts: Any) -> Self:
        """A model made of its parts: the attributes that the class declares."""
        model = cls(recipe=recipe)
        vars(model).update(parts)
        return model

    def replaced(self, **parts: Any) -> Self:
        """A copy with some attributes replaced."""
        return self.assembled(**{**vars(self), **parts})

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"{type(self).__name__}.{name} cannot be set: a model does not change")

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Called for attributes that are not set. Raises `UsageError` for those of a trained model."""
            if any(name in vars(base).get("__annotations__", {}) for base in type(self).__mro__):
                kind = type(self).__name__
                raise _NotTrainedError(f"{kind} is not trained yet: call fit(data), or load a trained model")
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    # ---- what each task provides

    @abstractmethod
    def open(self, data: Any, data_dir: Path | None = None) -> Any:
        """Data to evaluate on, in the model's own form. Raises `DataError`, `UsageError`."""

    @abstractmethod
    def evaluation(self, opened: Any, split: str | None = None) -> Evaluation:
        """Figures and pictures on a split; by default test, else validation, else all. Raises `DataError`."""

    @abstractmethod
    def content(self) -> dict[str, Any]:
        """The bundle's JSON content in addition to the recipe."""

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """The bundle's arrays."""

    @abstractmethod
    def card(self) -> str:
        """The model card, in Markdown."""

    @classmethod
    @abstractmethod
    def parts(cls, recipe: R, content: dict[str, Any], arrays: dict[str, np.ndarray], device: Device) -> dict[str, Any]:
        """The attributes that a bundle's content and arrays stand for."""

    # ---- what all tasks share

    def fit(
        self,
        data: str | Path | Sequence[str | Path],
        *,
        minutes: float | None = None,
        out: str | Path | None = None,
        resume: bool = False,
        overwrite: bool = False,
        start: str | Path | None = None,
        device: str = "auto",
        data_dir: Path | None = None,
        test: bool = True,
        report: Reporter | None = None,
    ) -> Self:
        """Train on `data`, keep everything in the run folder `out`, and become the trained model.

        data      a name or a path; for a detector also several paths of logs
        minutes   wall-clock time for the whole work; without, the recipe's own length
        out       without, runs/TASK-DATA, numbered where there is such a run already
        resume    continue the run in `out`
        overwrite replace the run in `out`
        start     a trained model, bundle or run folder, to go on from: with more or new pictures, or other classes
        test      evaluate on the test split once at the end; False leaves it unread
        Raises `DataError`, `RunError`, `DivergedError`, `InterruptedTraining`.
        """
        trainer = TASKS[self.task].trainer_class()(self.recipe, device)
        trained = trainer.fit(
            data,
            minutes=minutes,
            out=out,
            resume=resume,
            overwrite=overwrite,
            start=start,
            data_dir=data_dir,
            test=test,
            report=report,
        )
        if trained is not None:  # None in processes that do not lead
            vars(self).clear()
            vars(self).update(vars(trained))
        return self

    def evaluate(
        self, data: str | Path | Sequence[str | Path], *, split: str | None = None, data_dir: Path | None = None
    ) -> Result:
        """Figures on other data, or on a named split of it. Raises `DataError`."""
        return self.stated(self.evaluation(self.open(data, data_dir), split))

    def stated(self, evaluation: Evaluation) -> Result:
        """An evaluation as a result, with seed, cost, machine and library versions."""
        return Result.measured(self.task, evaluation.data, self.recipe.seed, evaluation.metrics, self.cost)

    def save(self, path: str | Path, pictures: dict[str, bytes] | None = None) -> None:
        """Write the bundle. Raises `BundleError`."""
        manifest = BundleManifest(
            task=self.task,
            recipe=self.recipe.model_dump(mode="json"),
            content=files.rounded(self.content(), 9),
            data=self.data,
            figures=self.result.model_dump(mode="json") if self.result else {},
            versions=machine.versions(),
        )
        bundle.save(Path(path), manifest, self.arrays(), self.card(), pictures)

    def export(
        self,
        path: str | Path,
        *,
        int8: bool = False,
        data: str | Path | None = None,
        data_dir: Path | None = None,
        report: Reporter | None = None,
    ) -> dict[str, Any]:
        """Write the bundle with the model as ONNX graphs, each proved against the network.

        int8   also as graphs of 8-bit numbers
        data   held-out inputs are taken from here; without, from the training data where that is a named set
        Returns what `trine.json` says of the graphs. Raises `BundleError`, `ExportError`; nothing is written then.
        """
        write = imported("trine.export.exporter:export_model")
        document: dict[str, Any] = write(self, path, int8=int8, data=data, data_dir=data_dir, report=report)
        return document

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The model in a bundle or run folder. Raises `BundleError`."""
        manifest, arrays = bundle.read(path, cls.task)
        try:
            return cls._rebuilt(manifest, arrays)
        except (RecipeError, ValueError, KeyError, TypeError, RuntimeError) as problem:
            reason = " ".join(str(problem).split())[:200]
            raise BundleError(f"{path}: made for another version of Trine ({reason}): use that version") from problem

    @classmethod
    def _rebuilt(cls, manifest: BundleManifest, arrays: dict[str, np.ndarray]) -> Self:
        recipe: Any = cls.recipe_type.stored(manifest.recipe)
        device = choose("auto", recipe.precision)
        result = Result.model_validate(manifest.figures) if manifest.figures else None
        return cls.assembled(
            recipe,
            **cls.parts(recipe, manifest.content, arrays, device),
            device=device,
            data=manifest.data,
            result=result,
            cost=result.compute if result else Compute(),
        )


def load(path: str | Path) -> Any:
    """The model in a bundle or run folder, whatever its task. Raises `BundleError`."""
    task = bundle.read_manifest(bundle.locate(path)).task
    if task not in TASKS:
        raise BundleError(f"{path}: a model of the task {task}, which this version does not know: upgrade Trine")
    return TASKS[task].model_class().load(path)
