"""Time from the start of `trine classify fit` to its first step, with the picture store cached. Cost: 3 minutes."""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from bench.support import record
from bench.support.claim import Cells, Claim

CLAIMS = [
    Claim(
        "from the start of `trine classify fit cifar10` to the first step, picture store cached",
        "classify-start",
        lambda f: Cells(f"{f['seconds']:.1f} s"),
        "Median of five starts.",
    )
]


def seconds_to_first_step(folder: Path) -> float:
    """Wall-clock seconds until metrics.jsonl has the first step; the process is then ended."""
    shutil.rmtree(folder, ignore_errors=True)
    start = time.perf_counter()
    words = ("classify", "fit", "cifar10", "--no-test", "--out", folder)
    process = subprocess.Popen([sys.executable, "-m", "trine", *map(str, words)], stderr=subprocess.DEVNULL)
    try:
        while not (folder / "metrics.jsonl").exists():
            if process.poll() is not None or time.perf_counter() - start > 120:
                sys.exit("the training did not start")
            time.sleep(0.005)
        first = json.loads((folder / "metrics.jsonl").read_text().splitlines()[0])
        return time.perf_counter() - start - first["seconds"]
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    times = [seconds_to_first_step(record.RUNS / "start") for _ in range(6)][1:]
    figures = {"seconds": statistics.median(times), "values": times}
    record.keep("classify-start", "python -m bench.classify.start", figures)
