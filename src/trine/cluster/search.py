"""A search for better settings: trials by Optuna in processes of this machine, or by Ray Tune on a cluster.

- The first trial is the recipe as it is. The others change the settings that declare what a search tries.
- Trials are compared by the validations of their trainings. No test split is read.
- All trials have the recipe's own length: `fit --recipe best.json` repeats the winner.
- A trial that is worse than the median of the others at the same point ends early.
- `study.journal` holds what was tried: the same command goes on where it was stopped.
"""

import json
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from filelock import FileLock

from trine import files, machine
from trine.cluster.engine import Cluster, connected, environment
from trine.cluster.training import anywhere
from trine.cluster.trial import OutOfTime, Settings, Trials
from trine.errors import ClusterError, DataError, DivergedError, RunError, UsageError
from trine.extras import installed
from trine.model import Model
from trine.plurals import quantity
from trine.processors import threads_each
from trine.progress import Reporter
from trine.recipe import Among, Between, Recipe
from trine.tasks import TASKS
from trine.train.fit import run_stem
from trine.train.run import RECIPE, held

BEST, PLAN, JOURNAL, TABLE = "best.json", "plan.json", "study.journal", "trials.json"
SEARCHES = Path("runs")
WARM_TRIALS = 4
"""Trials before the first is ended early."""
WARM_PROGRESS = 0.3
"""Share of a training before which no trial is ended early: rates that win late look bad early."""


@dataclass(frozen=True)
class Tried:
    """A trial that has ended."""

    name: str
    state: str
    """complete, ended early, or failed."""
    score: float | None
    seconds: float
    settings: Settings
    """The settings that differ from the recipe."""


@dataclass(frozen=True)
class Found:
    """The result of a search."""

    best: Path
    """The winner's recipe."""
    trials: tuple[Tried, ...]
    """All that were begun, the best first."""

    def as_json(self) -> dict[str, Any]:
        """A JSON object."""
        return {"recipe": str(self.best), "trials": [vars(trial) for trial in self.trials]}


def tune(
    model: Model[Any],
    data: str | Path | Sequence[str | Path],
    *,
    trials: int,
    minutes: float | None = None,
    out: Path | None = None,
    workers: int | None = None,
    cluster: str | None = None,
    device: str = "auto",
    data_dir: Path | None = None,
    report: Reporter,
) -> Found:
    """Search for the settings with the best validation.

    trials    number of trainings, those of earlier calls with the same `out` included
    minutes   no trial goes on longer
    out       folder of the search; without, runs/tune-TASK-DATA
    workers   trials at the same time
    Raises `UsageError`, `RunError` where `out` holds another search, `DataError`, `ClusterError`.
    """
    begin = time.monotonic()
    with installed():
        import optuna  # noqa: F401
    for name, count in (("trials", trials), ("workers", workers)):
        if count is not None and count < 1:
            raise UsageError(f"{name}={count}: give 1 or more")
    if minutes is not None and minutes <= 0:
        raise UsageError(f"minutes={minutes:g}: give more than 0")
    folder = (out or SEARCHES / f"tune-{run_stem(model.task, data)}").absolute()
    paths = anywhere(data)
    with ExitStack() as stack:
        found = None
        if cluster is not None:
            with report.working("connecting to the cluster"):
                found = stack.enter_context(connected(cluster))
        trainer = TASKS[model.task].trainer_class()(model.recipe, "auto" if cluster else device)
        recipe = trainer.suited_to(paths, data_dir, report)  # pictures are decoded here, once for all trials
        space = _space(model.recipe, recipe)
        order = Trials(
            recipe=recipe,
            task=model.task,
            data=paths,
            out=str(folder),
            device=device,
            data_dir=str(data_dir.absolute()) if data_dir else None,
            environment=environment(),
        )
        _begin(folder, order, space)
        stack.enter_context(held(folder, "searches"))
        search = Search(order, space, trials, None if minutes is None else begin + 60 * minutes)
        return _concluded(folder, order, _tried_by(search, found, workers, report))


def _tried_by(search: "Search", cluster: Cluster | None, workers: int | None, report: Reporter) -> list["Tried"]:
    """Run the trials, here or on a cluster."""
    if cluster is None:
        return search.here(workers or 1, report)
    from trine.cluster.ray_search import search_on

    return search_on(cluster, search, workers, report)


