"""Bulk work with one and two processes, and what Ray Data adds per block. Cost on two cores: 15 minutes.

usage: python -m bench.cluster_bulk [processes | blocks]    (both, by default)

- Processes: `classify predict` on picture files and `detect score` on logs, into Parquet, with one thread per process.
  The work with one and with two processes alternates; rows are compared.
- Blocks: work that computes nothing, in a few blocks and in many, by the pool of processes and by Ray Data on a cluster
  that is started on this machine: the difference is what a block costs.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from bench.detect.reading import access_log
from bench.live_speed import PER_SECOND, detector
from bench.support import record
from bench.support.claim import Cells, Claim, Figures, times

TURNS = 3
PICTURES, LINES = 4_000, 1_600_000
SIDE = 64
"""Side of the pictures in pixels."""
LOGS = 32
"""Logs that the lines are spread over."""
FEW, MANY = 10, 210
"""Blocks of the work that computes nothing."""
ROOT = record.RUNS / "cluster-bulk"
CLAIMS = [
    *(
        Claim(
            f"bulk work, {what}: {unit} per second with two processes of one thread; peer: with one",
            "cluster-bulk-processes",
            lambda f, kind=kind: Cells(
                f"{f[kind]['two']['per_second']:,.0f}",
                f"{f[kind]['one']['per_second']:,.0f}",
                times(f[kind]["ratio"]),
            ),
            "Whole commands, with the start of the processes; median of alternating turns.",
        )
        for kind, what, unit in (
            ("pictures", "`classify predict` on JPEG files", "pictures"),
            ("lines", "`detect score` on access logs", "lines"),
        )
    ),
    Claim(
        "bulk work: milliseconds that a block costs beside its computation, Ray Data; peer: pool of processes",
        "cluster-bulk-blocks",
        lambda f: Cells(
            f"{1000 * f['ray']['seconds_per_block']:.0f}",
            f"{1000 * f['pool']['seconds_per_block']:.0f}",
        ),
        "Work that computes nothing, in 10 and in 210 blocks, one process.",
    ),
]


@dataclass(frozen=True)
class Nothing:
    """Work that computes nothing: a block is an empty file."""

    model: Path
    task: ClassVar[str] = "classify"
    verb: ClassVar[str] = "predict"
    columns: ClassVar[Mapping[str, str]] = {"error": "string"}

    def options(self) -> dict[str, Any]:
        return {}

    def opened(self, threads: int | None) -> Any:
        return lambda block: iter(())


def photos(count: int) -> Path:
    """A folder of JPEG files: blurred noise, of the size and weight of small photographs."""
    folder = ROOT / f"photos-{count}"
    if folder.is_dir():
        return folder
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    draw = np.random.default_rng(0)
    for name in ("dark", "light"):
        (part / name).mkdir(parents=True)
    for i in range(count):
        levels = draw.integers(0, 160, (SIDE // 4, SIDE // 4, 3), dtype=np.uint8) + (80 if i % 2 else 0)
        picture = Image.fromarray(levels.astype(np.uint8)).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        picture.save(part / ("light" if i % 2 else "dark") / f"{i:06d}.jpg", quality=90)
    part.rename(folder)
    return folder


def classifier() -> Path:
    """A small trained classifier, exported."""
    run, exported = ROOT / "classifier", ROOT / "classifier-exported"
    if not (exported / "trine.json").exists():
        shutil.rmtree(run, ignore_errors=True)
        learned = photos(600)
        record.fit("classify", str(learned), run, network="fast", epochs=1.0, least_steps=60, picture_size=SIDE)
        record.trine("export", run, "--out", exported)
    return exported


def log_files(lines: int) -> list[Path]:
    """Access logs of equal length, all lines together so many."""
    folder = ROOT / f"logs-{lines}"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"web{number:02d}-access.txt" for number in range(LOGS)]
    if not all(path.exists() for path in paths):
        blocks = list(access_log(lines // LOGS, addresses=2_000, active=300))
        for path in paths:
            path.write_text("".join(blocks))
    return paths


def work(words: list[str], workers: int, into: Path) -> float:
    """Seconds of a whole command with so many processes of one thread."""
    shutil.rmtree(into, ignore_errors=True)
    line = [sys.executable, "-m", "trine", *words, "--into", str(into), "--workers", str(workers)]
    begin = time.perf_counter()
    subprocess.run(line, check=True, env={**record.with_source(), "OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begin


def rows(folder: Path) -> list[dict[str, Any]]:
    from pyarrow import parquet

    return [row for path in sorted(folder.glob("part-*")) for row in parquet.read_table(path).to_pylist()]


def processes(pictures: int, lines: int, turns: int) -> dict[str, Any]:
    (record.RUNS / "live-speed").mkdir(parents=True, exist_ok=True)
    model = detector(record.RUNS / "live-speed", 1).parent / f"exported-1-{PER_SECOND}"
    logs = [str(path) for path in log_files(lines)]
    works = {
        "pictures": (pictures, ["classify", "predict", str(classifier()), str(photos(pictures))]),
        "lines": (lines // LOGS * LOGS, ["detect", "score", str(model), *logs, "--all"]),
    }
    figures: dict[str, Any] = {"turns": turns, "side": SIDE, "logs": LOGS}
    for kind, (count, words) in works.items():
        taken: dict[str, list[float]] = {"one": [], "two": []}
        for _ in range(turns):
            for number, name in enumerate(taken, 1):
                taken[name].append(work(words, number, ROOT / f"{kind}-{name}"))
        same = rows(ROOT / f"{kind}-one") == rows(ROOT / f"{kind}-two")
        of = {name: {"seconds": seconds, "per_second": count / median(seconds)} for name, seconds in taken.items()}
        ratio = of["two"]["per_second"] / of["one"]["per_second"]
        figures[kind] = {"count": count, **of, "ratio": ratio, "same_rows": same}
    return figures


def blocks(few: int, many: int) -> dict[str, Any]:
    from trine.cluster.actors import actors
    from trine.cluster.bulk import pool
    from trine.cluster.engine import connected

    os.environ["PYTHONPATH"] = record.with_source()["PYTHONPATH"]
    with_pool = per_block(pool(1), few, many)
    with connected("auto") as cluster:
        with_ray = per_block(actors(cluster, 1), few, many)
    return {"few": few, "many": many, "pool": with_pool, "ray": with_ray}


def per_block(engine: Any, few: int, many: int) -> dict[str, float]:
    """Seconds per block, and those that do not depend on the number of blocks."""
    from trine.cluster.bulk import run
    from trine.cluster.jobs import Block

    taken = {}
    for count in (few, few, many):  # the first warms up
        into = ROOT / "nothing"
        shutil.rmtree(into, ignore_errors=True)
        begin = time.perf_counter()
        run(Nothing(classifier()), [Block(i, (str(i),)) for i in range(count)], str(into), engine)
        taken[count] = time.perf_counter() - begin
    each = (taken[many] - taken[few]) / (many - few)
    return {"seconds_per_block": each, "seconds_around": taken[few] - few * each}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=("processes", "blocks", []), default=[])
    parser.add_argument("--small", action="store_true", help="a try of everything: nothing is kept")
    options = parser.parse_args()
    small = options.small
    measured: dict[str, Any] = {
        "processes": lambda: processes(*((2_000, 32_000, 1) if small else (PICTURES, LINES, TURNS))),
        "blocks": lambda: blocks(*((5, 25) if small else (FEW, MANY))),
    }
    for part in options.parts or measured:
        figures: Figures = measured[part]()
        if small:
            print(json.dumps(figures, indent=2))
        else:
            record.keep(f"cluster-bulk-{part}", f"python -m bench.cluster_bulk {part}", figures)


if __name__ == "__main__":
    main()
