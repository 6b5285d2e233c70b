"""Record several runs, each in one split, as one sequence table.

Normal and attack visits overlap in time and come in random order. The client's port identifies the process that served
a visit, so that no column except the labels tells an attack from normal use.
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

from hostlab_recorder.clients import Step, plan, some_kind, visit
from hostlab_recorder.laboratory import Laboratory, laboratory
from hostlab_recorder.misuse import ACTS, NotDoneError, misuse_plan
from hostlab_recorder.trace import Session

COLUMNS = ("split", "label", "kind", "name", "events", "times", "process")
AT_ONCE = 4
TICK = 0.002
ARRIVAL_SECONDS = 0.03


@dataclass(frozen=True)
class Run:
    """Plan of one run: `normal` visits, and `misuse` attacks of each kind."""

    split: str
    seed: int
    normal: int
    misuse: int


@dataclass(frozen=True)
class Row:
    """One session of the table; `kind` is `normal` or the kind of attack."""

    split: str
    kind: str
    name: str
    session: Session

    def cells(self) -> list[str]:
        """Cells in the order of `COLUMNS`; times in seconds."""
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
    """A planned visit: `normal` or an attack, the kind of visitor, its steps and its random seed."""

    act: str
    kind: str
    steps: list[Step]
    seed: int


def seconds(time: float) -> str:
    """Time rounded to `TICK`, the precision of times under strace, in the shortest decimal form."""
    return f"{round(time / TICK) * TICK:.3f}".rstrip("0").rstrip(".")


def visits(run: Run) -> list[Visit]:
    """All visits of a run in random order, determined by its seed."""
    chance = random.Random(run.seed)
    kinds = [some_kind(chance) for _ in range(run.normal)]
    planned = [("normal", kind, plan(kind, chance)) for kind in kinds]
    planned += [(act, *misuse_plan(act, chance)) for act in ACTS for _ in range(run.misuse)]
    chance.shuffle(planned)
    return [Visit(act, kind, steps, chance.randrange(2**32)) for act, kind, steps in planned]


def record_run(run: Run, dropped: Counter[str]) -> list[Row]:
    """Record one run; failed visits are left out and counted by reason in `dropped`."""
    planned = visits(run)
    with laboratory(run.seed) as lab:
        ports = execute(lab, planned, random.Random(run.seed + 1), dropped)
        lab.stop()
        sessions = {session.port: session for session in lab.trace().sessions(lab.kinds())}
    dropped["not one connection in the trace"] += len(ports.keys() - sessions.keys())
    recorded = [(sessions[port], visit) for port, visit in ports.items() if port in sessions]
    recorded.sort(key=lambda pair: pair[0].started)
    return [
        Row(run.split, visit.act, f"run{run.seed:02}/{number:03}-{visit.kind}", session)
        for number, (session, visit) in enumerate(recorded)
    ]


def execute(lab: Laboratory, planned: list[Visit], chance: random.Random, dropped: Counter[str]) -> dict[int, Visit]:
    """Execute the visits, `AT_ONCE` in parallel, starting at random times; return them by the client's port."""
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
    """Record the runs in order; yield their sessions."""
    for run in runs:
        yield from record_run(run, dropped)


def write(rows: list[Row], target: Path) -> None:
    """Write the table, grouped by split; equal rows give equal bytes."""
    order = {"train": 0, "valid": 1, "test": 2}
    lines = ["\t".join(row.cells()) for row in sorted(rows, key=lambda row: (order[row.split], row.name))]
    text = "\n".join(["\t".join(COLUMNS), *lines]) + "\n"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(text.encode(), 9, mtime=0))
