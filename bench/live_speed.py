"""A detector at work: lines per second, delay of a finding, memory. Cost on two cores: 15 minutes.

usage: python -m bench.live_speed [lines | delay | memory]    (all, by default)

An access log is generated. Detectors are trained on 100,000 lines of half as many addresses, each as active as those
of the log that is watched, with an LSTM of 128, as one network and as four (the default). They work by their networks
and by their exported graphs.

- Lines: `trine detect watch --once` reads 200,000 lines of 10,000 addresses from a file; time of the process, less that
  of the same command on a few lines.
- Delay: a log grows by 1,000 lines per second; every second, one address asks for pages that no one else asks for. From
  the moment these lines are written to the moment the finding is read from the command's standard output.
- Memory: peak of the process that reads 500,000 lines of 100,000 addresses.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.detect.reading import access_log, write
from bench.support import record
from bench.support.claim import Cells, Claim

PARTS = ("lines", "delay", "memory")
MEMBERS = "counts,either,unseen,excess,pairs,rare,size"
"""The default ones in another order: the network stays among them, whether it pays or not."""
NETWORKS = {"one network": 1, "four networks": 4}
PER_SECOND = 40
"""Lines per second in the log that is read as fast as possible."""
RATE, SECONDS = 1_000, 200
"""Lines per second, and for how long, of the log that grows."""
STEP = 0.01
"""Seconds between two writes."""
CLAIMS = [
    Claim(
        f"a detector at work on a file: lines per second, LSTM of 128 as {name}; by its graph",
        "live-lines",
        lambda f, name=name: Cells(f"{f[name]['networks']['per_second']:,.0f}; {f[name]['graph']['per_second']:,.0f}"),
        "From the file to the committed state; 200,000 lines of 10,000 addresses.",
    )
    for name in NETWORKS
] + [
    Claim(
        "from a line written to its finding on standard output at 1,000 lines per second: median; 99th percentile",
        "live-delay",
        lambda f: Cells(f"{f['median_seconds']:.2f} s; {f['p99_seconds']:.2f} s"),
    ),
    Claim(
        "largest memory of a detector at work on 100,000 addresses",
        "live-memory",
        lambda f: Cells(f"{f['peak_mib']:.0f} MiB"),
    ),
]


@dataclass(frozen=True, slots=True)
class Watched:
    """What one run of the command took."""

    seconds: float
    processor_seconds: float
    peak_mib: float


def detector(folder: Path, folds: int, per_second: int = PER_SECOND) -> Path:
    """A trained detector, exported.

    per_second   lines per second of the log of 10,000 addresses that it is to watch
    """
    run = folder / f"detector-{folds}-{per_second}"
    if not (run / "result.json").exists():
        log = folder / f"train-{per_second}.log"
        write(log, access_log(100_000, addresses=5_000, active=5_000, per_second=per_second // 2))
        words = ("--entity", "address", "--members", MEMBERS)
        record.fit("detect", str(log), run, *words, folds=folds, epochs=1.0, least_steps=60)
    exported = folder / f"exported-{folds}-{per_second}"
    shutil.rmtree(exported, ignore_errors=True)
    record.trine("export", run, "--out", exported)
    return run


def command(model: Path, log: Path, *words: object) -> list[str]:
    store = log.parent / "store.db"
    for path in log.parent.glob("store.db*"):
        path.unlink()
    return [sys.executable, "-m", "trine", "detect", "watch", *map(str, (model, log, "--store", store, *words))]


def watched(model: Path, log: Path, *words: object) -> Watched:
    """Read a log to its end."""
    begin = time.perf_counter()
    line = command(model, log, "--once", "--sink", f"file:{log.parent / 'findings.jsonl'}", *words)
    process = subprocess.Popen(line, stderr=subprocess.DEVNULL, env=record.with_source())
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(line)}: exit status {process.returncode}")
    return Watched(time.perf_counter() - begin, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def speed(model: Path, log: Path, few: Path, lines: int) -> dict[str, float]:
    start, whole = watched(model, few), watched(model, log)
    return {
        "per_second": lines / (whole.seconds - start.seconds),
        "per_processor_second": lines / (whole.processor_seconds - start.processor_seconds),
        "start_seconds": start.seconds,
        "peak_mib": whole.peak_mib,
    }


def measure_lines(folder: Path, lines: int) -> dict[str, Any]:
    log, few = folder / "replay.log", folder / "few.log"
    lines = write(log, access_log(lines, addresses=10_000, active=10_000, per_second=PER_SECOND))
    write(few, access_log(40, addresses=10_000, active=10_000))
    figures: dict[str, Any] = {"lines": lines, "addresses": 10_000}
    for name, folds in NETWORKS.items():
        run = detector(folder, folds)
        figures[name] = {
            "networks": speed(run, log, few, lines),
            "graph": speed(folder / f"exported-{folds}-{PER_SECOND}", log, few, lines),
        }
    return figures


def measure_delay(folder: Path, seconds: int) -> dict[str, Any]:
    log, seen, written = folder / "growing.log", dict[str, float](), dict[str, float]()
    log.write_text("")
    model = detector(folder, 4, RATE)
    process = subprocess.Popen(
        command(model, log, "--sink", "stdout#json"),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=record.with_source(),
    )
    assert process.stdout is not None

    def read(output: Iterable[str]) -> None:
        for line in output:
            seen.setdefault(json.loads(line)["entity"], time.perf_counter())

    reader = threading.Thread(target=read, args=(process.stdout,), daemon=True)
    reader.start()
    grow(log, seconds, written)
    time.sleep(5)
    process.terminate()
    process.wait(60)
    reader.join(5)
    delays = np.array([seen[address] - at for address, at in written.items() if address in seen])
    median, p99 = np.quantile(delays, (0.5, 0.99)).tolist()
    figures = {"median_seconds": median, "p99_seconds": p99, "largest_seconds": float(delays.max())}
    return {**figures, "bursts": len(written), "found": len(delays), "rate": RATE, "log_seconds": seconds}


def grow(log: Path, seconds: int, written: dict[str, float]) -> None:
    """Append lines at the rate, and a burst per second after the first ten; `written` says when each was written."""
    lines = "".join(access_log(RATE * seconds, addresses=10_000, active=10_000, per_second=RATE)).splitlines(True)
    per_step, begin = int(RATE * STEP), time.perf_counter()
    with log.open("a", buffering=1 << 20) as out:
        for step in range(len(lines) // per_step):
            time.sleep(max(0.0, begin + step * STEP - time.perf_counter()))
            out.write("".join(lines[step * per_step : (step + 1) * per_step]))
            second, within = divmod(step * STEP, 1.0)
            if second >= 10 and within < STEP / 2:
                address = f"198.51.{int(second) // 250}.{int(second) % 250}"
                out.write(burst(address, lines[step * per_step]))
                written[address] = time.perf_counter()
            out.flush()


def burst(address: str, like: str) -> str:
    """Requests for pages that no one else asks for, at the time of another line."""
    when = like[like.index("[") : like.index("]") + 1]
    pages = ("wp-login.php", "xmlrpc.php", ".env", "phpmyadmin/setup", "cgi-bin/test.cgi", "actuator/env")
    return "".join(f'{address} - - {when} "POST /{page} HTTP/1.1" 500 12 "-" "curl/8.5"\n' for page in pages)


def measure_memory(folder: Path, lines: int) -> dict[str, Any]:
    log = folder / "entities.log"
    lines = write(log, access_log(lines, addresses=100_000, active=100_000))
    found = watched(detector(folder, 4), log)
    return {"peak_mib": found.peak_mib, "lines": lines, "addresses": 100_000, "seconds": found.seconds}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=PARTS, choices=PARTS)
    parser.add_argument("--lines", type=int, default=200_000, help="lines of the file that is read")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="for how long a log grows")
    parser.add_argument("--memory-lines", type=int, default=500_000, help="lines of 100,000 addresses")
    options = parser.parse_args()
    folder = record.RUNS / "live-speed"
    folder.mkdir(parents=True, exist_ok=True)
    measures = {
        "lines": lambda: measure_lines(folder, options.lines),
        "delay": lambda: measure_delay(folder, options.seconds),
        "memory": lambda: measure_memory(folder, options.memory_lines),
    }
    shorter = any(getattr(options, name) != parser.get_default(name) for name in ("lines", "seconds", "memory_lines"))
    for part in options.parts:
        figures = measures[part]()
        if shorter:  # a trial: no figures are kept
            print(json.dumps(figures, indent=2))
        else:
            record.keep(f"live-{part}", f"python -m bench.live_speed {part}", figures)
