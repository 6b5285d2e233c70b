"""Two processes that share a topic, killed and rebalanced again and again, beside one. Cost on two cores: 15 minutes.

An access log of 200,000 lines, with bursts of requests that no one else makes, goes to a topic of 8 partitions, with
the address as key. `trine detect watch kafka://…` reads it, by one process alone, and by two processes of another
group, of which now one is killed (`kill -9`), now one leaves, at random moments while lines come; each begins again. In
the end one process ends all sessions. Lines, events, sessions and findings must be the same.

The broker is Tansu, in the memory of this machine: the speed is that of the detector, not of a cluster.
"""

import argparse
import json
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

from bench import live_speed
from bench.live_kills import COUNTERS, traffic
from bench.support import record
from bench.support.claim import Cells, Claim
from bench.support.tansu import broker, make_topics, received, send
from trine.live.finding import LiveFinding
from trine.live.state_topic import Mark, Replay, StateRecord

PARTITIONS = 8
TOPIC, ALERTS = "access", "alerts-{group}"
PER_SECOND, BLOCK = 2_000, 100
"""Lines per second that are sent, and lines of one block."""
PATIENCE = 120.0
"""Seconds to wait for lines to be counted."""
LONGEST = 3.0
"""Most seconds between the first commit after a change and the next change."""
PROPERTIES = "session.timeout.ms=6000\nheartbeat.interval.ms=300\n"
"""So that a process that was killed is noticed within 6 seconds, the least that brokers allow."""
NOTICED = 10.0
"""Seconds after which the broker has noticed that a process was killed, and no longer keeps its partitions for it."""
CLAIMS = [
    Claim(
        "two processes that share a topic, killed and rebalanced at random moments: lines missed or counted twice; "
        "other findings",
        "cluster-kafka",
        lambda f: Cells(
            f"{abs(f['two']['lines'] - f['lines'])} of {f['lines']:,}; {f['different']} of {f['findings']}",
            ratio=f"{f['kills']} kills, {f['leaves']} times one left",
        ),
        f"The peer is one process that reads the same topic of {PARTITIONS} partitions.",
    ),
    Claim(
        "a detector at work on a topic: lines per second of one process, LSTM of 128 as one network; by its graph",
        "cluster-kafka",
        lambda f: Cells(f"{f['per_second']:,.0f}"),
        "From the topic to the committed transaction; the broker is Tansu on the same machine.",
    ),
]


class Group:
    """Processes of one group."""

    def __init__(self, name: str, brokers: str, model: Path, folder: Path) -> None:
        self.name, self.brokers, self.model, self.folder = name, brokers, model, folder
        make_topics(brokers, {ALERTS.format(group=name): 1})
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "client.properties").write_text(PROPERTIES)
        self._started: list[subprocess.Popen[bytes]] = []

    def start(self, number: int, *words: str) -> "subprocess.Popen[bytes]":
        source, sink = (f"kafka://{self.brokers}/{topic}" for topic in (TOPIC, ALERTS.format(group=self.name)))
        given = (source, "--group", self.name, "--store", self.folder / f"stores-{number}", "--sink", sink)
        line = ["detect", "watch", self.model, *given, "--kafka-config", self.folder / "client.properties", *words]
        with (self.folder / f"log-{number}.jsonl").open("ab") as log:
            command = [sys.executable, "-m", "trine", *map(str, line)]
            process = subprocess.Popen(command, stdout=log, stderr=log, env=record.with_source())
        self._started.append(process)
        return process

    def end(self) -> None:
        """Kill what still runs."""
        for process in self._started:
            process.kill()
            process.wait()

    def settle(self) -> None:
        """Until both processes have partitions, and all are given out.

        Tansu gives out none any more once a process has left that was waiting for some.
        """
        end = time.monotonic() + PATIENCE
        while True:
            logs = [(self.folder / f"log-{number}.jsonl").read_text() for number in (0, 1)]
            since = [re.findall(r"at work on (\d+)", log.rpartition("1 source, ")[2])[-1:] for log in logs]
            at_work = [int(count) for found in since for count in found]
            if len(at_work) == 2 and min(at_work) and sum(at_work) == PARTITIONS:
                return
            if time.monotonic() > end:
                sys.exit(f"group {self.name}: partitions are not given out in {PATIENCE:.0f} s: see {self.folder}")
            time.sleep(0.2)

    def counters(self) -> Counter[str]:
        """The sums of the last marks of all partitions."""
        replays = {number: Replay(None) for number in range(PARTITIONS)}
        for message in received(self.brokers, f"{TOPIC}.{self.name}.trine-state", PARTITIONS):
            if message.key()[:1] == b"m":
                read = StateRecord.read(message.key(), message.value(), message.headers())
                replays[message.partition()].add(read)
        total = Counter[str]()
        for mark in (replay.mark for replay in replays.values()):
            if isinstance(mark, Mark):
                total.update(mark.counters)
        return total

    def wait(self, lines: int) -> None:
        """Until more lines than these are counted."""
        end = time.monotonic() + PATIENCE
        while self.counters()["lines"] <= lines:
            if time.monotonic() > end:
                sys.exit(f"group {self.name}: no more than {lines} lines in {PATIENCE:.0f} s: see {self.folder}")
            time.sleep(0.5)

    def findings(self) -> dict[tuple[str, float | None], LiveFinding]:
        """The last state of every finding in the topic."""
        documents = [json.loads(message.value()) for message in received(self.brokers, ALERTS.format(group=self.name))]
        by_id = {document["id"]: LiveFinding.from_json(document) for document in documents}
        return {(finding.entity, finding.first_time): finding for finding in by_id.values()}


