"""Trained models at work without torch: onnxruntime, numpy and Pillow run the graphs of an exported bundle.

>>> from trine import runtime
>>> model = runtime.load("runs/classify-photos")
>>> model.predict("cat.jpg")[0].label
'cat'

The answers are those of `trine.load`, up to rounding. `pip install 'trine[runtime]'` brings what is needed.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trine import bundle
from trine.errors import BundleError, UsageError
from trine.runtime.exported import ExportedBundle
from trine.tasks import imported

if TYPE_CHECKING:
    from trine.runtime.classifier import ExportedClassifier
    from trine.runtime.detector import ExportedDetector
    from trine.runtime.generator import ExportedGenerator

MODELS = {
    "classify": "trine.runtime.classifier:ExportedClassifier",
    "detect": "trine.runtime.detector:ExportedDetector",
    "generate": "trine.runtime.generator:ExportedGenerator",
}
"""The class of each task, imported when it is needed: a classifier reads no logs."""


def load(
    path: str | Path, *, int8: bool = False, threads: int | None = None
) -> "ExportedClassifier | ExportedDetector | ExportedGenerator":
    """The model in an exported bundle or a run folder, whatever its task; every file is verified before it is used.

    int8      use the graph of 8-bit numbers; the bundle must have been exported with one
    threads   threads that compute; without, one per core
    Raises `BundleError`, `UsageError` without onnxruntime.
    """
    if threads is not None and threads < 1:
        raise UsageError(f"threads={threads}: give 1 or more")
    folder = bundle.locate(path)
    manifest = bundle.read_manifest(folder)
    if manifest.task not in MODELS:
        raise BundleError(f"{path}: a model of the task {manifest.task}: this version does not know it: upgrade Trine")
    build: Callable[[ExportedBundle], Any] = imported(MODELS[manifest.task])
    try:
        return build(ExportedBundle(folder, manifest, int8=int8, threads=threads))  # type: ignore[no-any-return]
    except (ValueError, KeyError, TypeError, IndexError) as problem:
        reason = " ".join(str(problem).split())[:200]
        raise BundleError(f"{path}: made for another version of Trine ({reason}): use that version") from problem
