"""Template mining: grouping accuracy on the 16 loghub sets, lines per second beside drain3, memory of a million lines.

Usage: python bench/templates.py [--data DIR]    (about two minutes)

- Grouping accuracy as published (Zhu et al., ICSE-SEIP 2019): the share of lines whose whole predicted group is the
  true one, on the 2,000 `Content` texts of each set (the header is what the log's format takes off). One setting for
  all sets; it was chosen by looking at these sets, which have no split. drain3 runs beside it as it comes.
- Speed on raw lines, each set by a new miner, both miners on one core, in turn, in processes of their own: `cold`, the
  32,000 lines as they are, most of the time learning; `stream`, ten copies of each set in which every number and
  hexadecimal word of a text is drawn from those of the set. drain3 is installed into an environment of this script.
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

HERE = Path(__file__).resolve()
DRAIN3 = Path.home() / ".cache" / "trine" / "bench-drain3"
_NUMBER = re.compile(r"\b((?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{6,})\b|\d+")
COPIES, TURNS = 10, 3


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
    """The lines with each number and hexadecimal word of their text drawn from those of all texts; heads stay."""
    draw = random.Random(seed)
    pool: dict[bool, list[str]] = {False: [], True: []}
    for text in texts:
        for found in _NUMBER.finditer(text):
            pool[found[1] is None].append(found[0])
    for whole, text in zip(lines, texts, strict=True):
        line = whole.rstrip()
        head = line.removesuffix(text.rstrip())
        yield head + _NUMBER.sub(lambda found: draw.choice(pool[found[1] is None]), line[len(head) :])


def grouping_accuracy(predicted: list[int], true: list[str]) -> float:
    pairs, sizes, truths = Counter(zip(predicted, true, strict=True)), Counter(predicted), Counter(true)
    return sum(n for (p, t), n in pairs.items() if n == sizes[p] == truths[t]) / len(true)


# --- the two miners, each behind the same three lines


def trine_miner() -> tuple[Callable[[str], int], Callable[[int], int]]:
    sys.path.insert(0, str(HERE.parents[1] / "src"))
    from trine.sequences.templates import TemplateMiner

    miner = TemplateMiner()
    return miner.add, miner.resolve


def drain3_miner() -> tuple[Callable[[str], int], Callable[[int], int]]:
    from drain3 import TemplateMiner

    add = TemplateMiner().add_log_message
    return lambda line: add(line)["cluster_id"], lambda cluster: cluster


MINERS = {"trine": trine_miner, "drain3": drain3_miner}


def accuracy(miner: str, data: Path) -> dict[str, float]:
    found = {}
    for system in systems(data):
        add, resolve = MINERS[miner]()
        lines, true = contents(data, system)
        ids = [add(line) for line in lines]
        found[system] = round(grouping_accuracy([resolve(id_) for id_ in ids], true), 4)
    return found


def speed(miner: str, data: Path, stream: int) -> float:
    """Lines per second over all sets; reading and drawing do not count."""
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
    """Peak MiB of the process after `count` lines of all sets, set by set and again, through one miner."""
    add, _ = MINERS[miner]()
    sets = [(raw_lines(data, system), contents(data, system)[0]) for system in systems(data)]
    stream = (line for seed in itertools.count() for lines, texts in sets for line in redrawn(lines, texts, seed))
    for line in itertools.islice(stream, count):
        add(line)
    peak = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    return int(peak[1]) / 1024 if peak else math.nan


def in_process(python: str, *arguments: str) -> Any:
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    command = ["taskset", "-c", "0", python] if Path("/usr/bin/taskset").exists() else [python]
    done = subprocess.run(
        [*command, str(HERE), *arguments], env=environment, check=True, capture_output=True, text=True
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
    parser.add_argument("--part", nargs="+", help="one measurement in this process: accuracy|speed|memory MINER [N]")
    options = parser.parse_args()
    if options.part:
        what, miner, *numbers = options.part
        parts: dict[str, Callable[..., Any]] = {"accuracy": accuracy, "speed": speed, "memory": memory}
        print(json.dumps(parts[what](miner, options.data, *map(int, numbers))))
        return
    from record import keep

    keep("templates", "python bench/templates.py", measure(options.data))


if __name__ == "__main__":
    main()
