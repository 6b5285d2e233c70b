"""A search's trials on a cluster: Ray Tune gives each trial its processors, Optuna proposes its settings."""

import os
import shutil
import time
from functools import partial
from pathlib import Path
from typing import Any

from trine.cluster.engine import Cluster, first_line
from trine.cluster.search import WARM_PROGRESS, WARM_TRIALS, Search, Tried, inside
from trine.cluster.shares import shared_out
from trine.cluster.trial import OutOfTime, Trials
from trine.errors import ClusterError, DivergedError, RunError
from trine.plurals import quantity
from trine.progress import Reporter

RETRIES = 2
"""Times that a trial is begun again when its process dies."""


def search_on(cluster: Cluster, search: Search, workers: int | None, report: Reporter) -> list[Tried]:
    """Run the trials; `workers` at the same time, by default one per GPU, or where there is none, per machine.

    Raises `UsageError`, `RunError` where the folder holds trials of a search without a cluster, `ClusterError`.
    """
    import optuna
    import ray
    from optuna.samplers import TPESampler
    from ray import tune
    from ray.tune.schedulers import MedianStoppingRule
    from ray.tune.search.optuna import OptunaSearch

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    share = shared_out(cluster.nodes(), workers, search.order.device)
    report.note(f"{quantity(share.workers, 'trial')} at a time, each on {quantity(share.cpus, 'processor')}")
    desk = Path(search.order.out) / ".ray"
    shutil.rmtree(desk, ignore_errors=True)
    if (Path(search.order.out) / "trials").exists():
        raise RunError(f"{search.order.out}: holds trials, and a search on a cluster begins anew: choose another --out")
    left = None if search.deadline is None else max(1.0, search.deadline - time.monotonic())
    stopping = MedianStoppingRule(
        time_attr="progress",
        grace_period=WARM_PROGRESS,
        min_samples_required=WARM_TRIALS,
        min_time_slice=2,  # of a progress that ends at 1: no trial is paused, it would begin anew
        metric="score",
        mode="min",
    )
    own = inside(search.space, search.first)
    proposing = OptunaSearch(
        search.distributions,
        points_to_evaluate=[own] if len(own) == len(search.space) else None,
        sampler=TPESampler(seed=search.order.recipe.seed),
        metric="score",
        mode="min",
    )
    tuner = tune.Tuner(
        tune.with_resources(partial(_trial, order=search.order, threads=share.cpus, seconds=left), share.resources),
        tune_config=tune.TuneConfig(
            num_samples=search.trials,
            search_alg=proposing,
            scheduler=stopping,
            time_budget_s=left,
            max_concurrent_trials=share.workers,
        ),
        run_config=tune.RunConfig(
            name="search", storage_path=str(desk), verbose=0, failure_config=tune.FailureConfig(max_failures=RETRIES)
        ),
    )
    try:
        with report.working("searching"):
            results = tuner.fit()
    except (ray.exceptions.RayError, RuntimeError) as problem:
        why = first_line(problem)
        raise ClusterError(f"the search ended ({why}): give fewer --workers, or see `ray status`") from None
    tried = [_tried(search.order, result) for result in map(results.__getitem__, range(len(results)))]
    shutil.rmtree(desk, ignore_errors=True)
    return tried


def _trial(config: dict[str, Any], *, order: Trials, threads: int, seconds: float | None) -> None:
    """One trial, in a process of the cluster."""
    from ray import tune

    os.environ.update(order.environment)
    from trine import machine

    machine.use_threads(threads)
    deadline = None if seconds is None else time.monotonic() + seconds

    def told(progress: float, score: float) -> None:
        tune.report({"score": score, "progress": progress, "done_training": False})

    name = tune.get_context().get_trial_id()
    try:
        score = order.train(name, config, told, deadline)
    except (OutOfTime, DivergedError):
        return
    tune.report({"score": score, "progress": 1.0, "done_training": True})


def _tried(order: Trials, result: Any) -> Tried:
    figures, config = result.metrics or {}, result.config or {}
    done = bool(figures.get("done_training"))
    early = not done and result.error is None and "score" in figures
    state = "complete" if done else "ended early" if early else "failed"
    name = str(figures.get("trial_id", Path(result.path).name.split("_")[1] if "_" in Path(result.path).name else ""))
    settings = {key: value for key, value in config.items() if getattr(order.recipe, key) != value}
    return Tried(name, state, figures.get("score"), float(figures.get("time_total_s", 0.0)), settings)
