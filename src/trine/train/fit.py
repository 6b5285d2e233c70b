"""The way that all trainings take: data → recipe → training → calibrated model → evaluation → bundle.

A task's trainer says how its data is opened, what is optimised, and how the trained network becomes a model.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from torch import nn

from trine import files, machine
from trine.device import Device, choose, together
from trine.drawing import attempted
from trine.errors import RunError, UsageError
from trine.model import Model
from trine.page.chapter import Chapter
from trine.page.page import page
from trine.progress import Reporter, Silent
from trine.recipe import Recipe
from trine.result import Compute
from trine.train.budget import Budget
from trine.train.cost import Cost
from trine.train.loop import TrainingLoop
from trine.train.objective import Objective
from trine.train.run import RECIPE, REPORT, Run, choose_folder

R = TypeVar("R", bound=Recipe)
D = TypeVar("D")
O = TypeVar("O", bound=Objective)  # noqa: E741  (the objective)
M = TypeVar("M", bound=Model[Any])

START_RATE = 0.3
"""Learning rates of a training from a model's weights, relative to those from random weights, which would undo them."""
OTHER = {"data": "other data", "recipe": "another recipe", "minutes": "other --minutes", "start": "another --from"}
"""Names of a plan's parts in the message that refuses to resume it."""
MEASURED_SHARE = 0.1
"""Longest measurement of the machine's rate after a training, relative to the training."""


@dataclass
class RunningFit:
    """The trainings of one run, one after another, and what they cost together."""

    run: Run
    device: Device
    report: Reporter
    resume: bool
    budget: Budget | None = None
    cost: Cost = field(default_factory=Cost)
    steps: int = 0
    """Steps of the first training."""
    pictures: dict[str, bytes] = field(default_factory=dict)
    """Pictures of the training's course, PNGs by file name."""

    def train(self, objective: Objective) -> nn.Module:
        """Train the task's objective and return the final network; an objective without steps has it already."""
        if not objective.steps():
            return objective.network
        loop = TrainingLoop(objective, self.run, self.device, self.report, self.budget)
        network = loop.fit(self.resume)
        self.cost, self.steps = loop.cost, loop.clock.step
        return network

    def train_stage(self, stage: str, objective: Objective) -> nn.Module:
        """Train a second objective of the run, in this process alone and in single precision.

        It has checkpoints of its own, and resumes and restarts like the first.
        """
        alone = replace(self.device, bfloat16=False, rank=0, world=1)
        loop = TrainingLoop(objective, Run(self.run.folder, stage), alone, self.report)
        network = loop.fit(self.resume)
        self.cost = self.cost + loop.cost
        return network


