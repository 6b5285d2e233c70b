"""`--minutes` on sets as people have them, quiet and busy: time kept, and what of it was training.

usage: python -m bench.own_pictures [--minutes 1 2 5 10] [--only SET ...] [--loads quiet busy]    (hours, by default)
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from bench.support import record
from bench.support.claim import Cells, Claim
from trine.pictures.picture_set import open_pictures

SETS_FOLDER = record.RUNS / "own-pictures"
TASKS = ("classify", "pretrained", "generate")
SPIN = "while True: pass"
SIDE = 600
CLAIMS = [
    Claim(
        "`--minutes`: time taken less time asked for, least; most; quiet, and beside a process that fills each core",
        "own-pictures-time",
        lambda f: Cells(
            f"{100 * f['smallest']:+.0f} %; {100 * f['largest']:+.0f} %", ratio=f"{len(f['trainings'])} runs"
        ),
        "Classifiers and generators of 300 photos, with one and two minutes.",
    )
]


def chosen(name: str, classes: int, each: list[int]) -> Iterator[tuple[str, int, np.ndarray]]:
    """The first pictures of the first classes of a named set: class, number and pixels."""
    opened = open_pictures(name, cut=False, progress=False)
    train = opened.splits["train"]
    for label in range(classes):
        for number, index in enumerate(np.flatnonzero(train.labels == label)[: each[label]]):
            yield opened.classes[label], number, np.array(train.images[index])


def photos(folder: Path, classes: int, count: int) -> None:
    """CIFAR-10 photos, enlarged to JPEGs of 600 pixels."""
    for name, number, pixels in chosen("cifar10", classes, [count // classes] * classes):
        image = Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        save(image, folder / name / f"{number}.jpg")


def digits(folder: Path, each: list[int]) -> None:
    """Digits of 28 pixels, so many of each class."""
    for name, number, pixels in chosen("mnist", len(each), each):
        save(Image.fromarray(pixels[..., 0]), folder / name / f"{number}.png")


def drawings(folder: Path, count: int, side: int) -> None:
    """Line drawings of polygons and ellipses, in two classes."""
    rng = np.random.default_rng(0)
    for number in range(count):
        image, name = Image.new("RGB", (side, side), "white"), ("round", "cornered")[number % 2]
        pen = ImageDraw.Draw(image)
        for _ in range(4):
            centre, radius = rng.uniform(0.3, 0.7, 2) * side, rng.uniform(0.1, 0.28) * side
            colour = tuple(int(value) for value in rng.integers(0, 180, 3))
            if name == "round":
                pen.ellipse([*(centre - radius), *(centre + radius)], outline=colour, width=max(1, side // 60))
            else:
                pen.regular_polygon((*centre, radius), int(rng.integers(3, 7)), outline=colour)
        save(image, folder / name / f"{number}.png")


def save(image: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


SETS: dict[str, Callable[[Path], None]] = {
    "photos-300": lambda folder: photos(folder, 7, 300),
    "photos-2000": lambda folder: photos(folder, 10, 2000),
    "digits-10": lambda folder: digits(folder, [10] * 10),
    "digits-50": lambda folder: digits(folder, [50] * 10),
    "digits-500": lambda folder: digits(folder, [500] * 10),
    "uneven": lambda folder: digits(folder, [500, 500, 500, 500, 500, 5, 5, 5, 5, 5]),
    "drawings-240": lambda folder: drawings(folder, 240, 420),
    "sprites-400": lambda folder: drawings(folder, 400, 48),
}


def made(name: str) -> Path:
    """The folder of a set, written if it is absent."""
    folder = SETS_FOLDER / name
    if not folder.exists():
        part = folder.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        SETS[name](part)
        part.rename(folder)
    return folder


@contextlib.contextmanager
def load(kind: str) -> Iterator[None]:
    """Other processes that keep every core busy, or none."""
    cores = 0 if kind == "quiet" else len(os.sched_getaffinity(0))
    others = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in range(cores)]
    try:
        yield
    finally:
        for other in others:
            other.kill()
            other.wait()


def longest_silence(task: str, folder: Path, minutes: float, run: Path) -> tuple[dict[str, Any], dict[str, float]]:
    """The result of a training, its duration, the time to its first line and the longest time without one."""
    words = ["generate"] if task == "generate" else ["classify"]
    further = ["--network", "pretrained"] if task == "pretrained" else []
    command = [sys.executable, "-m", "trine", *words, "fit", folder, "--minutes", minutes, "--out", run, *further]
    start = last = time.perf_counter()
    gaps = []
    with subprocess.Popen([*map(str, command), "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stderr
        assert process.stdout
        for _ in process.stderr:
            gaps.append(time.perf_counter() - last)
            last = time.perf_counter()
        printed = process.stdout.read()
    ended = time.perf_counter()
    if process.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit status {process.returncode}")
    times = {"seconds": ended - start, "first_line": gaps[0], "longest_silence": max(*gaps[1:], ended - last)}
    return json.loads(printed), times


def measured(name: str, task: str, minutes: float, kind: str) -> dict[str, Any]:
    """What one training kept of its time, and what came out."""
    run = SETS_FOLDER / "runs" / f"{name}-{task}-{minutes:g}-{kind}"
    shutil.rmtree(run, ignore_errors=True)
    with load(kind):
        result, times = longest_silence(task, made(name), minutes, run)
    metrics = result["metrics"]
    figures = {key: metrics[key] for key in ("accuracy_tta", "ece", "coverage", "elbo_nats") if key in metrics}
    kept = {**times, "deviation": times["seconds"] / 60 / minutes - 1, "budget": result["compute"]["budget"]}
    asked = {"set": name, "task": task, "minutes": minutes, "load": kind}
    compute = {key: result["compute"][key] for key in ("steps", "gflops", "peak_memory_gib")}
    return {**asked, **kept, **compute, "n": result["data"]["n"], "figures": figures}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, nargs="+", default=[1, 2, 5, 10])
    parser.add_argument("--only", nargs="+", default=list(SETS), choices=list(SETS))
    parser.add_argument("--tasks", nargs="+", default=list(TASKS), choices=list(TASKS))
    parser.add_argument("--loads", nargs="+", default=["quiet", "busy"], choices=["quiet", "busy"])
    options = parser.parse_args()
    rows = [
        measured(name, task, minutes, kind)
        for name in options.only
        for task in options.tasks
        for minutes in options.minutes
        for kind in options.loads
    ]
    deviations = [row["deviation"] for row in rows]
    asked = {**vars(options), "minutes": [f"{value:g}" for value in options.minutes]}
    words = " ".join(f"--{name} {' '.join(values)}" for name, values in asked.items())
    figures = {"largest": max(deviations), "smallest": min(deviations), "trainings": rows}
    record.keep("own-pictures-time", f"python -m bench.own_pictures {words}", figures)
