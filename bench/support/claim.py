"""What a line of the results tables consists of, made from the figures of one file under bench/results."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

Figures = dict[str, Any]


class Cells(NamedTuple):
    """The measured part of a line: Trine's figure, the peer's figure in the same run, and their ratio."""

    trine: str
    peer: str = "–"
    ratio: str = "–"


@dataclass(frozen=True)
class Claim:
    """A line of the results tables."""

    what: str
    """What was measured, and on which data."""
    file: str
    """Name of the file under bench/results, without its ending."""
    cells: Callable[[Figures], Cells]
    """Makes the cells from the figures of the file."""
    note: str = ""
    """What a reader must know to judge the figure: a footnote of the file."""
    front: bool = False
    """Whether README shows the line."""


def mean(figure: Figures | float) -> float:
    """Mean over seeds, or the figure itself if there is one seed."""
    return figure["mean"] if isinstance(figure, dict) else figure


def plain(spread: Figures, digits: int = 3) -> str:
    """Mean ± standard deviation over seeds; the mean alone for one seed."""
    if len(spread["values"]) == 1:
        return f"{spread['mean']:.{digits}f}"
    return f"{spread['mean']:.{digits}f} ± {spread['sd']:.{digits}f}"


def percent(spread: Figures, digits: int = 2) -> str:
    """The same in percent."""
    return plain({name: 100 * spread[name] for name in ("mean", "sd")} | {"values": spread["values"]}, digits) + " %"


def times(ratio: float, digits: int = 2) -> str:
    """A ratio of two figures."""
    return f"{ratio:.{digits}f}×"


def network(figures: Figures) -> Figures:
    """Figures of a detector's recurrent network alone, a member that older files name `lstm`."""
    members = figures["per_member"]
    return members["network"] if "network" in members else members["lstm"]


def cost(figures: Figures) -> str:
    """Operations and time of one training."""
    return f"{mean(figures['train_pflop']):.3f} PFLOP in {mean(figures['train_seconds']) / 60:.1f} min"
