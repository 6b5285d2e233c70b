"""What counting cannot see: a set of our own in which order, pace, hour or name is the only signal. Cost: 2 minutes.

Four people work at hours, at a pace and on tasks of their own. A session opens a task, does six steps that say
nothing of it, and signs and sends the result: tasks of one kind in this order, of the other in the reverse. Deviations
are made of new normal sessions, changed in one respect:

order   the same events, signed and sent in the order of the other kind; six steps of six kinds seldom occur twice
pace    the same events at a tenth of the time between them
hour    the same session, twelve hours later
name    the same session, in the name of another person

Three detectors: counting alone, the network of the events, the network with `time`, `hour` and `entity`.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np

from bench.support import record
from bench.support.claim import Cells, Claim
from trine.detect.detector import Detector
from trine.measures.roc import auc, roc
from trine.sequences.table import SequenceTable

PEOPLE = {
    "ann": {"hours": (7, 11), "pace": 4.0, "tasks": ("orders", "stock")},
    "bob": {"hours": (12, 16), "pace": 40.0, "tasks": ("invoices", "wages")},
    "cem": {"hours": (17, 20), "pace": 4.0, "tasks": ("backup", "audit")},
    "dia": {"hours": (1, 4), "pace": 40.0, "tasks": ("mail", "news")},
}
ENDS = (("sign", "send"), ("send", "sign"))
"""The last two events of a person's first and second task."""
STEPS, KINDS = 6, 6
"""Number of steps between opening and closing, and of kinds of steps."""
NORMAL, EACH = 1_600, 150
"""Number of normal sessions, a fifth of them for the test, and of sessions of each deviation."""
DAY, START = 86_400, 1_700_006_400
"""A day in seconds, and midnight of the first one in UTC."""
LEARNING = ("steps=32", "batch_size=16", "least_steps=600", "folds=2")
"""Settings of the networks: gradients flow back through a whole session, and small batches give many steps."""
NETWORK = tuple(word for setting in LEARNING for word in ("--set", setting))
DETECTORS: dict[str, tuple[str, ...]] = {
    "counting": ("--members", "counting"),
    "network": NETWORK,
    "network with attributes": (
        *NETWORK,
        *("--set", 'attributes=["time","hour","entity"]'),
    ),
}
DEVIATIONS = ("order", "pace", "hour", "name")

CLAIMS = [
    Claim(
        f"another {deviation}, all else normal: AUC with attributes (counting)",
        "detect-order-time",
        lambda f, deviation=deviation: Cells(
            f"{f['network with attributes'][deviation]['auc']:.3f} ({f['counting'][deviation]['auc']:.3f})"
        ),
        "A set of our own, made so that one thing alone is the signal.",
    )
    for deviation in DEVIATIONS
]

Session = dict[str, Any]


def normal(draw: np.random.Generator, day: int) -> Session:
    """A person's session: their task, at their hour and pace."""
    name = str(draw.choice(list(PEOPLE)))
    person = PEOPLE[name]
    task = str(draw.choice(person["tasks"]))
    steps = [f"step {kind}" for kind in draw.integers(0, KINDS, STEPS)]
    gaps = draw.lognormal(np.log(person["pace"]), 0.5, STEPS + 2)
    start = START + day * DAY + draw.uniform(*person["hours"]) * 3_600
    times = start + np.concatenate([[0], np.cumsum(gaps)])
    return {
        "events": [f"open {task}", *steps, *ENDS[person["tasks"].index(task)]],
        "times": times.tolist(),
        "name": name,
    }


def deviating(session: Session, kind: str, draw: np.random.Generator) -> Session:
    """A session that is changed in one respect."""
    events, times, name = session["events"], np.array(session["times"]), session["name"]
    if kind == "order":
        events = [*events[:-2], events[-1], events[-2]]
    elif kind == "pace":
        times = times[0] + (times - times[0]) / 10
    elif kind == "hour":
        times = times + DAY / 2
    else:
        name = str(draw.choice([other for other in PEOPLE if other != name]))
    return {"events": events, "times": times.tolist(), "name": name, "kind": kind, "label": 1, "split": "test"}


def write(path: Path) -> Path:
    """The table; sessions of a person are told apart by a number behind the name."""
    draw = np.random.default_rng(0)
    sessions = [{**normal(draw, i % 60), "label": 0, "split": "test" if i % 5 == 0 else "train"} for i in range(NORMAL)]
    sessions += [deviating(normal(draw, i % 60), kind, draw) for kind in DEVIATIONS for i in range(EACH)]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "".join(json.dumps({**each, "name": f"{each['name']}#{i + 2}"}) + "\n" for i, each in enumerate(sessions))
    )
    return path


def measure(path: Path, name: str, words: tuple[str, ...]) -> dict[str, Any]:
    """AUC and share found at 1 % of each deviation."""
    folder = record.RUNS / f"order-time-{name.replace(' ', '-')}"
    shutil.rmtree(folder, ignore_errors=True)
    seconds = record.fit("detect", path, folder, "--no-test", *words)["compute"]["train_seconds"]
    model = Detector.load(folder)
    test = model.read(path).split("test")
    scores = model.scores(test)
    figures = {kind: separation(test, scores.ensemble.fused, kind) for kind in DEVIATIONS}
    alarms = float(scores.flagged[test.labels != 1].mean())
    return {**figures, "fpr_realised": alarms, "members": list(model.ensemble.names), "train_seconds": seconds}


def separation(test: SequenceTable, fused: np.ndarray, kind: str) -> dict[str, float]:
    """Of one deviation against all normal test sessions."""
    chosen = (test.labels != 1) | (test.kinds == kind)
    abnormal = (test.labels == 1)[chosen]
    return {"auc": auc(fused[chosen], abnormal), "tpr_at_0.01": roc(fused[chosen], abnormal).tpr_at(0.01)}


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    table = write(record.RUNS / "order-time.jsonl")
    figures = {name: measure(table, name, words) for name, words in DETECTORS.items()}
    record.keep("detect-order-time", "python -m bench.detect.order_time", figures)
