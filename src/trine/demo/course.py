"""The demo's course: each job trained, or taken from where it was, then the page."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trine import files
from trine.classify.classifier import Classifier
from trine.demo import classify, detect, generate
from trine.demo.chapter import Chapter
from trine.demo.page import page
from trine.detect.detector import Detector
from trine.generate.generator import Generator
from trine.progress import Reporter
from trine.train.estimator import Estimator

REPORT = "report.html"


@dataclass(frozen=True)
class Job:
    """One training of the demo."""

    estimator: type[Estimator[Any, Any]]
    data: str
    what: str
    chapter: Callable[[Any, Path], Chapter]
    settings: dict[str, Any]
    """Of its recipe: smaller than `quick`, so that all three are done in a minute or two on two old cores."""


JOBS = {
    "classify": Job(
        Classifier,
        classify.DATA,
        "5,000 handwritten digits",
        classify.chapter,
        {"widths": (16, 48, 96), "least_steps": 150},
    ),
    "detect": Job(
        Detector,
        detect.DATA,
        "system calls of a web service, used and misused",
        detect.chapter,
        {"folds": 2, "epochs": 10.0},
    ),
    "generate": Job(
        Generator,
        generate.DATA,
        "the same digits, to make new ones",
        generate.chapter,
        {"widths": (16, 32, 64), "latent": 16, "least_steps": 450, "flow_steps": 600},
    ),
}


def run(out: Path, progress: Callable[[], Reporter], settings: dict[str, dict[str, Any]] | None = None) -> Path:
    """Train all jobs under `out`, with what is finished there left as it is, and write the report.

    settings   of a job's recipe, by the job's name, instead of its own
    Raises what `Estimator.fit` raises.
    """
    seconds, chapters = 0.0, []
    for place, (name, job) in enumerate(JOBS.items(), 1):
        report, folder = progress(), out / name
        report.note(f"{place} of {len(JOBS)}, {name}: {job.what} ({job.data})")
        model = job.estimator(**(settings or {}).get(name, job.settings))
        model.fit(job.data, out=folder, resume=(folder / "recipe.json").exists(), report=report)
        seconds += model.cost.train_seconds
        chapters.append(job.chapter(model, folder))
    written = out / REPORT
    files.write_bytes(written, page(chapters, seconds).encode())
    return written
