"""The one schema of a result: what `result.json` holds and what `evaluate --json` prints."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from trine import files
from trine.train import compute


class Data(BaseModel):
    """The data a result was measured on."""

    name: str
    fingerprint: str
    split: str
    n: int


class Compute(BaseModel):
    """What the training cost."""

    train_pflop: float = 0.0
    train_seconds: float = 0.0
    gflops: float = 0.0
    sgemm_gflops: float = 0.0
    steps: int = 0
    peak_memory_gib: float = 0.0


class Result(BaseModel):
    """Figures of one model on one split, with all that is needed to judge them."""

    model_config = ConfigDict(frozen=True)

    task: str
    data: Data
    seed: int
    metrics: dict[str, Any]
    compute: Compute
    machine: dict[str, Any]
    versions: dict[str, str]

    @classmethod
    def measured(cls, task: str, data: Data, seed: int, metrics: dict[str, Any], cost: Compute) -> "Result":
        """A result with this machine and these library versions written in."""
        return cls(
            task=task,
            data=data,
            seed=seed,
            metrics=files.rounded(metrics),
            compute=cost,
            machine=compute.machine(),
            versions=compute.versions(),
        )
