"""A training on a Ray cluster: the same worker function, recipe and total batch as under torchrun.

- The run's folder is on storage that all machines share. Checkpoints, metrics and the model are written there, as by a
  training on one machine, by the first worker.
- A worker that dies ends its group. The training goes on from the last checkpoint with a new group: as large as
  before, or as large as the cluster then has room for.
- What workers say, and errors that they raise on purpose, reach this process through files beside the run's folder.
"""

import shutil
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from typing import Any, TypeVar

from trine.cluster import worker
from trine.cluster.engine import Cluster, connected, environment, first_line
from trine.cluster.shares import Share, shared_out
from trine.cluster.telling import Listening, failure
from trine.datasets.catalogue import CATALOGUE
from trine.errors import ClusterError, DataError, InterruptedTraining, RunError, UsageError
from trine.model import Model
from trine.plurals import quantity
from trine.progress import Reporter, reporter
from trine.train import checkpoint
from trine.train.fit import run_stem
from trine.train.run import PLAN, Run, choose_folder

M = TypeVar("M", bound=Model[Any])

FRUITLESS = 3
"""Restarts without a new checkpoint in between that end a training."""
RETURN_SECONDS = 30.0
"""Time that a machine which was lost has to come back, before the training goes on with fewer workers."""
FREE_SECONDS = 60.0
"""Time that the processes of a group which ended have to let go of the run's folder."""


@dataclass(frozen=True)
class Training:
    """One training on a cluster."""

    cluster: Cluster
    order: worker.Order
    share: Share
    report: Reporter

    @property
    def run(self) -> Run:
        """The run that the workers write."""
        return Run(Path(self.order.out))

    @property
    def desk(self) -> Path:
        """The folder beside the run's that messages pass through."""
        return Path(self.order.desk)

    def finish(self) -> None:
        """Train to the end, with a new group of workers after each death. Raises `TrineError`."""
        before, fruitless, share, order = _plan_time(self.run), 0, self.share, self.order
        while (why := self._attempt(order, share)) is not None:
            if (problem := failure(self.desk)) is not None:
                raise problem
            begun = order.resume or _plan_time(self.run) != before
            if begun and self.run.finished:  # a worker that does not lead died after the end
                return
            reached = _reached(self.run)
            fruitless = fruitless + 1 if reached <= order.reached else 0
            if fruitless >= FRUITLESS:
                raise ClusterError(
                    f"{self.run.folder}: the workers ended {FRUITLESS} times without a new checkpoint ({why}): see the "
                    "logs of the cluster, then continue with the same command and --resume"
                )
            order = replace(order, resume=begun, overwrite=order.overwrite and not begun, reached=reached)
            _wait_until_free(self.run)
            share = self._share_now(share)
            what = f"at step {reached:,}" if reached >= 0 else "from the beginning"
            self.report.note(f"a worker ended ({why}): going on {what} with {quantity(share.workers, 'worker')}")

    def _attempt(self, order: worker.Order, share: Share) -> str | None:
        """Let one group of workers train; None when they are done, else why they ended."""
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.torch import TorchConfig, TorchTrainer

        for told in self.desk.glob("failed-*.json"):
            told.unlink()
        trainer = TorchTrainer(
            worker.work,
            train_loop_config={"order": order, "threads": share.cpus},
            torch_config=TorchConfig(backend="nccl" if share.gpu else "gloo"),
            scaling_config=ScalingConfig(
                num_workers=share.workers, use_gpu=share.gpu, resources_per_worker=share.resources
            ),
            run_config=RunConfig(  # a name of its own: Ray would go on with the state of the group before
                name=f"group-{time.time_ns()}", storage_path=order.desk, failure_config=FailureConfig(max_failures=0)
            ),
        )
        ended: list[BaseException] = []

        def fit() -> None:
            try:
                trainer.fit()
            except Exception as problem:  # noqa: BLE001  (whatever it is, the main thread looks at it)
                ended.append(problem)

        thread = Thread(target=fit, daemon=True)  # in the main thread, Ray would take Ctrl-C for itself
        thread.start()
        while thread.is_alive():
            thread.join(0.2)
        return _reason(ended[0]) if ended else None

    def _share_now(self, share: Share) -> Share:
        """The same share when the cluster has room for it again, else that of as many workers as there is room for."""
        end = time.monotonic() + RETURN_SECONDS
        while True:
            nodes = self.cluster.nodes()
            for count in range(share.workers, 0, -1):
                with suppress(UsageError):
                    now = shared_out(nodes, count, "cuda" if share.gpu else "cpu")
                    if count == share.workers or time.monotonic() > end:
                        return now
                    break
            else:
                if time.monotonic() > end:
                    raise ClusterError(
                        f"{self.run.folder}: no machine of the cluster is left to train on: continue with the same "
                        "command and --resume when there is one"
                    )
            time.sleep(1.0)


