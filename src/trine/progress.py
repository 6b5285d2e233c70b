"""Progress on stderr: a live bar on a terminal, plain lines otherwise."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from threading import Event, Thread
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from trine.annotations import override

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress

Figures = dict[str, float]
"""Figures by name, of one moment of a training."""
LINE_SECONDS = 4.5
"""Seconds between plain lines; work that reports nothing for so long is named again."""


@runtime_checkable
class Reporter(Protocol):
    """Receives the course of a training from the loop. By default it does nothing with it."""

    def note(self, line: str) -> None:
        """A line for the user: a forecast, a warning."""
        return

    def advance(self, step: int, total: int, figures: Figures) -> None:
        """Called after each step with loss, validation figure, samples/s, GFLOP/s and seconds left."""
        return

    def validated(self, progress: float, score: float) -> None:
        """Called after each validation with what validations are compared by, lower is better; at last, with that of
        the weights that are kept. An error that it raises ends the training."""
        return

    def working(self, what: str) -> AbstractContextManager[None]:
        """A context manager for a part of the work: the user sees that it goes on, also where it reports nothing."""
        return nullcontext()

    def close(self) -> None:
        """Called when the training ends."""
        return


class Silent(Reporter):
    """Reports nothing: for processes that do not lead."""


class Lines(Reporter):
    """Plain lines: one every `LINE_SECONDS`, and one at the end."""

    def __init__(self) -> None:
        self.next_time = 0.0
        self.spoken_at = time.monotonic()
        self.last = ""

    @override
    def note(self, line: str) -> None:
        self.spoken_at = time.monotonic()
        print(line, file=sys.stderr, flush=True)  # noqa: T201

    @override
    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        begin, done = time.monotonic(), Event()

        def watch() -> None:
            while not done.wait(0.25):
                if time.monotonic() - self.spoken_at >= LINE_SECONDS:
                    self.note(f"{what}: {time.monotonic() - begin:.0f} s so far")

        watcher = Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            done.set()
            watcher.join()

    @override
    def advance(self, step: int, total: int, figures: Figures) -> None:
        self.last = f"step {step:,}/{total:,}  {describe(figures)}"
        if time.monotonic() >= self.next_time or step == total:
            self.next_time = time.monotonic() + LINE_SECONDS
            self.note(self.last)


class Bar(Reporter):
    """A live bar, drawn by rich."""

    def __init__(self) -> None:
        self.bar: RichProgress | None = None

    @override
    def note(self, line: str) -> None:
        if self.bar:
            self.bar.console.print(line, highlight=False, markup=False)
        else:
            print(line, file=sys.stderr, flush=True)  # noqa: T201

    @override
    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        self.close()
        self.bar = _bar(transient=True)
        self.bar.start()
        self.bar.add_task(what, total=None)
        try:
            yield
        finally:
            self.close()

    @override
    def advance(self, step: int, total: int, figures: Figures) -> None:
        if self.bar is None:
            self.bar = _bar()
            self.bar.start()
            self.bar.add_task("training", total=total)
        self.bar.update(self.bar.task_ids[0], completed=step, total=total, description=describe(figures))

    @override
    def close(self) -> None:
        if self.bar:
            self.bar.stop()
            self.bar = None


def reporter(leads: bool = True, quiet: bool = False) -> Reporter:
    """A bar if stderr is a terminal, else lines; silent when `quiet` or not leading."""
    if quiet or not leads:
        return Silent()
    return Bar() if sys.stderr.isatty() else Lines()


def describe(figures: Figures) -> str:
    """Figures as a line: `loss 1.23  accuracy 0.81  1,234 pictures/s  210 GFLOP/s  3:10 left`."""
    return "  ".join(_shown(name, value) for name, value in figures.items())


def _shown(name: str, value: float) -> str:
    if name == "left":
        return f"{int(value) // 60}:{int(value) % 60:02d} left"
    if "/" in name:
        return f"{value:,.0f} {name}"
    return f"{name} {value:.4g}"


@contextmanager
def counted(what: str, total: int, wanted: bool = True) -> Iterator[Callable[[int], None]]:
    """A bar on stderr for other work: call the yielded function with the number of items done. None off a terminal."""
    with _bar(transient=True, disable=not (wanted and sys.stderr.isatty())) as progress:
        task = progress.add_task(what, total=total)
        yield lambda done: progress.advance(task, done)


def _bar(**settings: bool) -> "RichProgress":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (BarColumn(bar_width=24), MofNCompleteColumn(), TextColumn("{task.description}"))
    return Progress(*columns, console=Console(stderr=True), **settings)  # type: ignore[arg-type]
