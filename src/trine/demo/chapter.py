"""What a page is made of: chapters with figures, pictures, tables and commands."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trine.result import Compute


@dataclass(frozen=True)
class Figure:
    """A number, and what it means."""

    name: str
    value: str
    meaning: str


@dataclass(frozen=True)
class Picture:
    """A PNG with its caption."""

    png: bytes
    caption: str
    small: bool = False
    """Of few pixels: drawn no larger than it is."""


@dataclass(frozen=True)
class Table:
    """Rows under a title; `weights`, where given, are drawn as a bar in each row."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    weights: Sequence[float] = ()


@dataclass(frozen=True)
class Chapter:
    """One job: what was done, what came of it, what to do next."""

    name: str
    title: str
    lead: str
    figures: Sequence[Figure]
    parts: Sequence[Picture | Table]
    next: Sequence[str] = field(default_factory=tuple)
    """Commands to try."""


@dataclass(frozen=True)
class Part:
    """One task of the demo."""

    data: str
    """A named set that comes with the package."""
    what: str
    """The data in words."""
    settings: dict[str, Any]
    """Of the recipe: smaller than `quick`, so that all tasks take a minute or two on two old cores."""
    chapter: Callable[[Any, Path], Chapter]
    """Makes the chapter of a trained model and its run's folder."""


def cost(spent: Compute) -> Figure:
    """What a training took."""
    meaning = f"{1000 * spent.train_pflop:.2g} TFLOP (10¹² operations) at {spent.gflops:.0f} GFLOP/s"
    return Figure("training", f"{spent.train_seconds:.0f} s", meaning)


def percent(share: float, digits: int = 1) -> str:
    """A share, for people."""
    return f"{100 * share:.{digits}f} %"
