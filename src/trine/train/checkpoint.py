"""Checkpoints: safetensors beside JSON with a checksum; a torn one is noticed and the one before it used."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from trine import files
from trine.bundle import part
from trine.errors import CheckpointError

KEPT = 2
"""How many checkpoints a run keeps."""


@dataclass(frozen=True)
class Checkpoint:
    """The whole state of a training between two steps."""

    step: int
    tensors: dict[str, Tensor]
    state: dict[str, Any]
    """What is not a tensor: the clock, the rate, the figures so far."""

    def part(self, prefix: str) -> dict[str, Tensor]:
        """The tensors whose name begins with `prefix.`, without it."""
        return part(self.tensors, prefix)


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint: tensors first, then the JSON that makes them count; drop all but the last few."""
    tensors, document = _paths(folder, checkpoint.step)
    files.write_bytes(tensors, files.tensor_bytes(checkpoint.tensors))
    body = {"step": checkpoint.step, "state": checkpoint.state, "sha256": files.sha256(tensors)}
    files.write_json(document, {**body, "checksum": files.digest(body)})
    for step in steps(folder)[:-KEPT]:
        for path in _paths(folder, step):
            path.unlink(missing_ok=True)


def steps(folder: Path) -> list[int]:
    """The steps that have a checkpoint, whole or not, in order."""
    return sorted(int(path.stem) for path in folder.glob("*.json") if re.fullmatch(r"\d+", path.stem))


def latest(folder: Path, warn: Callable[[str], None], before: int | None = None) -> Checkpoint:
    """The newest checkpoint that is whole, from before step `before` if there is such a one.

    `warn` is called with a line for each one that is not whole. Raises `CheckpointError` when none is.
    """
    found = steps(folder)
    earlier = [step for step in found if before is None or step < before]
    for step in reversed(earlier or found):
        try:
            return read(folder, step)
        except CheckpointError as problem:
            warn(f"{problem}: trying the one before it")
    raise CheckpointError(f"{folder}: no checkpoint is whole: start again with another --out")


def read(folder: Path, step: int) -> Checkpoint:
    """One checkpoint, checked. Raises `CheckpointError` when it is torn, altered or missing."""
    tensors, document = _paths(folder, step)
    try:
        body = json.loads(document.read_text(encoding="utf-8"))
        if body.pop("checksum") != files.digest(body) or body["sha256"] != files.sha256(tensors):
            raise ValueError("its checksum differs")
        return Checkpoint(step, load_file(tensors), body["state"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError) as problem:
        reason = problem.strerror if isinstance(problem, OSError) else problem
        raise CheckpointError(f"{document}: damaged checkpoint ({reason})") from None


def discard_after(folder: Path, step: int) -> None:
    """Remove what is later than `step`, which the run is about to write anew, tensors without their JSON included."""
    for path in [*folder.glob("*.json"), *folder.glob("*.safetensors")]:
        if re.fullmatch(r"\d+", path.stem) and int(path.stem) > step:
            path.unlink(missing_ok=True)
    files.sweep(folder)


def _paths(folder: Path, step: int) -> tuple[Path, Path]:
    return folder / f"{step:08d}.safetensors", folder / f"{step:08d}.json"