class Trainer(ABC, Generic[R, D, O, M]):
    """How one task is trained: `D` is its opened data, `O` its objective, `M` its model."""

    model_type: ClassVar[type[Model[Any]]]
    several: ClassVar[bool] = False
    """Whether the data may be several paths."""
    shape: ClassVar[tuple[str, ...]] = ()
    """Settings that the weights' shapes depend on: a training from a model's weights takes them from its recipe."""
    rates: ClassVar[tuple[str, ...]] = ()
    """Learning rates, which are lower in a training from a model's weights."""

    start: M | None = None
    """The model whose weights the training goes on from."""

    def __init__(self, recipe: R, device: str = "auto") -> None:
        self.recipe = recipe
        self.device = choose(device, recipe.precision)

    # ---- what each task provides

    @abstractmethod
    def open(self, data: Any, data_dir: Path | None) -> D:
        """Read the data to train on: a name or path, or several if the task can. Raises `DataError`, `UsageError`."""

    @abstractmethod
    def describe(self, opened: D) -> dict[str, Any]:
        """Name, fingerprint and sizes of the data."""

    @abstractmethod
    def objective(self, opened: D, recipe: R) -> O:
        """A new network for this data, and what the loop optimises."""

    @abstractmethod
    def complete(self, opened: D, objective: O, network: nn.Module, fit: RunningFit) -> M:
        """The model of a trained network: calibrated on held-out data, ready to be used."""

    def remarks(self, opened: D) -> list[str]:
        """Lines about the data for the user. Raises `DataError` when it cannot be learned from."""
        return []

    def scaled(self, opened: D, budget: Budget) -> R:
        """The recipe for a budget, before its number of steps is fitted to the time."""
        return self.recipe

    def chapter(self, model: M, opened: D, pictures: Mapping[str, bytes]) -> Chapter | None:
        """What the run's report says of the trained model; `pictures` are those of the run, by file name."""
        return None

    def closing_seconds(self, opened: D, recipe: R) -> float:
        """Duration of further trainings after the first, in seconds; a budget reserves it."""
        return 0.0

    # ---- the way

    def fit(
        self,
        data: str | Path | Sequence[str | Path],
        *,
        minutes: float | None = None,
        out: str | Path | None = None,
        resume: bool = False,
        overwrite: bool = False,
        start: str | Path | None = None,
        data_dir: Path | None = None,
        test: bool = True,
        report: Reporter | None = None,
    ) -> M | None:
        """Train, evaluate and save; the arguments are those of `Model.fit`. None in processes that do not lead."""
        _check_data(data, self.model_type.task, self.several)
        if resume and overwrite:
            raise UsageError("--resume continues a run, --overwrite replaces it: give one of them")
        budget = Budget(minutes) if minutes is not None else None
        report = report if report and self.device.leads else Silent()
        with together(self.device):
            stem = f"{self.model_type.task}-{_stem(data)}"
            run = Run(self.device.agree(choose_folder(stem, Path(out) if out else None, resume, overwrite)))
            if resume and run.finished:
                report.note(f"{run.folder}: this run is complete already")
                return self._loaded(run)
            if start is not None:
                self.start = self.model_type.load(start)  # type: ignore[assignment]
                self.recipe = self._recipe_from(self.start)
            if resume and run.started:
                self.recipe = self.recipe.resumed(run.settings())
            with self.device.leader_first():
                opened = self.open(data, data_dir)
            for line in self.remarks(opened):
                report.note(line)
            if overwrite and self.device.leads:
                run.clear()
            elif out is None and not resume and run.folder.name != stem:
                report.note(f"{run.folder}: a new run; --resume continues the last one, --overwrite replaces it")
            recipe = self._begin(run, opened, budget, resume)
            fit = RunningFit(run, self.device, report, resume, budget)
            with run.held() if self.device.leads else nullcontext():
                objective = self.objective(opened, recipe)
                if budget:
                    objective.closing_seconds = self.closing_seconds(opened, recipe)
                network = fit.train(objective)
                return self._finish(fit, opened, objective, network, test) if self.device.leads else None

    def _begin(self, run: Run, opened: D, budget: Budget | None, resume: bool) -> R:
        """The recipe of this run, written into its folder. Raises `RunError` when another one was started there."""
        plan: dict[str, Any] = {
            "data": self.describe(opened),
            "recipe": self.recipe.model_dump(mode="json"),
            "minutes": budget.minutes if budget else None,
            "start": self.start.data.get("fingerprint") if self.start else None,
        }
        if resume and run.started:
            self._require_same_plan(run, plan)
            recipe: R = type(self.recipe).read(run.folder / RECIPE)
        else:
            recipe = self.scaled(opened, budget) if budget else self.recipe
            if self.device.leads:
                run.begin(recipe, plan)
        self.device.wait()
        return recipe

    def _recipe_from(self, start: Any) -> R:
        """The recipe of a training from a model's weights. Raises `UsageError` when it asks for another network."""
        if not self.shape:
            raise UsageError(f"--from: trine {start.task} does not go on from a model: leave it out")
        by_hand = self.recipe.by_hand
        shape = {**{name: getattr(start.recipe, name) for name in self.shape}, "picture_size": start.size}
        for name, value in shape.items():
            if name in by_hand and getattr(self.recipe, name) != value:
                raise UsageError(
                    f"{name}={getattr(self.recipe, name)}: the model to go on from has {name}={value}: leave it out"
                )
        slower = {name: START_RATE * getattr(self.recipe, name) for name in self.rates if name not in by_hand}
        changed: R = self.recipe.changed(**shape, **slower)
        return changed

    def _require_same_plan(self, run: Run, plan: dict[str, Any]) -> None:
        """Raise `RunError` when the run was started with other data, settings or minutes."""
        started = run.plan()
        recipe = type(self.recipe).stored(started.get("recipe") or {})  # reads the names of earlier versions too
        started["recipe"] = recipe.model_dump(mode="json")
        for name, now in plan.items():
            if started.get(name) != now:
                raise RunError(
                    f"{run.folder}: was started with {OTHER[name]} ({_difference(started.get(name), now)}): "
                    "resume with the same settings, or start a new run with --out"
                )

    def _finish(self, fit: RunningFit, opened: D, objective: O, network: nn.Module, test: bool) -> M:
        """Complete the model, evaluate it and write what the run keeps."""
        model = self.complete(opened, objective, network, fit)
        cost = _stated(fit.cost, fit.steps)
        trained: M = model.replaced(device=self.device, data=self.describe(opened), cost=cost, run=fit.run.folder)
        trained.save(fit.run.bundle)  # before anything else: what is measured and drawn from here can be done again
        evaluation = trained.evaluation(opened, None if test else "validation")
        measured = {
            "sgemm_gflops": round(machine.sgemm_gflops(seconds=MEASURED_SHARE * cost.train_seconds), 1),
            "peak_memory_gib": round(machine.peak_memory_gib(), 3),
        }
        trained = trained.replaced(cost=cost.model_copy(update=measured))
        trained = trained.replaced(result=trained.stated(evaluation))
        pictures = {**fit.pictures, **evaluation.pictures}
        drawn = {**pictures, **_curves(fit.run, objective.headline)}
        for name, content in drawn.items():
            fit.run.write_picture(name, content)
        trained.save(fit.run.bundle, pictures)
        self._write_report(fit.run, trained, opened, drawn)
        assert trained.result
        fit.run.finish(trained.result)
        return trained

    def _write_report(self, run: Run, trained: M, opened: D, pictures: Mapping[str, bytes]) -> None:
        """Write report.html, if the task says anything and nothing goes wrong."""

        def report() -> bytes:
            chapter = self.chapter(trained, opened, pictures)
            title = f"{type(trained).__name__}: {trained.data['name']}"
            return (
                page(title, [chapter], trained.cost.train_seconds, f"trine {trained.task} fit").encode()
                if chapter
                else b""
            )

        for name, content in attempted({REPORT: report}).items():
            if content:
                run.write_picture(name, content)

    def _loaded(self, run: Run) -> M:
        loaded: M = self.model_type.load(run.folder)  # type: ignore[assignment]
        return loaded.replaced(run=run.folder)


