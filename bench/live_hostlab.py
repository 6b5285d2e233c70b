"""hostlab's test sessions replayed line by line to a detector at work. Cost on two cores: 40 minutes for 3 seeds.

Sessions become JSON lines in the order of time: one begins every half a second of the log. The detector is trained on
the log of the normal sessions of the splits train and valid. The test sessions, normal ones and misuse, are read a few
lines at a time, so that a finding says at how many events of its session it was raised.

hostlab does not say which event of a misuse session is the first of the misuse: events are counted from the beginning
of the session, which is an ordinary visit at first. From the first event of the misuse, they are fewer.
"""

import argparse
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np

from bench.support import record
from bench.support.claim import Cells, Claim, percent
from trine.detect.detector import Detector
from trine.live.engine import Engine, Limits
from trine.live.file_source import FileSource
from trine.live.finding import LiveFinding
from trine.live.store import Store
from trine.measures.shares import share_interval
from trine.sequences.readers import open_sequences
from trine.sequences.table import SequenceTable

TARGET = 0.01
APART = 0.5
"""Seconds of the log between the beginnings of two sessions."""
FIRST = 1_777_629_600.0
"""Time of the first line, in seconds since 1970."""
CLAIMS = [
    Claim(
        "hostlab replayed live: misuse sessions found; realised false alarms at a target of 1 %",
        "live-hostlab",
        lambda f: Cells(f"{percent(f['found'], 1)}; {percent(f['realised'])}"),
        "hostlab comes with Trine, and its normal sessions were adjusted in view of what detectors found.",
    ),
    Claim(
        "hostlab replayed live: of the sessions found, those found before their end; events until then, median",
        "live-hostlab",
        lambda f: Cells(f"{percent(f['found_before_end'], 1)}; {f['events_until_found']['mean']:.0f}"),
        "Events are counted from the beginning of the session, which is an ordinary visit at first.",
    ),
]


def trained(seed: int, table: SequenceTable, epochs: float | None) -> Path:
    folder, log = record.RUNS / f"live-hostlab-{seed}", record.RUNS / f"live-hostlab-{seed}-train.jsonl"
    if not (folder / "result.json").exists():
        replay(log, table, seed)
        words = ("--no-test", "--entity", "session", "--event", "event", "--time", "time", "--seed", seed)
        record.fit("detect", str(log), folder, *words, **({"epochs": epochs} if epochs else {}))
    return folder


def replay(path: Path, table: SequenceTable, seed: int) -> None:
    """Write the sessions as JSON lines in the order of time."""
    order = np.random.default_rng(seed).permutation(len(table))
    assert table.times is not None
    begins = np.empty(len(table))
    begins[order] = FIRST + APART * np.arange(len(table))
    owner = np.repeat(np.arange(len(table)), table.lengths)
    starts = table.times[table.offsets[:-1]]
    times = table.times - starts[owner] + begins[owner]
    with path.open("w") as out:
        for i in np.argsort(times, kind="stable").tolist():
            event = table.vocabulary[table.events[i]]
            line = {"time": round(float(times[i]), 3), "session": str(table.names[owner[i]]), "event": event}
            out.write(json.dumps(line) + "\n")


def watched(model: Path, log: Path) -> dict[str, LiveFinding]:
    """The first state of each session's finding: when it was raised."""
    raised: dict[str, LiveFinding] = {}
    detector, path = Detector.load(model), log.with_suffix(".db")
    for old in log.parent.glob(f"{path.name}*"):
        old.unlink()
    with closing(Store.own(path, "hostlab")) as store:
        source = FileSource([str(log)], follow=False)
        engine = Engine(detector, store, [source], Limits(TARGET), "hostlab")
        while not source.ended:
            if batches := source.poll(1):
                changes = engine.batch(engine.formats[0], batches)
                store.commit(changes)
                for finding in changes.findings:
                    raised.setdefault(finding.entity, finding)
        while (changes := engine.end_some()) is not None:
            store.commit(changes)
            for finding in changes.findings:
                raised.setdefault(finding.entity, finding)
    return raised


def measure(seed: int, sessions: int | None, epochs: float | None) -> dict[str, Any]:
    hostlab = open_sequences("hostlab")
    model = trained(seed, hostlab.rows((hostlab.splits != "test") & (hostlab.labels != 1)), epochs)
    table = hostlab.split("test")
    if sessions:
        table = table.rows(np.random.default_rng(0).permutation(len(table))[:sessions])
    log = record.RUNS / f"live-hostlab-{seed}.jsonl"
    replay(log, table, seed)
    raised = watched(model, log)
    misuse = [str(name) for name, label in zip(table.names, table.labels, strict=True) if label == 1]
    normal = [str(name) for name, label in zip(table.names, table.labels, strict=True) if label != 1]
    found = [raised[name] for name in misuse if name in raised]
    before = [finding for finding in found if finding.status == "open"]
    alarms = sum(name in raised for name in normal)
    return {
        "found": len(found) / len(misuse),
        "found_before_end": len(before) / max(1, len(found)),
        "events_until_found": float(np.median([finding.events for finding in before])) if before else 0.0,
        "realised": alarms / len(normal),
        "interval": share_interval(alarms, len(normal)),
        "misuse": len(misuse),
        "normal": len(normal),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--sessions", type=int, help="replay only so many of the test sessions, and keep no figures")
    parser.add_argument("--epochs", type=float, help="of a shorter training, with --sessions")
    options = parser.parse_args()
    seeds = [measure(seed, options.sessions, options.epochs) for seed in range(options.seeds)]
    names = ("found", "found_before_end", "events_until_found", "realised")
    figures = {name: record.spread([seed[name] for seed in seeds]) for name in names}
    figures |= {
        "target": TARGET,
        "intervals": [seed["interval"] for seed in seeds],
        "inside": sum(low <= TARGET <= high for low, high in (seed["interval"] for seed in seeds)),
        "seeds": options.seeds,
        "misuse": seeds[0]["misuse"],
        "normal": seeds[0]["normal"],
    }
    if options.sessions:
        print(json.dumps(figures, indent=2))
    else:
        record.keep("live-hostlab", f"python -m bench.live_hostlab --seeds {options.seeds}", figures)
