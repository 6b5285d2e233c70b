"""A detector at work, killed with `kill -9` again and again, beside one that is not. Cost on two cores: 15 minutes.

An access log grows by 200,000 lines, with bursts of requests that no one else makes, and is rotated every 10,000 lines:
in turn by renaming it and by copying and truncating it; older parts are compressed. `trine detect watch` reads it, once
without interruption and once killed 50 times at random moments while it reads, also while the log is being rotated.
In the end, both have ended all sessions. Lines, events, sessions and findings must be the same.
"""

import argparse
import gzip
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from bench.detect.reading import access_log
from bench.live_speed import burst, detector
from bench.support import record
from bench.support.claim import Cells, Claim
from trine.errors import StoreError
from trine.live.finding import LiveFinding
from trine.live.store import Store

ROTATED = 10_000
"""Lines of each part of the log."""
PARTS = 6
"""Rotated parts that are kept."""
PER_SECOND, BLOCK = 4_000, 40
"""Lines per second that are written, and lines of one write."""
LONGEST = 2.0
"""Most seconds from the first commit after a start to the kill."""
PATIENCE = 300.0
"""Seconds to wait for lines to be read."""
COUNTERS = ("lines", "events", "sessions")
CLAIMS = [
    Claim(
        "a detector at work, killed at random moments (`kill -9`): lines missed or counted twice; other findings",
        "live-kills",
        lambda f: Cells(
            f"{abs(f['killed']['lines'] - f['lines'])} of {f['lines']:,}; {f['different']} of {f['findings']}",
            ratio=f"{f['kills']} kills",
        ),
        "The peer is the same replay without a kill; the log is rotated every 10,000 lines.",
    )
]


class Writer:
    """Writes a log, and rotates it."""

    def __init__(self, log: Path, lines: int) -> None:
        self.log, self._lines = log, traffic(lines)
        self._in_part = self.rotations = 0
        log.write_text("")

    def write(self, count: int) -> None:
        """Append so many lines, as fast as they come in a busy service."""
        begin = time.perf_counter()
        for number in range(0, count, BLOCK):
            time.sleep(max(0.0, begin + number / PER_SECOND - time.perf_counter()))
            block = list(islice(self._lines, min(BLOCK, count - number)))
            with self.log.open("a") as out:
                out.writelines(block)
            self._in_part += len(block)
            if self._in_part >= ROTATED:
                self._rotate()

    def _rotate(self) -> None:
        for number in range(PARTS, 1, -1):
            part = self.log.with_name(f"{self.log.name}.{number}.gz")
            if part.exists() and number == PARTS:
                part.unlink()
            elif part.exists():
                part.rename(self.log.with_name(f"{self.log.name}.{number + 1}.gz"))
        first = self.log.with_name(f"{self.log.name}.1")
        if first.exists():
            with first.open("rb") as plain, gzip.open(self.log.with_name(f"{self.log.name}.2.gz"), "wb") as packed:
                shutil.copyfileobj(plain, packed)
            first.unlink()
        if self.rotations % 2:
            shutil.copyfile(self.log, first)
            with self.log.open("r+") as kept:
                kept.truncate(0)
        else:
            self.log.rename(first)
            self.log.write_text("")
        self.rotations, self._in_part = self.rotations + 1, 0


def traffic(lines: int) -> Iterator[str]:
    """The lines of an access log, and a burst of another address after every thousand."""
    ordinary = (line for block in access_log(lines, addresses=10_000, active=10_000) for line in block.splitlines(True))
    for number, line in enumerate(ordinary):
        yield line
        if number % 1_000 == 999:
            yield from burst(f"198.51.100.{number // 1_000}", line).splitlines(True)