def _check_data(data: object, task: str, several: bool) -> None:
    """Raise `UsageError` unless `data` is a name or path, or several where the task can learn from them."""
    if isinstance(data, str | Path):
        return
    if not several:
        raise UsageError(f"{task} learns from one name or path; got {data!r:.80}: put all into one folder")
    if not isinstance(data, Sequence) or not data or not all(isinstance(path, str | Path) for path in data):
        raise UsageError(f"{task} learns from names and paths; got {data!r:.80}: give one, or a list of them")


def _stated(cost: Cost, steps: int) -> Compute:
    return Compute(
        train_pflop=files.rounded(cost.pflop),
        train_seconds=round(cost.seconds, 2),
        gflops=round(cost.gflops, 1),
        steps=steps,
    )


def _curves(run: Run, headline: str) -> dict[str, bytes]:
    from trine.train.curves import draw_curves

    return attempted({"curves.png": lambda: draw_curves(run.history(), headline)})


def _stem(data: str | Path | Sequence[str | Path]) -> str:
    """A short name of the data for the run's folder; of several paths, the first one's."""
    first = data if isinstance(data, str | Path) else next(iter(data), "")
    name = Path(first).name.split(".")[0]
    return "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name) or "data"


def _difference(before: Any, now: Any) -> str:
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return f"{before}, now {now}"
    changed = [name for name in now if before.get(name) != now[name]]
    return ", ".join(f"{name}={before.get(name)}, now {now[name]}" for name in changed[:2])
