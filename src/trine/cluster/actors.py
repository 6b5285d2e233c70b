"""Bulk work on several machines: Ray Data moves the blocks, an actor pool of workers computes and writes them."""

import os
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from trine.cluster.bulk import Engine, Part, Worker, pool
from trine.cluster.engine import Cluster, connected, first_line, running_here
from trine.cluster.jobs import Block, Job
from trine.cluster.places import shown
from trine.errors import ClusterError, RunError, TrineError, UsageError
from trine.processors import own_processors

READERS = 1
"""Processors that are left to Ray Data's own tasks: where actors take every one, nothing is ever read."""
MOST_TASKS = 1_000
"""Ray Data's blocks; more only cost."""


@contextmanager
def engine_for(address: str | None, workers: int | None) -> Iterator[Engine]:
    """What computes: this process, a pool on this machine, or a cluster's actors where it has several machines.

    address   None: this machine; else that of a cluster, or auto: one that runs already, else this machine's processors
    workers   processes; without, one where no cluster is named, else one per processor
    Raises `UsageError`, `ClusterError`.
    """
    if address is None:
        yield pool(workers or 1)
        return
    if find_spec("ray") is None:
        raise UsageError("ray is not installed: pip install 'trine[cluster]' brings it")
    if address == "auto" and not (os.environ.get("RAY_ADDRESS") or running_here()):
        yield pool(workers or own_processors())
        return
    with connected(address) as cluster:
        nodes = cluster.nodes()
        if len(nodes) == 1 and nodes[0].identity == cluster.own_node():
            yield pool(workers or nodes[0].cpus)
        else:
            yield actors(cluster, workers)


class Actor:
    """A worker as Ray Data calls it."""

    def __init__(self, job: Job, into: str, threads: int) -> None:
        self._worker = Worker(job, into, threads)

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Compute the blocks of a batch; what is wrong with one is told, and not raised: it would be tried again."""
        done = []
        for block in batch["block"]:
            try:
                done.append(pickle.dumps(self._worker.compute(pickle.loads(block))))
            except TrineError as problem:
                done.append(pickle.dumps(problem))
        return {"part": done}


def actors(cluster: Cluster, workers: int | None) -> Engine:
    """Actors on all processors of a cluster but one, or so many workers. Raises `UsageError` without room."""
    cpus = sum(node.cpus for node in cluster.nodes())
    room = cpus - READERS
    if room < 1:
        raise UsageError(f"the cluster has {cpus} CPU, and bulk work needs 2: one reads, the others compute")
    count = min(workers or room, room)

    def compute(job: Job, blocks: Sequence[Block], into: str) -> Iterator[Part]:
        import ray
        from ray.data import ActorPoolStrategy, DataContext

        context = DataContext.get_current()
        context.enable_progress_bars = False
        items = [{"block": pickle.dumps(block)} for block in blocks]
        data = ray.data.from_items(items, override_num_blocks=min(len(items), MOST_TASKS)).map_batches(
            Actor,
            fn_constructor_args=(job, into, 1),
            batch_size=1,
            num_cpus=1,
            compute=ActorPoolStrategy(size=min(count, len(items))),
        )
        try:
            for row in data.iter_rows():
                part = pickle.loads(row["part"])
                if isinstance(part, TrineError):
                    raise part
                yield part
        except ray.exceptions.RayError as problem:
            raise _explained(problem, into) from None

    return compute


def _explained(problem: BaseException, into: str) -> TrineError:
    cause = getattr(problem, "cause", None)
    if isinstance(cause, TrineError):
        return cause
    if isinstance(cause, OSError):
        return RunError(
            f"{shown(into)}: {first_line(cause)}: give --into and the input on storage that all machines share"
        )
    return ClusterError(f"the cluster's workers ended ({first_line(problem)}): the same command goes on with the rest")
