"""What the workers of a training say, through files that the process which started them reads."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from threading import Event, Thread
from typing import Any, Self

from typing_extensions import override

from trine import errors, files
from trine.errors import TrineError
from trine.progress import Figures, Reporter

SAID = "said.jsonl"
"""File of what was said, a JSON object per line."""
ADVANCE_SECONDS = 0.5
"""Time between two figures of the course that are passed on."""
POLL_SECONDS = 0.2


class Telling(Reporter):
    """Writes what the loop reports into a file."""

    def __init__(self, desk: Path) -> None:
        self._path = desk / SAID
        self._next = 0.0

    @override
    def note(self, line: str) -> None:
        self._say(note=line)

    @override
    def advance(self, step: int, total: int, figures: Figures) -> None:
        if time.monotonic() >= self._next or step == total:
            self._next = time.monotonic() + ADVANCE_SECONDS
            self._say(step=step, total=total, figures=figures)

    @override
    @contextmanager
    def working(self, what: str) -> Iterator[None]:
        self._say(begins=what)
        try:
            yield
        finally:
            self._say(ends=what)

    def _say(self, **what: Any) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(what) + "\n")


class Listening:
    """Passes on to a reporter what is written, for the duration of a block."""

    def __init__(self, desk: Path, report: Reporter) -> None:
        self._path, self._report = desk / SAID, report
        self._done = Event()
        self._thread = Thread(target=self._listen, daemon=True)
        self._offset = 0
        self._part: AbstractContextManager[None] = nullcontext()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._done.set()
        self._thread.join()

    def _listen(self) -> None:
        while not self._done.wait(POLL_SECONDS):
            self._pass_on()
        self._pass_on()
        self._change(nullcontext())

    def _pass_on(self) -> None:
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                written = file.read()
        except OSError:
            return
        whole = written[: written.rfind(b"\n") + 1]
        self._offset += len(whole)
        for line in whole.splitlines():
            self._say(json.loads(line))

    def _say(self, said: dict[str, Any]) -> None:
        if "note" in said:
            self._report.note(said["note"])
        elif "step" in said:
            self._report.advance(said["step"], said["total"], said["figures"])
        elif "begins" in said:
            self._change(self._report.working(said["begins"]))
        else:
            self._change(nullcontext())

    def _change(self, part: AbstractContextManager[None]) -> None:
        """End the part of the work that was named, and begin the next: a worker that dies ends none."""
        self._part.__exit__(None, None, None)
        self._part = part
        part.__enter__()


def tell_failure(desk: Path, problem: TrineError) -> None:
    """Write down an error that this worker raises on purpose."""
    rank = int(os.environ.get("RANK", "0"))
    files.write_json(desk / f"failed-{rank}.json", {"kind": type(problem).__name__, "text": str(problem)})


def failure(desk: Path) -> TrineError | None:
    """The error that a worker raised on purpose, that of the first if several did."""
    for path in sorted(desk.glob("failed-*.json")):
        said = json.loads(path.read_text(encoding="utf-8"))
        kind = getattr(errors, said["kind"], TrineError)
        return kind(said["text"]) if issubclass(kind, TrineError) else TrineError(said["text"])
    return None
