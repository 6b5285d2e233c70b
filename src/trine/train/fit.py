"""The way that all trainings take: data → recipe → training → calibrated model → evaluation → bundle.

A task's trainer says how its data is opened, what is optimised, and how the trained network becomes a model.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from torch import nn

from trine import files, machine
from trine.device import Device, choose, together
from trine.drawing import attempted
from trine.errors import RunError, UsageError
from trine.model import Evaluation, Model
from trine.page.chapter import Chapter
from trine.page.page import page
from trine.progress import Figures, Reporter, Silent, reporter
from trine.recipe import Recipe
from trine.result import Compute
from trine.train.budget import MEASURING, STAGES, TRAINING, Budget
from trine.train.cost import Cost
from trine.train.loop import TrainingLoop
from trine.train.objective import Objective
from trine.train.run import RECIPE, REPORT, Run, choose_folder
from trine.train.step import stage_device

R = TypeVar("R", bound=Recipe)
D = TypeVar("D")
O = TypeVar("O", bound=Objective)  # noqa: E741  (the objective)
M = TypeVar("M", bound=Model[Any])

START_RATE = 0.3
"""Learning rates of a training from a model's weights, relative to those from random weights, which would undo them."""
OTHER = {"data": "other data", "recipe": "another recipe", "minutes": "other --minutes", "start": "another --from"}
"""Names of a plan's parts in the message that refuses to resume it."""
CROWDED = 0.7
"""Threads that are so many times as fast as one, or less, wait for other processes."""
CROWDED_NOTE = (
    "other processes keep processors busy, and threads wait for one another: "
    "with OMP_NUM_THREADS=1, or with --minutes, this training would be faster"
)
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
    share: float = 1.0
    """Share of the held-out and test samples that there is time to look at after the last step."""
    trained_at: float = 0.0
    """Seconds of the budget that were used when the first training ended."""
    stage_time: float = 0.0
    """Seconds of the further trainings."""
    figures: Figures = field(default_factory=dict)
    """Figures of the validation that the weights were kept for."""

    def train(self, objective: Objective) -> nn.Module:
        """Train the task's objective and return the final network; an objective without steps has it already."""
        if not objective.steps():
            return objective.network
        loop = TrainingLoop(objective, self.run, self.device, self.report, self.budget)
        network = loop.fit(self.resume)
        self.cost, self.steps, self.figures = loop.cost, loop.clock.step, loop.figures
        if self.budget:
            self.trained_at = self.budget.elapsed
            self.share = _affordable(self.budget, objective.closing_seconds_now(loop.checks.seconds))
            if self.share < 1:
                self.report.note(f"there is time to measure on {100 * self.share:.0f} % of the held-out samples")
        return network

    def train_stage(self, stage: str, objective: Objective, seconds: float | None = None) -> nn.Module:
        """Train a second objective of the run, in this process alone and in single precision.

        It has checkpoints of its own, and resumes and restarts like the first.

        seconds   its time, in a run with a budget; less if that is short
        """
        alone = stage_device(self.device)
        budget = self.budget.stage(seconds) if self.budget and seconds else None
        loop = TrainingLoop(objective, Run(self.run.folder, stage), alone, self.report, budget)
        begin = self.budget.elapsed if self.budget else 0.0
        with self.budget.spending(TRAINING) if self.budget else nullcontext():
            network = loop.fit(self.resume)
        self.stage_time += self.budget.elapsed - begin if self.budget else 0.0
        self.cost = self.cost + loop.cost
        return network

    def statement(self) -> dict[str, Any] | None:
        """What the result says about the budget, if there is one."""
        if self.budget is None:
            return None
        closing = self.budget.elapsed - self.trained_at - self.stage_time
        return self.budget.statement(closing)


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
        self.tests = True
        """Whether the trained model is evaluated on a test split, so that a budget keeps time back for it."""
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

    def settle(self, data: Any, data_dir: Path | None, opened: D, budget: Budget | None, report: Reporter) -> D:
        """Choose what the recipe leaves to the data; returns the data, opened anew if it is now read otherwise."""
        return opened

    def scaled(self, opened: D, budget: Budget) -> R:
        """The recipe for a budget, before its number of steps is fitted to the time."""
        return self.recipe

    def suited(self, opened: D, recipe: R, budget: Budget | None, report: Reporter) -> R:
        """The recipe with the settings that depend on what the data show; a resumed run keeps those it has."""
        return recipe

    def chapter(self, model: M, opened: D, pictures: Mapping[str, bytes]) -> Chapter | None:
        """What the run's report says of the trained model; `pictures` are those of the run, by file name."""
        return None

    def stage_seconds(self, opened: D, recipe: R, budget: Budget) -> float:
        """Duration of further trainings after the first, in seconds; a budget keeps it back."""
        return 0.0

    def evaluate(self, model: M, opened: D, fit: RunningFit, split: str | None) -> Evaluation:
        """The evaluation of the trained model, on as much of the data as there is time for (`fit.share`)."""
        return model.evaluation(opened, split)

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
        network_only: bool = False,
    ) -> M | None:
        """Train, evaluate and save; the arguments are those of `Model.fit`. None in processes that do not lead.

        network_only   end with the last step, without a model: for what only compares validations
        """
        _check_data(data, self.model_type.task, self.several)
        self.tests, budget = test, Budget(minutes) if minutes is not None else None
        report = (report or reporter()) if self.device.leads else Silent()
        with together(self.device), self._threads(budget, report):
            stem = run_stem(self.model_type.task, data)
            run = Run(self.device.agree(choose_folder(stem, Path(out) if out else None, resume, overwrite)))
            if resume and run.finished:
                report.note(run.complete)
                return self._loaded(run)
            fit = RunningFit(run, self.device, report, resume, budget)
            opened = self._opened(fit, data, data_dir, start)
            if overwrite and self.device.leads:
                run.clear()
            elif out is None and not resume and run.folder.name != stem:
                report.note(run.numbered)
            with report.working("choosing the network's shape"):
                recipe = self._begin(fit, opened)
            with run.held() if self.device.leads else nullcontext():
                return self._trained(fit, opened, recipe, test, network_only)

    def suited_to(self, data: Any, data_dir: Path | None = None, report: Reporter | None = None) -> R:
        """The recipe that a training on this data has: what it leaves open is chosen. Raises `DataError`."""
        _check_data(data, self.model_type.task, self.several)
        report = report or Silent()
        opened = self._settled(data, data_dir, None, report)
        return self.suited(opened, self.recipe, None, report)

    def _opened(
        self,
        fit: RunningFit,
        data: str | Path | Sequence[str | Path],
        data_dir: Path | None,
        start: str | Path | None,
    ) -> D:
        """The data, read as the recipe, the model to go on from and the run to resume say."""
        if start is not None:
            self.start = self.model_type.load(start)  # type: ignore[assignment]
            self.recipe = self._recipe_from(self.start)
        if fit.resume and fit.run.started:
            self.recipe = self.recipe.resumed(fit.run.settings())
        return self._settled(data, data_dir, fit.budget, fit.report)

    def _settled(self, data: Any, data_dir: Path | None, budget: Budget | None, report: Reporter) -> D:
        """The data, read as the recipe says, and what it leaves to them chosen."""
        with self.device.leader_first(), report.working("reading the data"):
            opened = self.open(data, data_dir)
        for line in self.remarks(opened):
            report.note(line)
        return self.settle(data, data_dir, opened, budget, report)

    def _trained(self, fit: RunningFit, opened: D, recipe: R, test: bool, network_only: bool) -> M | None:
        """The trained model, evaluated and saved; None in processes that do not lead, and for the network only."""
        with fit.report.working("preparing the network"):
            objective = self.objective(opened, recipe)
        if fit.budget:
            fit.budget.kept_back[STAGES] = self.stage_seconds(opened, recipe, fit.budget)
        network = fit.train(objective)
        if network_only or not self.device.leads:
            return None
        with fit.report.working("measuring and drawing"):
            return self._finish(fit, opened, objective, network, test)

    @contextmanager
    def _threads(self, budget: Budget | None, report: Reporter) -> Iterator[None]:
        """With a budget on the CPU, as many threads as are fastest now; afterwards as many as before.

        Without one, the weights of a seed are to be the same every time: their number stays.
        """
        before = machine.most_threads(), machine.threads()
        if self.device.name == "cpu" and self.device.world == 1:
            if budget:
                machine.use_threads(machine.faster_threads())
            elif machine.threads() > 1 and machine.gain_of_threads() < CROWDED:
                report.note(CROWDED_NOTE)
        try:
            yield
        finally:
            machine.use_threads(before[1])

    def _begin(self, fit: RunningFit, opened: D) -> R:
        """The recipe of this run, written into its folder. Raises `RunError` when another one was started there."""
        run, budget = fit.run, fit.budget
        plan: dict[str, Any] = {
            "data": self.describe(opened),
            "recipe": self.recipe.model_dump(mode="json"),
            "minutes": budget.minutes if budget else None,
            "start": self.start.data.get("fingerprint") if self.start else None,
        }
        if fit.resume and run.started:
            self._require_same_plan(run, plan)
            recipe: R = type(self.recipe).read(run.folder / RECIPE)
        else:
            recipe = self.scaled(opened, budget) if budget else self.recipe
            recipe = self.suited(opened, recipe, budget, fit.report)
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
        same = self.recipe.changed(**shape)
        for name in shape:
            if name in by_hand and getattr(self.recipe, name) != (value := getattr(same, name)):
                raise UsageError(
                    f"{name}={getattr(self.recipe, name)}: the model to go on from has {name}={value}: leave it out"
                )
        slower = {name: START_RATE * getattr(self.recipe, name) for name in self.rates if name not in by_hand}
        changed: R = same.changed(**slower)
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
        evaluation = self.evaluate(trained, opened, fit, None if test else "validation")
        measured = {
            "budget": fit.statement(),
            "sgemm_gflops": round(machine.sgemm_gflops(seconds=min(1.0, MEASURED_SHARE * cost.train_seconds)), 1),
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


def _affordable(budget: Budget, seconds: float) -> float:
    """Share of measuring that takes so many seconds that the time allows, at least a twentieth."""
    allowed = budget.left + budget.kept_back.get(MEASURING, 0.0)
    return min(1.0, max(0.05, allowed / seconds)) if seconds else 1.0


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


def run_stem(task: str, data: str | Path | Sequence[str | Path]) -> str:
    """Name of the folder of a task's run on this data, where none is given; of several paths, the first one's."""
    first = data if isinstance(data, str | Path) else next(iter(data), "")
    name = Path(first).name.split(".")[0]
    short = "".join(letter if letter.isalnum() or letter in "-_" else "-" for letter in name) or "data"
    return f"{task}-{short}"


def _difference(before: Any, now: Any) -> str:
    if not (isinstance(before, dict) and isinstance(now, dict)):
        return f"{before}, now {now}"
    changed = [name for name in now if before.get(name) != now[name]]
    return ", ".join(f"{name}={before.get(name)}, now {now[name]}" for name in changed[:2])
