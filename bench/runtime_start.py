"""Process start to first answer, and memory, without torch and with it. Cost: 3 minutes, after bench.export.

The wheel is installed with its extra `runtime` into an environment of its own, as a service does it; the peer is the
full package in the environment of this process. Starts of both alternate, because the load of the machine changes.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from bench.support import record
from bench.support.claim import Cells, Claim, Figures
from trine import bundle
from trine.export.exporter import export_bundle

STARTS = 5
"""Starts of each side; the first ones fill the disk cache and are not counted."""
FIRST_ANSWERS = {
    "classify": ("a picture file to its class", "model.predict(sys.argv[2])[0].label"),
    "detect": ("an event to its surprisal", "model.step([None], ['open'])"),
    "generate": ("a seed to a picture", "model.sample(1, seed=1)"),
}
"""What is asked of each model first."""
PROGRAM = """
import sys
from {module} import load
model = load(sys.argv[1])
answer = {answer}
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(status["VmHWM"].split()[0], flush=True)
"""


def cells(figures: Figures, task: str) -> Cells:
    alone, full = figures[task]["runtime"], figures[task]["full"]
    return Cells(
        f"{alone['seconds']:.2f} s, {alone['mib']:.0f} MiB",
        f"{full['seconds']:.2f} s, {full['mib']:.0f} MiB",
        f"{alone['seconds'] / full['seconds']:.2f}×, {alone['mib'] / full['mib']:.2f}×",
    )


CLAIMS = [
    Claim(
        f"Process start to first answer and peak memory without torch, {what}; peer: with torch",
        "runtime-start",
        lambda f, task=task: cells(f, task),
        f"Median of {STARTS} starts.",
        front=task == "classify",
    )
    for task, (what, _) in FIRST_ANSWERS.items()
]


def environment() -> Path:
    """Python of an environment with the present source as a wheel and the extra `runtime` only."""
    folder = record.RUNS / "environments" / "runtime"
    shutil.rmtree(folder, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    pip = [folder / "bin" / "python", "-m", "pip", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", folder, record.ROOT], check=True)
    (wheel,) = folder.glob("trine-*.whl")
    constraints = ["--constraint", record.ROOT / "constraints.txt"]
    subprocess.run([*pip, "install", *constraints, f"trine[runtime] @ file://{wheel}"], check=True)
    return folder / "bin" / "python"


def exported(task: str) -> Path:
    """The model that bench.export trained, exported for these measurements."""
    trained, folder = bundle.locate(record.RUNS / f"export-{task}"), record.RUNS / "runtime-start" / task
    sums = [bundle.read_manifest(each).files[bundle.WEIGHTS] for each in (trained, folder) if each.exists()]
    if len(sums) == 1 or sums[0] != sums[1]:
        export_bundle(trained, folder)
    return folder


def start(python: str | Path, module: str, task: str, folder: Path, picture: Path) -> tuple[float, float, float]:
    """Seconds from the start of a process to its first answer, processor time of it all, and peak memory in MiB."""
    program = PROGRAM.format(module=module, answer=FIRST_ANSWERS[task][1])
    isolated = ["-I"] if module == "trine.runtime" else []  # the wheel, not this source
    begin = time.perf_counter()
    line = [python, *isolated, "-c", program, folder, picture]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=record.with_source()) as process:
        assert process.stdout is not None
        peak = process.stdout.readline()
        seconds = time.perf_counter() - begin
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{module}, {task}: exit status {process.returncode}")
    return seconds, used.ru_utime + used.ru_stime, int(peak) / 1024


def measured(python: Path, task: str, picture: Path) -> dict[str, Any]:
    folder = exported(task)
    sides: dict[str, tuple[str | Path, str]] = {"runtime": (python, "trine.runtime"), "full": (sys.executable, "trine")}
    starts = {name: [start(*side, task, folder, picture)] for name, side in sides.items()}
    for _ in range(STARTS):
        for name, side in sides.items():
            starts[name].append(start(*side, task, folder, picture))
    return {name: summarised(each[1:]) for name, each in starts.items()}


def summarised(starts: list[tuple[float, float, float]]) -> dict[str, Any]:
    seconds, processor, mib = zip(*starts, strict=True)
    return {
        "seconds": statistics.median(seconds),
        "processor_seconds": statistics.median(processor),
        "mib": max(mib),
        "values": list(seconds),
    }


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    picture = record.RUNS / "start.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 40, 3), np.uint8)).save(picture)
    python = environment()
    record.keep(
        "runtime-start",
        "python -m bench.runtime_start",
        {task: measured(python, task, picture) for task in FIRST_ANSWERS},
    )


if __name__ == "__main__":
    main()
