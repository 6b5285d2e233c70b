"""trine show: the content of a model or a run."""

import json as json_module
import sys
from pathlib import Path
from typing import Any

from trine import bundle
from trine.cli import output
from trine.cli.chart import framed, sparkline
from trine.cli.options import Json, Model
from trine.errors import BundleError
from trine.result import Result
from trine.train.run import Run


def show(path: Model, *, json: Json = False) -> None:
    """Show what a bundle or a run folder holds: task, data, figures, recipe, curves; of an unfinished run its progress.

    trine show runs/classify-photos
    """
    document = _described(path)
    if json:
        output.print_json(document)
        return
    rows = [(name, _shown(value)) for name, value in document.items() if name not in ("recipe", "figures")]
    output.print_table(f"{path}", ("what", "value"), rows)
    recipe = [(name, _shown(value)) for name, value in document["recipe"].items()]
    output.print_table("recipe", ("setting", "value"), recipe)
    _print_curves(Run(path).history())
    if document.get("figures"):
        output.print_result(Result.model_validate(document["figures"]), as_json=False)


def _described(path: Path) -> dict[str, Any]:
    run = Run(path)
    try:
        folder = bundle.locate(path)
    except BundleError:
        if not run.started:
            raise
        return _unfinished(run)
    manifest, arrays = bundle.read(folder)
    return {
        "task": manifest.task,
        "state": "trained",
        "data": manifest.data,
        "format": manifest.format,
        "parameters": sum(value.size for value in arrays.values()),
        "files": sorted(manifest.files),
        "versions": manifest.versions,
        "content": manifest.content,
        "recipe": manifest.recipe,
        "figures": manifest.figures,
    }


def _unfinished(run: Run) -> dict[str, Any]:
    history, plan = run.history(), run.plan()
    checks = [entry["validation"] for entry in history if "validation" in entry]
    return {
        "state": "not finished: go on with --resume",
        "data": plan["data"],
        "step": history[-1]["step"] if history else 0,
        "progress": history[-1]["progress"] if history else 0.0,
        "validation": checks[-1] if checks else None,
        "recipe": run.settings(),
    }


def _print_curves(history: list[dict[str, Any]]) -> None:
    """One chart per figure of the training: the loss of the batches, and the figures of the validation."""
    for name, values in _curves(history).items():
        if sys.stdout.isatty():
            print("\n".join(["", *framed(name, values)]))
        else:
            print(f"{name}\t{sparkline(values)}\t{values[0]:.4g} → {values[-1]:.4g}")


def _curves(history: list[dict[str, Any]]) -> dict[str, list[float]]:
    curves = {"training loss": [entry["loss"] for entry in history if "loss" in entry]}
    for entry in history:
        for name, value in entry.get("validation", {}).items():
            curves.setdefault(f"validation {name}", []).append(value)
    return {name: values for name, values in curves.items() if len(values) > 1}


def _shown(value: Any) -> str:
    text = json_module.dumps(value, ensure_ascii=False) if isinstance(value, dict | list) else str(value)
    return text if len(text) <= 160 else f"{text[:157]}..."
