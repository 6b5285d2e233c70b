"""What a page is made of: chapters with figures, pictures, tables and commands."""

from collections.abc import Sequence
from dataclasses import dataclass, field

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


def cost(spent: Compute) -> Figure:
    """What a training took."""
    meaning = f"{1000 * spent.train_pflop:.2g} TFLOP (10¹² operations) at {spent.gflops:.0f} GFLOP/s"
    return Figure("training", f"{spent.train_seconds:.0f} s", meaning)


def percent(share: float, digits: int = 1) -> str:
    """A share, for people."""
    return f"{100 * share:.{digits}f} %"
