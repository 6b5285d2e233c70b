"""Run the `trine` command as a user does, and write what was measured as JSON."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import time
from datetime import date
from pathlib import Path
from typing import Any

from trine import files, machine
from trine.device import choose

SUFFIXES = {"bfloat16": "", "float32": "-float32"}
"""Suffix of a result's name, by the precision that networks use on the processor."""
ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "bench" / "results"
RUNS = Path(os.environ.get("TRINE_BENCH_RUNS", Path.home() / ".cache" / "trine" / "bench"))


def precision() -> str:
    """Precision that networks use on this processor."""
    return "bfloat16" if choose("cpu").bfloat16 else "float32"


def by_precision(name: str) -> str:
    """Name of a result that depends on this precision."""
    return name + SUFFIXES[precision()]


def trine(*words: object, module: str = "trine") -> tuple[dict[str, Any], float]:
    """JSON document printed by a `trine` command, and its duration in seconds, including the process start.

    module   what runs the command instead of `trine`
    """
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, words), "--json"], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"trine {' '.join(map(str, words))}: exit status {done.returncode}")
    return json.loads(done.stdout), time.perf_counter() - start


def fit(
    task: str, data: str, folder: Path, *words: object, module: str = "trine", **settings: object
) -> dict[str, Any]:
    """Result of `trine TASK fit DATA` in this folder; continue the training if the folder holds one."""
    resume = ["--resume"] if (folder / "recipe.json").exists() else []
    return trine(task, "fit", data, "--out", folder, *words, *set_to(**settings), *resume, module=module)[0]


def set_to(**settings: object) -> list[str]:
    """Command-line words that change these settings of a recipe."""
    return [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


def environment(name: str, *packages: str) -> str:
    """Python of a separate environment: these packages, plus all packages of this process."""
    folder = RUNS / "environments" / name
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", *packages], check=True)
        (folder / "ready").touch()
    site = next(folder.glob("lib/*/site-packages"))
    (site / "project.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    return str(python)


def with_source() -> dict[str, str]:
    """Environment variables with which such a Python imports `trine` and `bench` from this repository."""
    return {**os.environ, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}


def in_minutes(task: str, data: str, minutes: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """Result of a training with `--minutes`, and the duration relative to the budget."""
    folder = RUNS / f"{data}-minutes-{minutes:g}"
    shutil.rmtree(folder, ignore_errors=True)
    result, seconds = trine(task, "fit", data, "--minutes", minutes, "--out", folder)
    kept = {"asked_minutes": minutes, "wall_minutes": seconds / 60, "deviation": seconds / 60 / minutes - 1}
    return result, kept


def keep(name: str, command: str, figures: dict[str, Any]) -> None:
    """Write bench/results/NAME.json: figures, the command that measured them, machine, versions, date."""
    document = {
        "name": name,
        "command": command,
        "date": date.today().isoformat(),
        "machine": machine.facts(),
        "versions": machine.versions(),
        "figures": files.rounded(figures),
    }
    files.write_json(RESULTS / f"{name}.json", document)
    print(json.dumps(document["figures"], indent=2))


def spread(values: list[float]) -> dict[str, Any]:
    """Mean, standard deviation and all values."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": statistics.fmean(values), "sd": deviation, "values": values}
