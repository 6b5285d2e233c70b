"""The way through that the three jobs share: data → recipe → training → bundle → result.

A task's estimator says how its data is opened, its objective built, its model judged and its bundle filled.
"""

from abc import ABC, abstractmethod
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

from torch import Tensor, nn

from trine import bundle, files, machine
from trine.bundle import Manifest
from trine.device import Device, choose, together
from trine.errors import BundleError, RecipeError, RunError
from trine.progress import Reporter, Silent
from trine.recipe import Recipe
from trine.result import Compute, Data, Result
from trine.train.budget import Budget
from trine.train.cost import Cost
from trine.train.loop import Training
from trine.train.objective import Objective
from trine.train.run import Run, choose_folder

R = TypeVar("R", bound=Recipe)
D = TypeVar("D")


@dataclass
class Judgement:
    """What an evaluation found: figures for the result, pictures for people."""

    data: Data
    metrics: dict[str, Any]
    pictures: dict[str, bytes] = field(default_factory=dict)


class Estimator(ABC, Generic[R, D]):
    """A network that is fitted, judged, used, saved and loaded; `R` is its recipe, `D` its opened data."""

    task: ClassVar[str]
    recipe_type: ClassVar[type[Recipe]]

    def __init__(self, effort: str = "quick", *, recipe: R | None = None, **settings: Any) -> None:
        self.recipe: R = recipe or self.recipe_type.preset(effort, **settings)  # type: ignore[assignment]
        self.device = Device("cpu", bfloat16=False)
        self.data: dict[str, Any] = {}
        self.cost = Compute()
        self.result: Result | None = None
        self.run: Run | None = None

    # ---- what a task says

    @abstractmethod
    def open(self, data: str | Path, data_dir: Path | None, recipe: R) -> D:
        """Read the data to train on."""

    @abstractmethod
    def describe(self, opened: D) -> dict[str, Any]:
        """Name and fingerprint of the data."""

    @abstractmethod
    def objective(self, opened: D, recipe: R) -> Objective:
        """Build the network for this data, and what the loop optimises."""

    @abstractmethod
    def settle(self, opened: D, model: nn.Module, report: Reporter) -> None:
        """After the training: calibrate on the validation split, and keep what the bundle needs."""

    @abstractmethod
    def judge(self, opened: D, split: str | None = None) -> Judgement:
        """Figures and pictures on a split; by default test, else validation."""

    @abstractmethod
    def content(self) -> dict[str, Any]:
        """What the bundle holds beside weights and recipe."""

    @abstractmethod
    def tensors(self) -> dict[str, Tensor]:
        """The bundle's weights."""

    @abstractmethod
    def restore(self, manifest: Manifest, tensors: dict[str, Tensor]) -> None:
        """Take back what `content` and `tensors` gave."""

    @abstractmethod
    def card(self) -> str:
        """The model card, in Markdown."""

    def remarks(self, opened: D) -> list[str]:
        """What to know of the data before it is trained on. Raises `DataError` if it cannot be learned from."""
        return []

    def scaled(self, opened: D, budget: Budget, report: Reporter) -> R:
        """The recipe for a budget of time, before its steps are fitted to it."""
        return self.recipe

    # ---- the way through

    def fit(
        self,
        data: str | Path,
        *,
        minutes: float | None = None,
        out: str | Path | None = None,
        resume: bool = False,
        device: str = "auto",
        data_dir: Path | None = None,
        test: bool = True,
        report: Reporter | None = None,
    ) -> Self:
        """Train on `data` and keep everything in the run folder `out`.

        minutes   time for the whole of it; without, the recipe's own length
        resume    go on with the run in `out`
        test      measure the test split once at the end; False leaves it unread
        Raises `DataError`, `RunError`, `DivergedError`, `InterruptedTraining`.
        """
        budget = Budget(minutes) if minutes is not None else None
        self.device = choose(device, self.recipe.precision)
        report = report if report and self.device.leads else Silent()
        with together(self.device):
            folder = self.device.agree(choose_folder(f"{self.task}-{_stem(data)}", Path(out) if out else None, resume))
            run = self.run = Run(folder)
            if resume and run.finished:
                report.note(f"{folder}: this run is finished already")
                return self._loaded_from(run)
            with self.device.leader_first():
                opened = self.open(data, data_dir, self.recipe)
            for line in self.remarks(opened):
                report.note(line)
            recipe = self._begin(run, opened, minutes, resume, budget, report)
            with run.held() if self.device.leads else nullcontext():
                training = Training(self.objective(opened, recipe), run, self.device, report, budget)
                model = training.fit(resume)
                if self.device.leads:
                    self._complete(run, opened, model, training, test, report)
        return self

    def evaluate(self, data: str | Path, *, split: str | None = None, data_dir: Path | None = None) -> Result:
        """Figures on another set, or on a named split of it. Raises `DataError`."""
        return self.measured(self.judge(self.open(data, data_dir, self.recipe), split))

    def measured(self, judgement: Judgement) -> Result:
        """The result that states a judgement."""
        return Result.measured(self.task, judgement.data, self.recipe.seed, judgement.metrics, self.cost)

    def save(self, path: str | Path, pictures: dict[str, bytes] | None = None) -> None:
        """Write the bundle. Raises `BundleError`."""
        figures = self.result.model_dump(mode="json") if self.result else {}
        manifest = Manifest(
            task=self.task,
            recipe=self.recipe.model_dump(mode="json"),
            content=files.rounded(self.content(), 9),
            data=self.data,
            figures=figures,
            versions=machine.versions(),
        )
        bundle.save(Path(path), manifest, self.tensors(), self.card(), pictures)

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The model in a bundle or run folder. Raises `BundleError`."""
        manifest, tensors = bundle.read(path, cls.task)
        try:
            return cls._rebuilt(manifest, tensors)
        except (RecipeError, ValueError, KeyError, TypeError, RuntimeError) as problem:
            reason = " ".join(str(problem).split())[:200]
            raise BundleError(f"{path}: made for another version of Trine ({reason}): use that version") from problem

    @classmethod
    def _rebuilt(cls, manifest: Manifest, tensors: dict[str, Tensor]) -> Self:
        loaded = cls(recipe=cls.recipe_type.checked(manifest.recipe))  # type: ignore[arg-type]
        loaded.device = choose("auto", loaded.recipe.precision)
        loaded.data = manifest.data
        if manifest.figures:
            loaded.result = Result.model_validate(manifest.figures)
            loaded.cost = loaded.result.compute
        loaded.restore(manifest, tensors)
        return loaded

    # ---- steps of `fit`

    def _begin(
        self, run: Run, opened: D, minutes: float | None, resume: bool, budget: Budget | None, report: Reporter
    ) -> R:
        asked: dict[str, Any] = {
            "data": self.describe(opened),
            "recipe": self.recipe.model_dump(mode="json"),
            "minutes": minutes,
        }
        if resume and run.started:
            self._same_training(run, asked)
            self.recipe = self.recipe_type.read(run.folder / "recipe.json")  # type: ignore[assignment]
        else:
            self.recipe = self.scaled(opened, budget, report) if budget else self.recipe
            if self.device.leads:
                run.begin(self.recipe, asked)
        self.data = asked["data"]
        self.device.wait()
        return self.recipe

    def _same_training(self, run: Run, asked: dict[str, Any]) -> None:
        planned = run.plan()
        for name in ("data", "recipe", "minutes"):
            if planned.get(name) != asked[name]:
                detail = _difference(planned.get(name), asked[name])
                raise RunError(
                    f"{run.folder}: its {name} was another ({detail}): resume with the same, or use another --out"
                )

    def _complete(
        self, run: Run, opened: D, model: nn.Module, training: Training, test: bool, report: Reporter
    ) -> None:
        self.settle(opened, model, report)
        self.cost = _stated(training.cost, training.clock.step)
        judgement = self.judge(opened, None if test else "validation")
        self.cost = self.cost.model_copy(
            update={
                "sgemm_gflops": round(machine.sgemm_gflops(), 1),
                "peak_memory_gib": round(machine.peak_memory_gib(), 3),
            }
        )
        self.result = self.measured(judgement)
        pictures = {**judgement.pictures, **_curves(run, training.objective.headline)}
        for name, content in pictures.items():
            run.write_picture(name, content)
        self.save(run.bundle, judgement.pictures)
        run.finish(self.result)

    def _loaded_from(self, run: Run) -> Self:
        loaded = self.load(run.folder)
        self.__dict__.update(loaded.__dict__)
        self.run = run
        return self


def _stated(cost: Cost, steps: int) -> Compute:
    return Compute(
        train_pflop=files.rounded(cost.pflop),
        train_seconds=round(cost.seconds, 2),
        gflops=round(cost.gflops, 1),
        steps=steps,
    )


def _curves(run: Run, headline: str) -> dict[str, bytes]:
    from trine.train.curves import draw_curves

    return {"curves.png": draw_curves(run.history(), headline)}


def _stem(data: str | Path) -> str:
    """A short name for the run's folder."""
    name = Path(data).name.split(".")[0]
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name) or "data"


def _difference(before: Any, now: Any) -> str:
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return f"{before} then, {now} now"
    changed = [name for name in now if before.get(name) != now[name]]
    return ", ".join(f"{name} {before.get(name)} then, {now[name]} now" for name in changed[:2])