@dataclass(frozen=True)
class Search:
    """Trials that are to be run."""

    order: Trials
    space: dict[str, Between | Among]
    trials: int
    deadline: float | None
    """By `time.monotonic`."""

    @property
    def distributions(self) -> dict[str, Any]:
        """The space in Optuna's form."""
        return {name: _distribution(values) for name, values in self.space.items()}

    @property
    def first(self) -> Settings:
        """The recipe's own values."""
        return {name: getattr(self.order.recipe, name) for name in self.space}

    def here(self, workers: int, report: Reporter) -> list[Tried]:
        """Run the trials in processes of this machine."""
        study = self._study()
        _end_abandoned(study)
        if not study.trials:
            study.enqueue_trial(inside(self.space, self.first))
        left = None if self.deadline is None else self.deadline - time.monotonic()
        with report.working("searching"):
            if workers == 1:
                self.work(left, report.note)
            else:
                self._in_pool(workers, left, report)
        return [_tried(self.order.recipe, trial) for trial in self._study().trials]

    def work(self, seconds: float | None, say: Callable[[str], None]) -> None:
        """Run one trial after another in this process until all are begun, or the time is over."""
        study = self._study()
        deadline = None if seconds is None else time.monotonic() + seconds
        while (trial := self._next(study, deadline)) is not None:
            self._run(study, trial, deadline)
            say(_line(study.trials[trial.number], self.trials))

    def _next(self, study: Any, deadline: float | None) -> Any:
        """A trial to run; None when there is none left, or no time for one."""
        taken = [each.duration.total_seconds() for each in study.trials if each.duration and each.value is not None]
        if deadline is not None and time.monotonic() + (sorted(taken)[len(taken) // 2] if taken else 0.0) > deadline:
            return None
        with FileLock(Path(self.order.out) / ".ask.lock"):
            begun = sum(each.state.name != "WAITING" for each in study.trials)
            return study.ask(self.distributions) if begun < self.trials else None

    def _run(self, study: Any, trial: Any, deadline: float | None) -> None:
        import optuna

        def told(progress: float, score: float) -> None:
            trial.report(score, round(1000 * progress))
            if progress < 1 and trial.should_prune():
                raise optuna.TrialPruned

        failed = optuna.trial.TrialState.FAIL
        try:
            score = self.order.train(f"{trial.number:04d}", trial.params, told, deadline)
        except optuna.TrialPruned:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        except (OutOfTime, DivergedError):
            study.tell(trial, state=failed)
        except BaseException:
            study.tell(trial, state=failed)
            raise
        else:
            study.tell(trial, score)

    def _in_pool(self, workers: int, seconds: float | None, report: Reporter) -> None:
        threads = threads_each(workers)
        with ProcessPoolExecutor(workers, get_context("spawn")) as executor:
            working = [executor.submit(_work, self, seconds, threads) for _ in range(workers)]
            try:
                for future in working:
                    future.result()
            except BrokenProcessPool:
                raise ClusterError(
                    f"{self.order.out}: a process of the search was killed, as the system does when memory is short: "
                    "the same command goes on; give fewer --workers"
                ) from None
        report.note(f"{quantity(len(self._study().trials), 'trial')} in {quantity(workers, 'process', 'processes')}")

    def _study(self) -> Any:
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        seed = self.order.recipe.seed
        return optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(Path(self.order.out) / JOURNAL))),
            study_name="trine",
            sampler=optuna.samplers.TPESampler(seed=seed),
            pruner=optuna.pruners.MedianPruner(WARM_TRIALS, n_warmup_steps=round(1000 * WARM_PROGRESS)),
            direction="minimize",
            load_if_exists=True,
        )


def _work(search: Search, seconds: float | None, threads: int) -> None:
    os.environ.update(search.order.environment)
    machine.use_threads(threads)
    search.work(seconds, lambda line: None)


def _space(given: Recipe, recipe: Recipe) -> dict[str, Between | Among]:
    """What is searched: settings of the chosen network that the user has not set. Raises `UsageError`."""
    if not (space := recipe.search_space(given.by_hand)):
        raise UsageError("every setting that a search tries was set by --set or --recipe: leave some out")
    return space


def _distribution(values: Between | Among) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    if isinstance(values, Among):
        return CategoricalDistribution(values.choices)
    return FloatDistribution(values.low, values.high, log=values.log)


def inside(space: dict[str, Between | Among], settings: Settings) -> Settings:
    """Those of the settings that lie in the space: the others are drawn."""
    kept = {}
    for name, value in settings.items():
        values = space[name]
        if value in values.choices if isinstance(values, Among) else values.low <= value <= values.high:
            kept[name] = value
    return kept


def _end_abandoned(study: Any) -> None:
    """Trials that a killed process has left are failed."""
    import optuna

    for trial in study.trials:
        if trial.state == optuna.trial.TrialState.RUNNING:
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)


def _begin(folder: Path, order: Trials, space: dict[str, Between | Among]) -> None:
    """Write what is searched, or compare it with that of an earlier call. Raises `RunError`."""
    plan = {
        "task": order.task,
        "data": order.data,
        "recipe": order.recipe.model_dump(mode="json"),
        "space": {name: str(values) for name, values in space.items()},
    }
    if not (folder / PLAN).is_file():
        if folder.is_dir() and any(folder.iterdir()):
            raise RunError(f"{folder}: is neither empty nor a search: choose another --out")
        files.write_json(folder / PLAN, plan)
        return
    try:
        before = json.loads((folder / PLAN).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        before = {}
    if other := [name for name, value in plan.items() if before.get(name) != json.loads(json.dumps(value))]:
        raise RunError(f"{folder}: holds a search with another {other[0]}: choose another --out, or remove the folder")


def _concluded(folder: Path, order: Trials, tried: list[Tried]) -> Found:
    """Write the winner's recipe, and the table of trials. Raises `DataError` where none was complete."""
    complete = [trial for trial in tried if trial.state == "complete" and trial.score is not None]
    if not complete:
        raise DataError(f"{folder}: no trial came to its end: give more --minutes, or a smaller --effort")
    best = min(complete, key=lambda trial: trial.score or 0.0)
    type(order.recipe).read(order.folder(best.name) / RECIPE).save(folder / BEST)
    ranked = sorted(tried, key=lambda trial: (trial.state != "complete", trial.score is None, trial.score or 0.0))
    found = Found(folder / BEST, tuple(ranked))
    files.write_json(folder / TABLE, files.rounded(found.as_json()))
    return found


def _tried(recipe: Recipe, trial: Any) -> Tried:
    states = {"COMPLETE": "complete", "PRUNED": "ended early"}
    seconds = trial.duration.total_seconds() if trial.duration else 0.0
    settings = {name: value for name, value in trial.params.items() if getattr(recipe, name) != value}
    score = trial.value if trial.value is not None else None
    return Tried(f"{trial.number:04d}", states.get(trial.state.name, "failed"), score, seconds, settings)


def _line(trial: Any, trials: int) -> str:
    known = "failed" if trial.value is None else f"{trial.value:.4g}"
    shown = "ended early" if trial.state.name == "PRUNED" else known
    return f"trial {trial.number + 1} of {trials}: {shown}"
