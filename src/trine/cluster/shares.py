"""How the processors of a cluster are shared out among workers."""

from collections.abc import Sequence
from dataclasses import dataclass

from trine.cluster.engine import Node
from trine.errors import UsageError
from trine.plurals import quantity


@dataclass(frozen=True)
class Share:
    """What each worker of a training gets."""

    workers: int
    cpus: int
    """Processors per worker, and the threads that it computes with."""
    gpu: bool
    """Whether each worker has a GPU of its own."""

    @property
    def resources(self) -> dict[str, float]:
        """The same, as Ray counts it."""
        return {"CPU": self.cpus, **({"GPU": 1} if self.gpu else {})}


def shared_out(nodes: Sequence[Node], workers: int | None, device: str) -> Share:
    """The share of each of so many workers. By default one worker per GPU, or where there is none, per machine.

    Raises `UsageError` when the cluster has no room for so many.
    """
    gpus = sum(node.gpus for node in nodes)
    gpu = device == "cuda" or (device == "auto" and gpus > 0)
    count = workers or (gpus if gpu else len(nodes))
    room = min(gpus, _room(nodes, 1)) if gpu else _room(nodes, 1)
    if not 0 < count <= room:
        kind = "GPU" if gpu else "CPU"
        raise UsageError(
            f"{quantity(count, 'worker')} on a cluster that has {quantity(room, kind)}: give a smaller --workers, or "
            "add machines with `ray start --address`"
        )
    return Share(count, cpus_each(nodes, count), gpu)


def cpus_each(nodes: Sequence[Node], workers: int) -> int:
    """The largest number of processors that each of so many workers can have, all on one machine per worker."""
    most = max(node.cpus for node in nodes)
    return next(cpus for cpus in range(most, 0, -1) if _room(nodes, cpus) >= workers)


def _room(nodes: Sequence[Node], cpus: int) -> int:
    """Workers with so many processors that fit."""
    return sum(node.cpus // cpus for node in nodes)
