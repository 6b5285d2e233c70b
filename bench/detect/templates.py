"""Template mining: grouping accuracy on the 16 loghub sets, lines per second compared with drain3, memory.

usage: python -m bench.detect.templates [--data DIR]    (about two minutes)

- Grouping accuracy as published (Zhu et al., ICSE-SEIP 2019): share of lines whose predicted group equals the true
  group, on the 2,000 `Content` texts of each set. One setting for all sets; it was chosen by looking at these sets,
  which have no split. drain3 runs with its defaults.
- Speed on raw lines, a new miner per set, both miners on one core, alternately, in separate processes: `cold`, the
  32,000 lines as they are, where most time is learning; `stream`, ten copies of each set in which each number and
  hexadecimal word of a text is drawn from those of the set. drain3 is installed into a separate environment.
- Memory: peak of a process that mines such copies, at 100,000 and at 1,000,000 lines.
"""

import argparse
import csv
import gzip
import itertools
import json
import math
import os
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import mean, median
from typing import Any

from bench.support.claim import Cells, Claim, times

ROOT = Path(__file__).parents[2]
DRAIN3 = Path.home() / ".cache" / "trine" / "bench-drain3"
_NUMBER = re.compile(r"\b((?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{6,})\b|\d+")
COPIES, TURNS = 10, 3


def speeds(kind: str) -> Callable[[dict[str, Any]], Cells]:
    """Cells of one of the two speeds."""

    def cells(f: dict[str, Any]) -> Cells:
        lines = f["lines_per_second"][kind]
        return Cells(f"{lines['trine']:,}", f"{lines['drain3']:,}", times(f["times_drain3"][kind], 1))

    return cells


CLAIMS = [
    Claim(
        "template mining, 16 loghub sets: mean grouping accuracy; peer: drain3",
        "templates",
        lambda f: Cells(f"{f['grouping_accuracy_mean']['trine']:.3f}", f"{f['grouping_accuracy_mean']['drain3']:.3f}"),
        "Trine's one setting was chosen with all 16 sets in view; there is no held-out system. drain3 runs with its "
        "defaults. Zhu et al. (2019) report 0.865 for Drain with settings per set.",
        front=True,
    ),
    Claim("template mining, stream: lines per second on one core; peer: drain3", "templates", speeds("stream")),
    Claim("template mining, 2,000 new lines per set: the same", "templates", speeds("cold")),
    Claim(
        "template mining: memory for 100,000 / 1,000,000 lines",
        "templates",
        lambda f: Cells(f"{f['peak_mib']['100000']} / {f['peak_mib']['1000000']} MiB"),
    ),
]


def systems(data: Path) -> list[str]:
    return sorted(path.name.split("_")[0] for path in data.glob("*_2k.log_structured.csv.gz"))


