"""A run: the folder of one training, from its recipe to its bundle."""

import json
import re
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from trine import files
from trine.errors import RunError, UsageError
from trine.recipe import Recipe
from trine.result import Result
from trine.train import checkpoint

RECIPE, PLAN, RESULT, LOCK = "recipe.json", "plan.json", "result.json", ".lock"
REPORT = "report.html"
WRITTEN = re.compile(
    r"(?:recipe|plan|result)\.json|metrics(?:-\w+)?\.jsonl|checkpoints|bundle|\w+\.png|report\.html|\..+"
)
"""Names of what is in a run's folder."""


class Run:
    """recipe.json, metrics.jsonl, result.json, pictures, checkpoints/ and bundle/ under one folder.

    stage   name of a second training in the same run, such as "flow": it has metrics and checkpoints of its own
    """

    def __init__(self, folder: Path, stage: str = "") -> None:
        self.folder = folder
        self.stage = stage
        self.metrics = folder / (f"metrics-{stage}.jsonl" if stage else "metrics.jsonl")
        self.checkpoints = folder / "checkpoints" / stage
        self.bundle = folder / "bundle"

    @property
    def started(self) -> bool:
        """Whether a training was started here."""
        return (self.folder / RECIPE).is_file()

    @property
    def finished(self) -> bool:
        """Whether training and evaluation are complete."""
        return (self.folder / RESULT).is_file()

    @property
    def complete(self) -> str:
        """What is said of a finished run that was to be resumed."""
        return f"{self.folder}: this run is complete already"

    @property
    def numbered(self) -> str:
        """What is said of a run that begins beside an earlier one."""
        return f"{self.folder}: a new run; --resume continues the last one, --overwrite replaces it"

    def refuse_started(self) -> None:
        """Raise `RunError` when a training was started here."""
        if self.started:
            raise RunError(
                f"{self.folder}: holds a run: add --resume to continue it, --overwrite to replace it, or choose "
                "another --out"
            )

    def begin(self, recipe: Recipe, plan: dict[str, Any]) -> None:
        """Write recipe and plan (data, settings, minutes). Raises `RunError` when the folder is in use."""
        self.refuse_started()
        files.sweep(self.folder)
        if self.folder.is_dir() and any(path.name != PLAN for path in self.folder.iterdir()):
            raise RunError(f"{self.folder}: is neither empty nor a run: choose another --out")
        files.write_json(self.folder / PLAN, plan)
        recipe.save(self.folder / RECIPE)

    def clear(self) -> None:
        """Remove an earlier run, so that another can begin here.

        Raises `RunError` when there are files that are no part of a run, or when a process is training in it.
        """
        if not self.started:
            return
        if others := sorted(path.name for path in self.folder.iterdir() if not WRITTEN.fullmatch(path.name)):
            raise RunError(f"{self.folder}: holds {others[0]!r}, no part of a run: move it, or choose another --out")
        with self.held():
            for path in sorted(self.folder.iterdir(), key=lambda path: path.name != RECIPE):  # no half run is left
                if path.is_dir():
                    shutil.rmtree(path)
                elif path.name != LOCK:
                    path.unlink()
        (self.folder / LOCK).unlink(missing_ok=True)

    def held(self) -> AbstractContextManager[None]:
        """Lock the folder against other trainings. Raises `RunError` when one is active."""
        return held(self.folder, "is training")

    def settings(self) -> dict[str, Any]:
        """The content of recipe.json, unchecked. Raises `RunError`."""
        return self._document(RECIPE)

    def plan(self) -> dict[str, Any]:
        """The plan that `begin` wrote. Raises `RunError`."""
        return self._document(PLAN)

    def record(self, figures: dict[str, Any]) -> None:
        """Append a line to the metrics."""
        try:
            with self.metrics.open("a", encoding="utf-8") as file:
                file.write(json.dumps(files.rounded(figures)) + "\n")
        except OSError as problem:
            raise RunError(files.explain(problem, self.metrics)) from problem

    def history(self) -> list[dict[str, Any]]:
        """The metrics in order; a line that a crash truncated is left out."""
        path = self.metrics
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []
        return [entry for entry in map(_parsed, lines) if entry is not None]

    def rewind(self, step: int) -> None:
        """Delete metrics and checkpoints after `step`, and the temporary files of killed processes."""
        files.sweep(self.folder)
        checkpoint.discard_after(self.checkpoints, step)
        kept = [json.dumps(entry) for entry in self.history() if entry["step"] <= step]
        files.write_bytes(self.metrics, "".join(f"{line}\n" for line in kept).encode())

    def finish(self, result: Result) -> None:
        """Write result.json, which marks the run as complete."""
        files.write_json(self.folder / RESULT, result.model_dump(mode="json"))

    def result(self) -> Result:
        """The result of a finished run. Raises `RunError`."""
        try:
            return Result.model_validate_json((self.folder / RESULT).read_bytes())
        except (OSError, ValueError) as problem:
            raise RunError(
                f"{self.folder / RESULT}: not readable ({problem}): train again with another --out"
            ) from None

    def _document(self, name: str) -> dict[str, Any]:
        try:
            return dict(json.loads((self.folder / name).read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as problem:
            raise RunError(f"{self.folder / name}: damaged ({problem}): start a new run with another --out") from None

    def write_picture(self, name: str, content: bytes) -> None:
        """Write a picture into the run's folder."""
        files.write_bytes(self.folder / name, content)


@contextmanager
def held(folder: Path, doing: str) -> Iterator[None]:
    """Lock a folder for one process. Raises `RunError` when another one is `doing` what it does there."""
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise RunError(f"{folder}: another process {doing} in it: wait for it, or choose another --out") from None
    except OSError as problem:
        raise RunError(files.explain(problem, folder)) from problem
    try:
        yield
    finally:
        lock.release()


def choose_folder(stem: str, out: Path | None, resume: bool, overwrite: bool = False) -> Path:
    """The run's folder: `out`, else runs/<stem>, numbered from 2 when that is taken.

    With `resume` or `overwrite` the newest run of that stem. Raises `RunError` when there is none to resume,
    `UsageError` for both.
    """
    if resume and overwrite:
        raise UsageError("--resume continues a run, --overwrite replaces it: give one of them")
    if out is not None:
        return out
    root, taken = Path("runs"), [0]
    for path in root.glob(f"{stem}*"):
        number = path.name.removeprefix(stem).removeprefix("-")
        exact = number.isdecimal() and path.name == f"{stem}-{number}" and int(number) > 1
        if (exact or path.name == stem) and _is_taken(path):
            taken.append(int(number) if exact else 1)
    started = [number for number in taken if number and Run(_numbered(root, stem, number)).started]
    if (resume or overwrite) and started:
        return _numbered(root, stem, max(started))
    if resume:
        raise RunError(f"{root / stem}: no run to resume: leave out --resume, or name the run's folder with --out")
    return _numbered(root, stem, max(taken) + 1)


def _numbered(root: Path, stem: str, number: int) -> Path:
    return root / (stem if number == 1 else f"{stem}-{number}")


def _is_taken(folder: Path) -> bool:
    """Whether a run cannot begin here: there is one, or something else; the plan of a killed run counts as nothing."""
    return not folder.is_dir() or any(path.name not in (PLAN, LOCK) for path in folder.iterdir())


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        entry = json.loads(line)
    except ValueError:
        return None
    return entry if isinstance(entry, dict) and isinstance(entry.get("step"), int) else None
