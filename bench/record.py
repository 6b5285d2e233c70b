"""What the scripts here share: run the `trine` command as a user would, and keep what it measured as JSON."""

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
"""Of the names of results, by the precision that the processor computes in."""
RESULTS = Path(__file__).parent / "results"
RUNS = Path(os.environ.get("TRINE_BENCH_RUNS", Path.home() / ".cache" / "trine" / "bench"))


def precision() -> str:
    """That in which networks compute on this processor."""
    return "bfloat16" if choose("cpu").bfloat16 else "float32"


def by_precision(name: str) -> str:
    """The name of a result that depends on that precision."""
    return name + SUFFIXES[precision()]


def trine(*words: object) -> tuple[dict[str, Any], float]:
    """The JSON document that a `trine` command prints, and the seconds it took, process start included."""
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "trine", *map(str, words), "--json"], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"trine {' '.join(map(str, words))}: exit status {done.returncode}")
    return json.loads(done.stdout), time.perf_counter() - start


def fit(task: str, data: str, folder: Path, *words: object, **settings: object) -> dict[str, Any]:
    """The result of `trine TASK fit DATA` in this folder; a training that was begun there earlier is gone on with."""
    resume = ["--resume"] if (folder / "recipe.json").exists() else []
    return trine(task, "fit", data, "--out", folder, *words, *set_to(**settings), *resume)[0]


def set_to(**settings: object) -> list[str]:
    """The words of a command line that change these settings of a recipe."""
    return [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]


def environment(name: str, *packages: str) -> str:
    """The Python of an environment of the bench's own: these packages, and beside them all that this process has."""
    folder = RUNS / "environments" / name
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", *packages], check=True)
        (folder / "ready").touch()
    site = next(folder.glob("lib/*/site-packages"))
    (site / "project.pth").write_text(f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n")
    return str(python)


def own_source() -> dict[str, str]:
    """The environment variables under which such a Python imports this checkout's package."""
    return {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent / "src")}


def in_minutes(task: str, data: str, minutes: float) -> tuple[dict[str, Any], dict[str, Any]]:
    """The result of a preset's training within a budget of time, and how well the budget was kept."""
    folder = RUNS / f"{data}-minutes-{minutes:g}"
    shutil.rmtree(folder, ignore_errors=True)
    result, seconds = trine(task, "fit", data, "--minutes", minutes, "--out", folder)
    kept = {"asked_minutes": minutes, "wall_minutes": seconds / 60, "deviation": seconds / 60 / minutes - 1}
    return result, kept


def keep(name: str, command: str, figures: dict[str, Any]) -> None:
    """Write bench/results/<name>.json: figures, the command that gave them, machine, versions, date."""
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
    """Mean, standard deviation and the values themselves."""
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return {"mean": statistics.fmean(values), "sd": deviation, "values": values}
