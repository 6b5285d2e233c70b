"""The parts of a page: chapters with figures, pictures, tables and commands."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from trine.result import Compute


@dataclass(frozen=True)
class Figure:
    """A number as text, with its meaning."""

    name: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Picture:
    """A PNG with its caption."""

    png: bytes
    caption: str
    small: bool = False
    """A sheet of tiny pictures: it is not stretched to the width of the page."""


@dataclass(frozen=True)
class Table:
    """Rows under a title; `weights`, one per row, are drawn as bars behind the rows."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    weights: Sequence[float] = ()


@dataclass(frozen=True)
class Chapter:
    """One task: what was trained, its results, and what to do next."""

    name: str
    title: str
    lead: str
    figures: Sequence[Figure]
    parts: Sequence[Picture | Table]
    next: Sequence[str] = field(default_factory=tuple)
    """Commands to try."""


def training_time(cost: Compute) -> Figure:
    """The figure of a training's time, with its operations."""
    meaning = f"{1000 * cost.train_pflop:.2g} TFLOP (10¹² operations) at {cost.gflops:.0f} GFLOP/s"
    return Figure("training", f"{cost.train_seconds:.0f} s", meaning)


def percent(share: float, digits: int = 1) -> str:
    """A share as text, in per cent."""
    return f"{100 * share:.{digits}f} %"
