"""Small exported models of every task, made once per run of the tests, and what they learned from."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from filelock import FileLock

from tests.detect.conftest import WITH_NETWORK, normal_runs, write_log, write_table
from tests.runtime.conftest import DRAWINGS, EVENTS, PICTURES, paint_photos
from trine import Classifier, Detector, Generator

TABLE = [{"events": run, "split": "train", "name": f"run{i}"} for i, run in enumerate(normal_runs(60, 0))]


def made(name: str) -> Path:
    """The run folder of a model; its bundle has graphs."""
    root = Path(os.environ["TRINE_CACHE"]) / "served-models"
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / f"{name}.lock"):
        folder = root / name
        if not (folder / "ready").exists():
            MAKERS[name](folder)
            (folder / "ready").touch()
    return folder / "run"


def _fitted(folder: Path, model: Any, data: Any) -> None:
    model.fit(data, out=folder / "run", device="cpu", test=False)
    model.export(folder / "run" / "bundle")


def _classifier(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "learned").mkdir()
    _fitted(folder, Classifier(**PICTURES, picture_size=24), paint_photos(folder / "learned", seed=0))


def _detector(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _fitted(folder, Detector(**EVENTS, members=WITH_NETWORK), write_table(folder / "programs.jsonl", TABLE))


def _log_detector(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    _fitted(folder, Detector(**EVENTS, members=WITH_NETWORK), write_log(folder / "auth.log", 40))


def _generator(folder: Path) -> None:
    _fitted(folder, Generator(**DRAWINGS, label=True), "digits")


MAKERS: dict[str, Callable[[Path], None]] = {
    "photos": _classifier,
    "programs": _detector,
    "sshd": _log_detector,
    "drawings": _generator,
}


def tensor(name: str, datatype: str, shape: list[int], data: list[Any]) -> dict[str, Any]:
    """A tensor in JSON."""
    return {"name": name, "datatype": datatype, "shape": shape, "data": data}


def lines_of(text: str) -> list[dict[str, Any]]:
    """The lines of JSON in a log, without what is said to people."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