def fit_on_cluster(
    model: M,
    data: str | Path | Sequence[str | Path],
    *,
    cluster: str,
    workers: int | None = None,
    minutes: float | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    overwrite: bool = False,
    start: str | Path | None = None,
    device: str = "auto",
    data_dir: Path | None = None,
    test: bool = True,
    report: Reporter | None = None,
) -> M:
    """Train as `Model.fit` does, in several processes on a cluster, and return the trained model.

    cluster   its address, or auto: see `trine.cluster.engine.connected`
    workers   number of processes; without, one per GPU, or where there is none, per machine
    Raises `UsageError`, `ClusterError`, and what `Model.fit` raises.
    """
    report = report or reporter()
    if device == "mps":
        raise UsageError("--device mps: a cluster trains on cpu or cuda: give one of them, or leave --cluster out")
    if workers is not None and workers < 1:
        raise UsageError(f"--workers {workers}: give 1 or more")
    stem = run_stem(model.task, data)
    run = Run(choose_folder(stem, Path(out) if out else None, resume, overwrite).absolute())
    folder = run.folder
    if not (resume or overwrite):
        run.refuse_started()
        if out is None and folder.name != stem:
            report.note(run.numbered)
    if resume and run.finished:
        report.note(run.complete)
        return model.load(folder).replaced(run=folder)
    desk = folder.with_name(f".{folder.name}.cluster")
    order = worker.Order(
        recipe=model.recipe,
        task=model.task,
        data=anywhere(data),
        out=str(folder),
        desk=str(desk),
        device=device,
        minutes=minutes,
        resume=resume,
        overwrite=overwrite,
        start=str(Path(start).absolute()) if start is not None else None,
        data_dir=str(data_dir.absolute()) if data_dir else None,
        test=test,
        environment=environment(),
    )
    made = _make(desk)
    try:
        with ExitStack() as stack:
            with report.working("connecting to the cluster"):
                found = stack.enter_context(connected(cluster))
            share = shared_out(found.nodes(), workers, device)
            order = replace(order, device="cuda" if share.gpu else "cpu")
            _check_nodes(found, order)
            report.note(_described(found, share))
            with Listening(desk, report):
                Training(found, order, share, report).finish()
    except KeyboardInterrupt:
        raise _interrupted(run) from None
    finally:
        report.close()
        shutil.rmtree(desk, ignore_errors=True)
        for parent in made:
            with suppress(OSError):
                parent.rmdir()  # only where nothing was written
    return model.load(folder).replaced(run=folder)


def _described(cluster: Cluster, share: Share) -> str:
    machines = quantity(len(cluster.nodes()), "machine")
    each = "one GPU" if share.gpu else quantity(share.cpus, "thread")
    where = "a cluster started on this machine" if cluster.here else f"a cluster of {machines}"
    return f"{where}: {quantity(share.workers, 'worker')} with {each} each"


def _check_nodes(cluster: Cluster, order: worker.Order) -> None:
    """Raise an error where a machine cannot take part: nothing is written yet."""
    for node, missing in cluster.on_each_node(worker.missing, order, worker.own_version()).items():
        if missing is None:
            continue
        kind, text = missing
        raise (DataError if kind == "data" else ClusterError)(f"machine {node.address} of the cluster: {text}")


def anywhere(data: str | Path | Sequence[str | Path]) -> str | list[str]:
    """Paths that hold in any working directory; named sets stay names. Raises `UsageError` for standard input."""
    if not isinstance(data, str | Path):
        return [str(anywhere(path)) for path in data]
    text = str(data)
    if text in ("-", "/dev/stdin"):
        raise UsageError("-: processes on a cluster cannot read the standard input of this one: give a file")
    return text if not text or (text in CATALOGUE and not Path(text).exists()) else str(Path(text).absolute())


def _make(folder: Path) -> list[Path]:
    """Make a folder anew; returns the folders above it that were made for it, deepest first."""
    absent = [parent for parent in folder.parents if not parent.exists()]
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    except OSError as problem:
        raise RunError(f"{folder}: cannot be written ({problem.strerror}): choose another --out") from None
    return absent


def _plan_time(run: Run) -> int | None:
    """When the run's plan was written: it tells a run that was begun just now from an earlier one."""
    try:
        return (run.folder / PLAN).stat().st_mtime_ns
    except OSError:
        return None


def _reached(run: Run) -> int:
    """Step of the newest checkpoint; -1: there is none."""
    return max(checkpoint.steps(run.checkpoints), default=-1)


def _wait_until_free(run: Run) -> None:
    """Until no process of the last group holds the run's folder. Raises `RunError`."""
    if not run.folder.is_dir():
        return
    end = time.monotonic() + FREE_SECONDS
    while True:
        try:
            with run.held():
                return
        except RunError:
            if time.monotonic() > end:
                raise
            time.sleep(0.5)


def _reason(problem: BaseException) -> str:
    """Why a group of workers ended, in a few words."""
    failures = getattr(problem, "worker_failures", None) or {}
    names = {type(each).__name__: each for each in failures.values()}
    died = next((name for name in names if "Died" in name or "Crashed" in name), None)
    if died:
        return "its process died"
    return first_line(next(iter(failures.values()), problem))


def _interrupted(run: Run) -> InterruptedTraining:
    reached = _reached(run)
    kept = f"the checkpoint of step {reached:,} is in {run.folder}" if reached >= 0 else "no step was saved"
    how = "continue with the same command and --resume" if reached >= 0 else "start again"
    return InterruptedTraining(f"stopped; {kept}: {how}")
