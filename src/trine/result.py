"""The schema of results: of `result.json` and of `evaluate --json`."""

from typing import Any

from pydantic import BaseModel, ConfigDict

from trine import files, machine


class Data(BaseModel):
    """The data that a result was measured on."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    name: str
    """A named set, or the path's name."""
    fingerprint: str
    """sha256 of the whole set."""
    split: str
    """train, validation, test or all."""
    n: int
    """Number of pictures or sequences."""


class Compute(BaseModel):
    """Cost of the training."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    train_pflop: float = 0.0
    """Operations of the training in 10¹⁵, counted on real steps."""
    train_seconds: float = 0.0
    """Seconds in training steps and validations."""
    gflops: float = 0.0
    """Rate of the steps, in 10⁹ operations per second."""
    sgemm_gflops: float = 0.0
    """Rate of single-precision matrix products in the same process, in the same unit."""
    steps: int = 0
    """Number of optimiser steps."""
    peak_memory_gib: float = 0.0
    """Peak memory of the process, in GiB."""
    budget: dict[str, Any] | None = None
    """With `--minutes`: minutes asked and used, shares of training and measuring, and what would have been enough."""


class Result(BaseModel):
    """Figures of one model on one split, with the conditions they were measured under."""

    model_config = ConfigDict(frozen=True, use_attribute_docstrings=True)

    task: str
    """classify, detect or generate."""
    data: Data
    seed: int
    """Seed of the training."""
    metrics: dict[str, Any]
    """Figures by name."""
    compute: Compute
    machine: dict[str, Any]
    """Processor, cores, threads, memory, system, accelerator."""
    versions: dict[str, str]
    """Versions of Python and the libraries."""

    @classmethod
    def measured(cls, task: str, data: Data, seed: int, metrics: dict[str, Any], cost: Compute) -> "Result":
        """A result with this machine and its library versions."""
        return cls(
            task=task,
            data=data,
            seed=seed,
            metrics=files.rounded(metrics),
            compute=cost,
            machine=machine.facts(),
            versions=machine.versions(),
        )
