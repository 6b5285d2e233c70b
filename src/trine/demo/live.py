"""The end of the chapter of detect: attacks are replayed among ordinary sessions, and watched as they are written."""

import json
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

import numpy as np

from trine.annotations import Int64
from trine.detect.detector import Detector
from trine.live.engine import Limits
from trine.live.file_source import FileSource
from trine.live.finding import LiveFinding
from trine.live.store import Store
from trine.live.watch import Watch
from trine.page.chapter import Table
from trine.sequences.table import SequenceTable

ATTACKS, ORDINARY = 3, 20
"""Numbers of attacked and of ordinary sessions that are replayed."""
LONGEST: Final = 600
"""Largest number of events of each."""
APART: Final = 0.5
"""Seconds of the log between the beginnings of two sessions."""
FIRST: Final = 1_777_629_600.0
"""Time of the first line, in seconds since 1970."""
WRITES, PAUSE = 40, 0.05
"""Number of times that lines are appended, and seconds between them."""
PATIENCE: Final = 60.0
"""Most seconds to wait for the last lines to be read."""
READ_AS: Final = {"entity": "session", "log_event": ("event",), "log_time": "time"}
"""Settings by which the lines are read."""


def replayed(model: Detector, test: SequenceTable, folder: Path) -> Table:
    """Write attacks and ordinary sessions to a log, and watch it meanwhile.

    The attacks are the strangest ones of different kinds that the detector flags.
    """
    chosen = _chosen(model, test)
    log, raised = folder / "live.jsonl", Raised()
    for path in folder.glob("live.*"):
        path.unlink()
    log.touch()
    watched = model.replaced(recipe=model.recipe.changed(**READ_AS))
    with closing(Store.own(folder / "live.db", "demo")) as store:
        watch = Watch(watched, "demo", store, [FileSource([str(log)])], [raised], Limits(model.share))
        thread = threading.Thread(target=watch.run, name="watch")
        thread.start()
        lines = _lines(chosen)
        _write(log, lines)
        end = time.monotonic() + PATIENCE
        while store.counters().get("lines", 0) < len(lines) and time.monotonic() < end:
            time.sleep(PAUSE)
        watch.stopping.set()
        thread.join(PATIENCE)
    return _table(chosen, raised)


class Raised:
    """A sink that keeps the first state of every finding that reaches it."""

    name = "demo"

    def __init__(self) -> None:
        self.findings: dict[str, LiveFinding] = {}

    def send(self, findings: Sequence[LiveFinding]) -> None:
        """Keep them."""
        for finding in findings:
            self.findings.setdefault(finding.entity, finding)

    def close(self) -> None:
        """Nothing to close."""


def _chosen(model: Detector, test: SequenceTable) -> SequenceTable:
    scores = model.scores(test)
    short = test.lengths <= LONGEST
    attacks: dict[str, int] = {}
    for i in scores.strangest_first.tolist():
        if scores.flagged[i] and short[i] and test.labels[i] == 1:
            attacks.setdefault(str(test.kinds[i]), i)
    ordinary = np.flatnonzero(short & (test.labels == 0))[:ORDINARY]
    attacked = np.array(list(attacks.values())[:ATTACKS], np.int64)
    return test.rows(_spread(attacked, ordinary))


def _spread(attacked: Int64[np.ndarray, "attacks"], ordinary: Int64[np.ndarray, "others"]) -> Int64[np.ndarray, "both"]:
    """The attacks among the ordinary ones, in the second half of them."""
    places = len(ordinary) // 2 + np.arange(len(attacked)) * (len(ordinary) // 2) // max(1, len(attacked))
    return np.insert(ordinary, places, attacked)


def _lines(table: SequenceTable) -> list[str]:
    """The events of sessions that overlap as JSON lines, in the order of time."""
    owner = np.repeat(np.arange(len(table)), table.lengths)
    within = np.zeros(len(owner)) if table.times is None else table.times - table.times[table.offsets[:-1]][owner]
    times = FIRST + APART * owner + within
    return [
        json.dumps(
            {
                "time": round(float(times[i]), 3),
                "session": str(table.names[owner[i]]),
                "event": table.vocabulary[table.events[i]],
            }
        )
        + "\n"
        for i in np.argsort(times, kind="stable").tolist()
    ]


def _write(log: Path, lines: Sequence[str]) -> None:
    for some in np.array_split(np.arange(len(lines)), WRITES):
        with log.open("a", encoding="utf-8") as out:
            out.writelines(lines[i] for i in some.tolist())
        time.sleep(PAUSE)


def _table(chosen: SequenceTable, raised: Raised) -> Table:
    labels = dict(zip(map(str, chosen.names), chosen.labels.tolist(), strict=True))
    found = {name: finding for name, finding in raised.findings.items() if name in labels}
    caught = sum(labels[name] == 1 for name in found)
    attacks, ordinary = int((chosen.labels == 1).sum()), int((chosen.labels == 0).sum())
    title = (
        f"Watched while they are written: {caught} of {attacks} attacks among {ordinary} ordinary sessions are caught"
    )
    columns = ("session", "is", "found at event", "of", "p", "the event that counts", "expected instead")
    return Table(title, columns, [_row(chosen, name, found[name]) for name in labels if name in found])


def _row(chosen: SequenceTable, name: str, finding: LiveFinding) -> tuple[str, ...]:
    (row,) = np.flatnonzero(chosen.names == name)
    kind = str(chosen.kinds[row]).replace("_", " ")
    line = finding.lines[0] if finding.lines else None
    expected = ", ".join(f"{word} {100 * p:.0f} %" for word, p in line.expected[:2]) if line else ""
    counts = f"{line.event} ({line.surprisal:.1f} nats)" if line else ""
    at, length = str(finding.events), str(chosen.lengths[row])
    return name, kind or "normal", at, length, f"{finding.p_value:.3f}", counts, expected