class Service:
    """The command on a log, with a store that stays."""

    def __init__(self, model: Path, folder: Path) -> None:
        self.folder, self.store = folder, folder / "store.db"
        words = ("detect", "watch", model, folder / "app.log", "--store", self.store)
        sink = ("--sink", f"file:{folder / 'findings.jsonl'}")
        self.command = [sys.executable, "-m", "trine", *map(str, (*words, *sink))]

    def start(self) -> subprocess.Popen[bytes]:
        with (self.folder / "log.jsonl").open("ab") as log:
            return subprocess.Popen(self.command, stdout=log, stderr=log, env=record.with_source())

    def begin(self, writer: Writer) -> subprocess.Popen[bytes]:
        """Start for the first time, and wait until the first lines are read: earlier parts of a log are not."""
        writer.write(BLOCK)
        process = self.start()
        self.wait(0)
        return process

    def counters(self) -> dict[str, int]:
        """What is committed; nothing before the store is there."""
        try:
            with closing(Store.look(self.store)) as store:
                return store.counters()
        except StoreError:
            return {}

    def wait(self, lines: int) -> None:
        """Until more lines than these are committed."""
        end = time.monotonic() + PATIENCE
        while self.counters().get("lines", 0) <= lines:
            if time.monotonic() > end:
                sys.exit(f"{self.store}: no more than {lines} lines in {PATIENCE:.0f} s: see {self.folder}/log.jsonl")
            time.sleep(0.02)

    def finish(self) -> None:
        """Read the rest, then end all sessions."""
        subprocess.run([*self.command, "--once"], check=True, stderr=subprocess.DEVNULL, env=record.with_source())

    def findings(self) -> dict[tuple[str, float | None], LiveFinding]:
        with closing(Store.look(self.store)) as store:
            return {(finding.entity, finding.first_time): finding for finding in store.findings()}


def uninterrupted(service: Service, writer: Writer, lines: int) -> None:
    process = service.begin(writer)
    writer.write(lines - BLOCK)
    service.wait(lines - 1)
    process.send_signal(signal.SIGTERM)
    process.wait(60)
    service.finish()


def killed(service: Service, writer: Writer, lines: int, kills: int) -> None:
    draw, per_kill = random.Random(0), (lines - BLOCK) // kills
    process = service.begin(writer)
    process.kill()
    process.wait()
    for kill in range(kills):
        count = per_kill if kill < kills - 1 else lines - BLOCK - per_kill * (kills - 1)
        writing = threading.Thread(target=writer.write, args=(count,))
        committed = service.counters().get("lines", 0)
        process = service.start()
        writing.start()
        service.wait(committed)
        time.sleep(draw.uniform(0, LONGEST))
        process.kill()
        process.wait()
        writing.join()
        print(f"kill {kill + 1} of {kills}: {service.counters().get('lines', 0):,} lines", file=sys.stderr, flush=True)
    service.finish()


def shown(finding: LiveFinding) -> tuple[Any, ...]:
    """What must be equal: not the names of files, which rotation changes while nothing reads."""
    lines = sorted((line.text, line.event) for line in finding.lines)
    return finding.entity, finding.events, finding.first_time, finding.last_time, finding.status, lines


def measure(lines: int, kills: int) -> dict[str, Any]:
    root = record.RUNS / "live-kills"
    (record.RUNS / "live-speed").mkdir(parents=True, exist_ok=True)
    model = detector(record.RUNS / "live-speed", 1)
    services = {}
    for name in ("uninterrupted", "killed"):
        shutil.rmtree(root / name, ignore_errors=True)
        (root / name).mkdir(parents=True)
        services[name] = Service(model, root / name)
    total = sum(1 for _ in traffic(lines))
    writers = {name: Writer(service.folder / "app.log", lines) for name, service in services.items()}
    uninterrupted(services["uninterrupted"], writers["uninterrupted"], total)
    killed(services["killed"], writers["killed"], total, kills)
    expected, found = services["uninterrupted"].findings(), services["killed"].findings()
    different = [key for key in expected.keys() | found.keys() if _differ(expected.get(key), found.get(key))]
    for key in different:
        print(key, expected.get(key), found.get(key), sep="\n", file=sys.stderr)
    counters = {name: service.counters() for name, service in services.items()}
    return {
        "lines": total,
        "kills": kills,
        "rotations": writers["killed"].rotations,
        "findings": len(expected),
        "different": len(different),
        **{name: {each: of.get(each, 0) for each in COUNTERS} for name, of in counters.items()},
    }


def _differ(one: LiveFinding | None, other: LiveFinding | None) -> bool:
    return one is None or other is None or shown(one) != shown(other)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=50)
    options = parser.parse_args()
    figures = measure(options.lines, options.kills)
    if (options.lines, options.kills) == (parser.get_default("lines"), parser.get_default("kills")):
        record.keep("live-kills", "python -m bench.live_kills", figures)
    else:
        print(figures)
