"""From a clone to the report of `trine demo`, and from a wheel in an empty environment. Cost on two cores: 5 min.

Both start in an empty folder with an empty cache of Trine. Packages come from pip's cache if it has them.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.support import record
from bench.support.claim import Cells, Claim

ROOT = Path(__file__).parents[2]

CLAIMS = [
    Claim(
        "`trine demo`: three trainings and a report; a second time",
        "first-minutes",
        lambda f: Cells(f"{f['demo_seconds']:.0f} s; {f['again_seconds']:.0f} s"),
        "Packages came from pip's cache.",
        front=True,
    ),
    Claim(
        "clone, installation and `make demo`; installation alone",
        "first-minutes",
        lambda f: Cells(f"{f['clone_to_report_seconds'] / 60:.1f} min; {f['install_seconds'] / 60:.1f} min"),
    ),
    Claim(
        "`trine demo` from a wheel in an empty environment",
        "first-minutes",
        lambda f: Cells(f"{f['wheel_demo_seconds']:.0f} s"),
    ),
]


def timed(folder: Path, *line: object) -> float:
    """Duration in seconds of a command in a folder, without the packages of this process."""
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
    argparse.ArgumentParser(description=__doc__).parse_args()
    figures: dict[str, float] = {}
    for measure in (from_clone, from_wheel):
        with tempfile.TemporaryDirectory() as folder:
            figures |= measure(Path(folder))
    record.keep("first-minutes", "python -m bench.demo.first_minutes", figures)
