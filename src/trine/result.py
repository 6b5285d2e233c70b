"""The one schema of a result: what `result.json` holds and what `evaluate --json` prints."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from trine import files, machine


class Data(BaseModel):
    """The data a result was measured on."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    name: str
    """A named set, or the path's name."""
    fingerprint: str
    """sha256 over all of it."""
    split: str
    """train, validation, test or all."""
    n: int
    """Pictures or sequences in it."""


class Compute(BaseModel):
    """What the training cost."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    train_pflop: float = 0.0
    """Operations of the training, in units of 10¹⁵, counted on real steps."""
    train_seconds: float = 0.0
    """Time of its steps."""
    gflops: float = 0.0
    """Their rate, in 10⁹ operations a second."""
    sgemm_gflops: float = 0.0
    """The rate of single-precision matrix products in the same process."""
    steps: int = 0
    """Steps of the optimiser."""
    peak_memory_gib: float = 0.0
    """The most memory the process held."""


class Result(BaseModel):
    """Figures of one model on one split, with all that is needed to judge them."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    task: str
    """classify, detect or generate."""
    data: Data
    seed: int
    """Of every random choice."""
    metrics: dict[str, Any]
    """The figures, by name."""
    compute: Compute
    machine: dict[str, Any]
    """Processor, cores, threads, memory, system."""
    versions: dict[str, str]
    """Of the libraries."""

    @classmethod
    def measured(cls, task: str, data: Data, seed: int, metrics: dict[str, Any], cost: Compute) -> "Result":
        """A result with this machine and these library versions written in."""
        return cls(
            task=task,
            data=data,
            seed=seed,
            metrics=files.rounded(metrics),
            compute=cost,
            machine=machine.facts(),
            versions=machine.versions(),
        )
