"""Runs on disk, finished or going on: recipe, curves, result and pictures. They are read, never written."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from trine.serve.refusals import Refusal

RECIPE, PLAN, RESULT = "recipe.json", "plan.json", "result.json"
CURVES = re.compile(r"metrics(?:-(\w+))?\.jsonl")
PICTURE = re.compile(r"[\w-]{1,80}\.png")
LARGEST = 64 << 20
"""Bytes of a file that are read."""
MOST = 1_000
"""Runs that are listed."""


class Runs:
    """The runs that a service shows, by name."""

    def __init__(self, folders: Iterable[Path]) -> None:
        """folders   runs, or folders of runs"""
        self._folders = [folder.absolute() for folder in folders]

    def names(self) -> dict[str, Path]:
        """The folder of each run. A folder that is looked into again shows runs that have begun since."""
        found: dict[str, Path] = {}
        for folder in self._folders:
            for run in _runs_in(folder):
                name = run.name if run.name not in found else f"{run.parent.name}-{run.name}"
                found.setdefault(name, run)
                if len(found) >= MOST:
                    return found
        return found

    def listed(self) -> list[dict[str, Any]]:
        """All runs in short, the last to be written first."""
        rows = [_short(name, folder) for name, folder in self.names().items()]
        return sorted(rows, key=lambda row: -row["changed"])

    def details(self, name: str, since: Mapping[str, int]) -> dict[str, Any]:
        """One run with its curves, of each stage the entries after a step. Raises `Refusal` (404)."""
        folder = self._folder(name)
        return {
            **_short(name, folder),
            "recipe": _document(folder / RECIPE),
            "plan": _document(folder / PLAN),
            "result": _document(folder / RESULT) or None,
            "curves": {stage: list(_points(path, since.get(stage, -1))) for stage, path in _curves(folder)},
            "pictures": sorted(path.name for path in _pictures(folder)),
        }

    def picture(self, name: str, picture: str) -> bytes:
        """A picture of a run. Raises `Refusal` (404)."""
        for path in _pictures(self._folder(name)):
            if path.name == picture and path.stat().st_size <= LARGEST:
                return path.read_bytes()
        raise Refusal(404, f"{name} has no picture {picture!r:.80}")

    def _folder(self, name: str) -> Path:
        names = self.names()
        if name not in names:
            raise Refusal(404, f"no run {name!r:.80}: there are {', '.join(list(names)[:20]) or 'none'}")
        return names[name]


def _runs_in(folder: Path) -> Iterator[Path]:
    if (folder / RECIPE).is_file():
        yield folder
    elif folder.is_dir():
        yield from (each for each in sorted(folder.iterdir()) if (each / RECIPE).is_file())


def _short(name: str, folder: Path) -> dict[str, Any]:
    plan, result = _document(folder / PLAN), _document(folder / RESULT)
    last: dict[str, Any] = {}
    changed = (folder / RECIPE).stat().st_mtime if (folder / RECIPE).is_file() else 0.0
    for stage, path in _curves(folder):
        changed = max(changed, path.stat().st_mtime)
        if not stage:
            last = _last(path)
    return {
        "name": name,
        "task": result.get("task") or plan.get("task") or "",
        "data": _name_of(result.get("data") or plan.get("data")),
        "finished": bool(result),
        "changed": changed,
        "step": last.get("step"),
        "steps": last.get("total") or plan.get("steps"),
        "metrics": {
            key: value for key, value in (result.get("metrics") or {}).items() if isinstance(value, int | float)
        },
        "compute": result.get("compute") or None,
    }


def _name_of(data: Any) -> str:
    return str(data.get("name", "")) if isinstance(data, dict) else str(data or "")


def _curves(folder: Path) -> list[tuple[str, Path]]:
    """Stage and file of the curves: "" for the training itself."""
    found = ((CURVES.fullmatch(path.name), path) for path in sorted(folder.glob("metrics*.jsonl")))
    return [(match[1] or "", path) for match, path in found if match]


def _pictures(folder: Path) -> list[Path]:
    both = (folder, folder / "bundle")
    found = {
        path.name: path for each in both if each.is_dir() for path in each.glob("*.png") if PICTURE.fullmatch(path.name)
    }
    return [path for path in found.values() if path.is_file() and not path.is_symlink()]


def _points(path: Path, since: int) -> Iterator[dict[str, Any]]:
    """The entries after a step; a line that is being written is left out."""
    try:
        if path.stat().st_size > LARGEST:
            return
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        entry = _parsed(line)
        if isinstance(entry.get("step"), int) and entry["step"] > since:
            yield entry


def _last(path: Path) -> dict[str, Any]:
    """The last complete entry of a file that can be long."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 65_536))
            lines = file.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return {}
    return next((entry for line in reversed(lines) if (entry := _parsed(line))), {})


def _document(path: Path) -> dict[str, Any]:
    """A JSON document; empty where there is none, or none that is complete."""
    try:
        if path.stat().st_size > LARGEST:
            return {}
        return _parsed(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return {}


def _parsed(text: str) -> dict[str, Any]:
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) else {}