def write(brokers: str, lines: Iterable[str]) -> None:
    """Send lines at the rate, the address of each as its key."""
    begin, block = time.perf_counter(), list[tuple[str | None, bytes | None]]()
    for number, line in enumerate(lines, 1):
        block.append((line.split(" ", 1)[0], line.rstrip("\n").encode()))
        if number % BLOCK == 0:
            send(brokers, TOPIC, block)
            block = []
            time.sleep(max(0.0, begin + number / PER_SECOND - time.perf_counter()))
    send(brokers, TOPIC, block)


def disturbed(group: Group, lines: Iterator[str], total: int, kills: int, leaves: int) -> None:
    """Two processes, of which one is killed or told to leave, and started again, while lines come."""
    draw = random.Random(0)
    changes = [signal.SIGKILL] * kills + [signal.SIGTERM] * leaves
    draw.shuffle(changes)
    processes = [group.start(number) for number in (0, 1)]
    for number, change in enumerate(changes, 1):
        group.settle()
        counted, which = group.counters()["lines"], draw.randrange(2)
        some = islice(lines, total // (len(changes) + 1))
        writing = threading.Thread(target=write, args=(group.brokers, some))
        writing.start()
        group.wait(counted)
        time.sleep(draw.uniform(0, LONGEST))
        processes[which].send_signal(change)
        processes[which].wait(60)
        processes[which] = group.start(which)
        writing.join()
        counted = group.counters()["lines"]
        print(f"{number} of {len(changes)}: {change.name}, {counted:,} lines", file=sys.stderr, flush=True)
    write(group.brokers, lines)
    group.wait(total - 1)
    group.settle()
    group.end()
    time.sleep(NOTICED)


def finished(group: Group, number: int) -> float:
    """Read the rest by one process and end all sessions; the seconds that it took."""
    begin = time.perf_counter()
    status = group.start(number, "--once").wait(1_800)
    log = group.folder / f"log-{number}.jsonl"
    if status or f"at work on {PARTITIONS}" not in log.read_text().rpartition("1 source, ")[2]:
        sys.exit(
            f"group {group.name}: all {PARTITIONS} partitions were not read to their end by one process: see {log}"
        )
    return time.perf_counter() - begin


def shown(finding: LiveFinding | None) -> tuple[Any, ...]:
    """What must be equal."""
    if finding is None:
        return ()
    lines = sorted((line.text, line.event) for line in finding.lines)
    return finding.id, finding.events, finding.first_time, finding.last_time, finding.status, lines


def measure(lines: int, kills: int, leaves: int) -> dict[str, Any]:
    root = record.RUNS / "cluster-kafka"
    shutil.rmtree(root, ignore_errors=True)
    (record.RUNS / "live-speed").mkdir(parents=True, exist_ok=True)
    live_speed.detector(record.RUNS / "live-speed", 1)
    model = record.RUNS / "live-speed" / f"exported-1-{live_speed.PER_SECOND}"
    total = sum(1 for _ in traffic(lines))
    with broker() as brokers, ExitStack() as stack:
        make_topics(brokers, {TOPIC: PARTITIONS})
        groups = {name: Group(name, brokers, model, root / name) for name in ("one", "two")}
        for group in groups.values():
            stack.callback(group.end)
        disturbed(groups["two"], traffic(lines), total, kills, leaves)
        finished(groups["two"], 2)
        seconds = finished(groups["one"], 0)
        start = finished(groups["one"], 0)  # again, with nothing left to read
        counters = {name: groups[name].counters() for name in ("one", "two")}
        expected, found = groups["one"].findings(), groups["two"].findings()
    different = [key for key in expected.keys() | found.keys() if shown(expected.get(key)) != shown(found.get(key))]
    for key in different:
        print(key, expected.get(key), found.get(key), sep="\n", file=sys.stderr)
    return {
        "lines": total,
        "partitions": PARTITIONS,
        "kills": kills,
        "leaves": leaves,
        "findings": len(expected),
        "different": len(different),
        "per_second": total / max(1e-9, seconds - start),
        **{name: {each: of[each] for each in COUNTERS} for name, of in counters.items()},
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=200_000)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--leaves", type=int, default=10)
    options = parser.parse_args()
    figures = measure(options.lines, options.kills, options.leaves)
    if all(getattr(options, name) == parser.get_default(name) for name in ("lines", "kills", "leaves")):
        record.keep("cluster-kafka", "python -m bench.cluster_kafka", figures)
    else:
        print(json.dumps(figures, indent=2))
