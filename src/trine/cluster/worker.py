"""What each process of a training on a cluster does: the training that torchrun would start there."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trine.cluster.telling import Telling, tell_failure
from trine.datasets.catalogue import CATALOGUE, data_folder, installed_version, is_present, named_set
from trine.errors import TrineError
from trine.recipe import Recipe
from trine.tasks import TASKS


@dataclass(frozen=True)
class Order:
    """A training as it is sent to the workers; all paths are absolute."""

    recipe: Recipe
    task: str
    data: str | list[str]
    out: str
    desk: str
    """Folder for messages to the process that started the workers."""
    device: str = "cpu"
    minutes: float | None = None
    resume: bool = False
    overwrite: bool = False
    start: str | None = None
    data_dir: str | None = None
    test: bool = True
    environment: dict[str, str] = field(default_factory=dict)
    reached: int = -1
    """Step of the newest checkpoint when the group of workers was started; -1: none."""


def work(config: dict[str, Any]) -> None:
    """Train, as one process of several; `RANK`, `WORLD_SIZE` and the process group are there already."""
    order: Order = config["order"]
    os.environ.update(order.environment)
    from trine import machine
    from trine.processors import LIMIT

    if LIMIT not in order.environment:
        machine.use_threads(config["threads"])
    try:
        trainer = TASKS[order.task].trainer_class()(order.recipe, order.device)
        trainer.fit(
            order.data,
            minutes=order.minutes,
            out=order.out,
            resume=order.resume,
            overwrite=order.overwrite,
            start=order.start,
            data_dir=Path(order.data_dir) if order.data_dir else None,
            test=order.test,
            report=Telling(Path(order.desk)),
        )
    except TrineError as problem:
        tell_failure(Path(order.desk), problem)
        raise


def missing(order: Order, version: str) -> tuple[str, str] | None:
    """What keeps this machine from taking part in a training: its kind and a line; None if nothing does.

    version   version of Trine on the machine that asks
    """
    os.environ.update(order.environment)
    if version != (own := own_version()):
        return "version", f"has Trine {own}, and this machine {version}: install the same version on all"
    if not Path(order.desk).is_dir():
        where = Path(order.out).parent
        return "storage", f"does not see {where}: give --out on storage that all machines share"
    for path in [order.data] if isinstance(order.data, str) else order.data:
        if not _is_there(path, order.data_dir):
            return "data", f"{path} is not there: copy it to the same path on each, or put it on shared storage"
    if order.start and not Path(order.start).exists():
        return "data", f"{order.start} is not there: put the model of --from on shared storage"
    return None


def own_version() -> str:
    """Version of Trine on this machine."""
    return installed_version("trine") or "unknown"


def _is_there(path: str, data_dir: str | None) -> bool:
    """Whether data can be opened here; patterns are left to the training."""
    if path in CATALOGUE and not Path(path).exists():
        return is_present(named_set(path), data_folder(Path(data_dir) if data_dir else None))
    return Path(path).exists() or any(letter in path for letter in "*?[")
