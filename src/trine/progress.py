"""What a person sees while a network trains: a live bar on a terminal, plain lines otherwise, on stderr."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

Figures = dict[str, float]
LINE_SECONDS = 10.0


@runtime_checkable
class Reporter(Protocol):
    """Told of the training's course by the loop."""

    def note(self, line: str) -> None:
        """A line to be read: a forecast, a warning."""

    def advance(self, step: int, total: int, figures: Figures) -> None:
        """After each step: loss, the validation figure, samples/s, GFLOP/s, seconds left."""

    def close(self) -> None:
        """The training ended."""


class Silent:
    """Says nothing: for processes that do not lead, and for callers in Python who do not want it."""

    def note(self, line: str) -> None:
        """Say nothing."""

    def advance(self, step: int, total: int, figures: Figures) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Say nothing."""


class Lines:
    """Plain lines, one every few seconds and one at the end."""

    def __init__(self) -> None:
        self.next_time = 0.0
        self.last = ""

    def note(self, line: str) -> None:
        """Print the line."""
        print(line, file=sys.stderr, flush=True)  # noqa: T201

    def advance(self, step: int, total: int, figures: Figures) -> None:
        """Print where the training stands, at most every few seconds."""
        self.last = f"step {step:,}/{total:,}  {describe(figures)}"
        if time.monotonic() >= self.next_time or step == total:
            self.next_time = time.monotonic() + LINE_SECONDS
            self.note(self.last)

    def close(self) -> None:
        """Nothing is left to print."""


class Bar:
    """A live bar of rich."""

    def __init__(self) -> None:
        self.bar: RichProgress | None = None

    def note(self, line: str) -> None:
        """Print the line above the bar."""
        if self.bar:
            self.bar.console.print(line, highlight=False, markup=False)
        else:
            print(line, file=sys.stderr, flush=True)  # noqa: T201

    def advance(self, step: int, total: int, figures: Figures) -> None:
        """Move the bar."""
        if self.bar is None:
            self.bar = _bar()
            self.bar.start()
            self.bar.add_task("train", total=total)
        self.bar.update(self.bar.task_ids[0], completed=step, total=total, description=describe(figures))

    def close(self) -> None:
        """Leave the bar as it stands."""
        if self.bar:
            self.bar.stop()


def reporter(leads: bool = True, quiet: bool = False) -> Reporter:
    """The reporter that suits where stderr goes."""
    if quiet or not leads:
        return Silent()
    return Bar() if sys.stderr.isatty() else Lines()


def describe(figures: Figures) -> str:
    """The figures of one moment as a line: `loss 1.23  accuracy 0.81  1,234 pictures/s  210 GFLOP/s  3:10 left`."""
    return "  ".join(_shown(name, value) for name, value in figures.items())


def _shown(name: str, value: float) -> str:
    if name == "left":
        return f"{int(value) // 60}:{int(value) % 60:02d} left"
    if "/" in name:
        return f"{value:,.0f} {name}"
    return f"{name} {value:.4g}"


@contextmanager
def counted(what: str, total: int, wanted: bool = True) -> Iterator[Callable[[int], None]]:
    """A bar on stderr for work outside a training; call what it yields with what was done. None off a terminal."""
    with _bar(transient=True, disable=not (wanted and sys.stderr.isatty())) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.advance(task, done)


def _bar(**settings: bool) -> "RichProgress":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (BarColumn(bar_width=24), MofNCompleteColumn(), TextColumn("{task.description}"))
    return Progress(*columns, console=Console(stderr=True), **settings)  # type: ignore[arg-type]
