"""Checkpoints: tensors in safetensors, other state in JSON with a checksum. A damaged one is detected and skipped."""

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
from trine.nn.weights import tensor_bytes

KEPT = 2
"""Checkpoints that a run keeps: when the newest is damaged, the one before it is used."""


@dataclass(frozen=True)
class Checkpoint:
    """Complete state of a training between two steps."""

    step: int
    tensors: dict[str, Tensor]
    state: dict[str, Any]
    """JSON values: clock, learning-rate factor, cost, last figures."""

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Tensors under `prefix.`, with the prefix removed."""
        return part(self.tensors, prefix)


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write the tensors, then the JSON that validates them; delete all but the newest `KEPT` checkpoints."""
    tensors, document = _paths(folder, checkpoint.step)
    files.write_bytes(tensors, tensor_bytes(checkpoint.tensors))
    body = {"step": checkpoint.step, "state": checkpoint.state, "sha256": files.sha256(tensors)}
    files.write_json(document, {**body, "checksum": files.digest(body)})
    for step in steps(folder)[:-KEPT]:
        for path in _paths(folder, step):
            path.unlink(missing_ok=True)


def steps(folder: Path) -> list[int]:
    """Steps that have a checkpoint, intact or not, in order."""
    return sorted(int(path.stem) for path in folder.glob("*.json") if re.fullmatch(r"\d+", path.stem))


def latest(folder: Path, warn: Callable[[str], None], before: int | None = None) -> Checkpoint:
    """The newest intact checkpoint, earlier than step `before` if there is one.

    `warn` is called with one line per damaged checkpoint. Raises `CheckpointError` when none is intact.
    """
    saved = steps(folder)
    earlier = [step for step in saved if before is None or step < before]
    for step in reversed(earlier or saved):
        try:
            return read(folder, step)
        except CheckpointError as problem:
            warn(f"{problem}: trying the one before it")
    raise CheckpointError(f"{folder}: no checkpoint is intact: start a new run with another --out")


def read(folder: Path, step: int) -> Checkpoint:
    """One verified checkpoint. Raises `CheckpointError` when it is truncated, altered or missing."""
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
    """Delete the checkpoints after `step`, which the run will write again, incomplete ones included."""
    for path in [*folder.glob("*.json"), *folder.glob("*.safetensors")]:
        if re.fullmatch(r"\d+", path.stem) and int(path.stem) > step:
            path.unlink(missing_ok=True)
    files.sweep(folder)


def _paths(folder: Path, step: int) -> tuple[Path, Path]:
    return folder / f"{step:08d}.safetensors", folder / f"{step:08d}.json"
