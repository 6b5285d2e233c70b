"""From a clone to the report, from a wheel in an empty environment, and again. Cost on two cores: 5 min.

Each begins in an empty folder with an empty cache of its own. Packages come from pip's cache where it has them.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import record

ROOT = Path(__file__).parent.parent


def timed(folder: Path, *line: object) -> float:
    """Seconds that a command takes in a folder; it finds none of this process's packages."""
    kept = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV", "TRINE_DATA")
    }
    start = time.perf_counter()
    subprocess.run(list(map(str, line)), cwd=folder, env={**kept, "TRINE_CACHE": f"{folder}/cache"}, check=True)
    return time.perf_counter() - start


def from_clone(folder: Path) -> dict[str, float]:
    cloning = timed(folder, "git", "clone", "--quiet", ROOT, "trine")
    installing = timed(folder / "trine", "make", "setup")
    showing = timed(folder / "trine", "make", "demo")
    again = timed(folder / "trine", "make", "demo")
    report = folder / "trine" / "demo" / "report.html"
    return {
        "clone_to_report_seconds": cloning + installing + showing,
        "install_seconds": installing,
        "demo_seconds": showing,
        "again_seconds": again,
        "report_kib": report.stat().st_size / 1024,
    }


def from_wheel(folder: Path) -> dict[str, float]:
    timed(folder, sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", "built", ROOT)
    timed(folder, sys.executable, "-m", "venv", "empty")
    (wheel,) = (folder / "built").glob("*.whl")
    constraints = ("--constraint", ROOT / "constraints.txt")
    timed(folder, "empty/bin/python", "-m", "pip", "install", "--quiet", *constraints, f"{wheel}[demo]")
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    seconds = timed(elsewhere, folder / "empty" / "bin" / "trine", "demo")
    assert (elsewhere / "demo" / "report.html").stat().st_size
    return {"wheel_demo_seconds": seconds}


if __name__ == "__main__":
    figures: dict[str, float] = {}
    for measure in (from_clone, from_wheel):
        with tempfile.TemporaryDirectory() as folder:
            figures |= measure(Path(folder))
    record.keep("first-minutes", "python bench/first_minutes.py", figures)
