"""The steps of the demo: every task is trained, or continued where it stopped; then the page is written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from trine import files
from trine.demo.part import Part
from trine.page.page import page
from trine.progress import Reporter
from trine.tasks import TASKS, imported

REPORT = "report.html"
TITLE = "Three networks, trained on this machine"


def run(out: Path, progress: Callable[[], Reporter], settings: dict[str, dict[str, Any]] | None = None) -> Path:
    """Train every task under `out`, keep the runs that are complete, and write the report.

    settings   settings of a task's recipe by the task's name, instead of the demo's own
    Raises what `Model.fit` raises.
    """
    seconds, chapters = 0.0, []
    for position, (name, task) in enumerate(TASKS.items(), 1):
        part: Part = imported(f"trine.demo.{name}:PART")
        report, folder = progress(), out / name
        report.note(f"{position} of {len(TASKS)}, {name}: {part.what} ({part.data})")
        model = task.model_class()(**(settings or {}).get(name, part.settings))
        model.fit(part.data, out=folder, resume=(folder / "recipe.json").exists(), report=report)
        seconds += model.cost.train_seconds
        chapters.append(part.chapter(model, folder))
    written = out / REPORT
    files.write_bytes(written, page(TITLE, chapters, seconds, "trine demo").encode())
    return written
