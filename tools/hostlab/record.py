"""Several runs of the laboratory, each wholly in one split, as one sequence table.

Normal and misuse visits overlap and come in random order. Which process served a visit is told by the client's port
alone, so nothing in the record but its label says what a visit was.
"""

import gzip
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

from hostlab.clients import Step, plan, some_kind, visit
from hostlab.laboratory import Laboratory, laboratory
from hostlab.misuse import ACTS, NotDoneError, misuse_plan
from hostlab.trace import Session

COLUMNS = ("split", "label", "kind", "name", "events", "times", "process")
AT_ONCE = 4
TICK = 0.002
ARRIVAL_SECONDS = 0.03


@dataclass(frozen=True)
class Run:
    """What one run records; `normal` visits, and `misuse` visits of every kind."""

    split: str
    seed: int
    normal: int
    misuse: int


@dataclass(frozen=True)
class Row:
    """One session of the table; `kind` is `normal` or the misuse."""

    split: str
    kind: str
    name: str
    session: Session

    def cells(self) -> list[str]:
        """In the order of `COLUMNS`; times in seconds."""
        return [
            self.split,
            str(int(self.kind != "normal")),
            self.kind,
            self.name,
            " ".join(self.session.events),
            " ".join(map(seconds, self.session.times)),
            " ".join(map(str, self.session.processes)),
        ]


@dataclass(frozen=True)
class Visit:
    """A planned visit: what it is, whom it looks like, its steps, and the seed of its chance."""

    act: str
    kind: str
    steps: list[Step]
    seed: int


def seconds(time: float) -> str:
    """Rounded to `TICK`, as short as it can be written: under strace no call is timed better than that."""
    return f"{round(time / TICK) * TICK:.3f}".rstrip("0").rstrip(".")


def visits(run: Run) -> list[Visit]:
    """All visits of a run in random order; the same run, the same visits."""
    chance = random.Random(run.seed)
    kinds = [some_kind(chance) for _ in range(run.normal)]
    planned = [("normal", kind, plan(kind, chance)) for kind in kinds]
    planned += [(act, *misuse_plan(act, chance)) for act in ACTS for _ in range(run.misuse)]
    chance.shuffle(planned)
    return [Visit(act, kind, steps, chance.randrange(2**32)) for act, kind, steps in planned]


def make(run: Run, dropped: Counter[str]) -> list[Row]:
    """Records one run; visits that failed are left out and counted by reason in `dropped`."""
    planned = visits(run)
    with laboratory(run.seed) as lab:
        ports = pay(lab, planned, random.Random(run.seed + 1), dropped)
        lab.stop()
        sessions = {session.port: session for session in lab.trace().sessions(lab.kinds())}
    dropped["not one connection in the trace"] += len(ports.keys() - sessions.keys())
    found = [(sessions[port], visit) for port, visit in ports.items() if port in sessions]
    found.sort(key=lambda pair: pair[0].started)
    return [
        Row(run.split, visit.act, f"run{run.seed:02}/{number:03}-{visit.kind}", session)
        for number, (session, visit) in enumerate(found)
    ]


def pay(lab: Laboratory, planned: list[Visit], chance: random.Random, dropped: Counter[str]) -> dict[int, Visit]:
    """Pays the visits, a few at once, at random moments; which client's port was which visit."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures: dict[Future[int], Visit] = {}
        for each in planned:
            futures[pool.submit(visit, lab, random.Random(each.seed), each.kind, each.steps)] = each
            time.sleep(chance.expovariate(1 / ARRIVAL_SECONDS))
    ports: dict[int, Visit] = {}
    for future, each in futures.items():
        try:
            ports[future.result()] = each
        except (NotDoneError, OSError, HTTPException) as error:
            dropped[f"{each.act}: {type(error).__name__}"] += 1
    return ports


def record(runs: Iterable[Run], dropped: Counter[str]) -> Iterator[Row]:
    """The sessions of all runs, one run after another."""
    for run in runs:
        yield from make(run, dropped)


def write(rows: list[Row], target: Path) -> None:
    """The table, rows grouped by split, the same bytes for the same rows."""
    order = {"train": 0, "valid": 1, "test": 2}
    lines = ["\t".join(row.cells()) for row in sorted(rows, key=lambda row: (order[row.split], row.name))]
    text = "\n".join(["\t".join(COLUMNS), *lines]) + "\n"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