def contents(data: Path, system: str) -> tuple[list[str], list[str]]:
    with gzip.open(data / f"{system}_2k.log_structured.csv.gz", "rt", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [row["Content"] for row in rows], [row["EventId"] for row in rows]


def raw_lines(data: Path, system: str) -> list[str]:
    with gzip.open(data / f"{system}_2k.log.gz", "rt", encoding="utf-8", errors="backslashreplace") as file:
        return [line.rstrip("\r\n") for line in file]


def redrawn(lines: list[str], texts: list[str], seed: int) -> Iterator[str]:
    """Replace each number and hexadecimal word of the texts by a random one of the set; heads stay."""
    draw = random.Random(seed)
    pool: dict[bool, list[str]] = {False: [], True: []}
    for text in texts:
        for number in _NUMBER.finditer(text):
            pool[number[1] is None].append(number[0])
    for whole, text in zip(lines, texts, strict=True):
        line = whole.rstrip()
        head = line.removesuffix(text.rstrip())
        yield head + _NUMBER.sub(lambda number: draw.choice(pool[number[1] is None]), line[len(head) :])


def grouping_accuracy(predicted: list[int], true: list[str]) -> float:
    pairs, sizes, truths = Counter(zip(predicted, true, strict=True)), Counter(predicted), Counter(true)
    return sum(n for (p, t), n in pairs.items() if n == sizes[p] == truths[t]) / len(true)


# --- the two miners


def trine_miner() -> tuple[Callable[[str], int], Callable[[int], int]]:
    from trine.logs.templates import TemplateMiner

    miner = TemplateMiner()
    return miner.add, miner.resolve


def drain3_miner() -> tuple[Callable[[str], int], Callable[[int], int]]:
    from drain3 import TemplateMiner

    add = TemplateMiner().add_log_message
    return lambda line: add(line)["cluster_id"], lambda cluster: cluster


MINERS = {"trine": trine_miner, "drain3": drain3_miner}


def accuracy(miner: str, data: Path) -> dict[str, float]:
    accuracies = {}
    for system in systems(data):
        add, resolve = MINERS[miner]()
        lines, true = contents(data, system)
        ids = [add(line) for line in lines]
        accuracies[system] = round(grouping_accuracy([resolve(id_) for id_ in ids], true), 4)
    return accuracies


def speed(miner: str, data: Path, stream: int) -> float:
    """Lines per second over all sets; reading and drawing are not counted."""
    seconds, count = 0.0, 0
    for system in systems(data):
        lines = raw_lines(data, system)
        if stream:
            texts = contents(data, system)[0]
            lines = [line for seed in range(COPIES) for line in redrawn(lines, texts, seed)]
        add, _ = MINERS[miner]()
        start = time.process_time()
        for line in lines:
            add(line)
        seconds += time.process_time() - start
        count += len(lines)
    return count / seconds


def memory(miner: str, data: Path, count: int) -> float:
    """Peak MiB of the process after one miner has read `count` lines of all sets."""
    add, _ = MINERS[miner]()
    sets = [(raw_lines(data, system), contents(data, system)[0]) for system in systems(data)]
    stream = (line for seed in itertools.count() for lines, texts in sets for line in redrawn(lines, texts, seed))
    for line in itertools.islice(stream, count):
        add(line)
    peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(peak[1]) / 1024 if peak else math.nan


def in_process(python: str, *arguments: str) -> Any:
    source = f"{ROOT / 'src'}{os.pathsep}{ROOT}"
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0", "PYTHONPATH": source}
    command = ["taskset", "-c", "0", python] if Path("/usr/bin/taskset").exists() else [python]
    done = subprocess.run(
        [*command, "-m", "bench.detect.templates", *arguments],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    return json.loads(done.stdout.splitlines()[-1])


def drain3_python() -> str:
    python = DRAIN3 / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(DRAIN3)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "drain3"], check=True)
    return str(python)


def measure(data: Path) -> dict[str, Any]:
    pythons = {"trine": sys.executable, "drain3": drain3_python()}

    def part(miner: str, what: str, *numbers: int) -> Any:
        return in_process(pythons[miner], "--data", str(data), "--part", what, miner, *map(str, numbers))

    accuracies = {miner: part(miner, "accuracy") for miner in pythons}
    rates: dict[str, dict[str, list[int]]] = {kind: {miner: [] for miner in pythons} for kind in ("cold", "stream")}
    for stream, kind in enumerate(rates):
        for _ in range(TURNS):
            for miner in pythons:
                rates[kind][miner].append(round(part(miner, "speed", stream)))
    middle = {kind: {miner: round(median(turns)) for miner, turns in of.items()} for kind, of in rates.items()}
    version = [pythons["drain3"], "-c", "from importlib.metadata import version; print(version('drain3'))"]
    return {
        "grouping_accuracy_mean": {miner: round(mean(of.values()), 4) for miner, of in accuracies.items()},
        "grouping_accuracy": accuracies,
        "lines_per_second": middle,
        "lines_per_second_turns": rates,
        "times_drain3": {kind: round(of["trine"] / of["drain3"], 2) for kind, of in middle.items()},
        "drain3": subprocess.run(version, check=True, capture_output=True, text=True).stdout.strip(),
        "peak_mib": {str(lines): round(part("trine", "memory", lines)) for lines in (100_000, 1_000_000)},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TRINE_DATA", "")) / "loghub")
    parser.add_argument("--part", nargs="+", help="measure in this process: accuracy|speed|memory MINER [N]")
    options = parser.parse_args()
    if options.part:
        what, miner, *numbers = options.part
        parts: dict[str, Callable[..., Any]] = {"accuracy": accuracy, "speed": speed, "memory": memory}
        print(json.dumps(parts[what](miner, options.data, *map(int, numbers))))
        return
    from bench.support.record import keep

    keep("templates", "python -m bench.detect.templates", measure(options.data))


if __name__ == "__main__":
    main()
