"""A small system of three looping programs, whose runs are normal, and a detector that learned it."""

import json
from pathlib import Path

import numpy as np
import pytest

PROGRAMS = (
    ("open", "read", "read", "close"),
    ("socket", "connect", "send", "recv", "close"),
    ("fork", "exec", "wait"),
)
SMALL = {"embedding": 8, "hidden": 16, "steps": 16, "epochs": 12, "least_steps": 1, "batch_size": 8, "folds": 2} | {
    "learning_rate": 0.02
}


def normal_runs(count, seed):
    """Runs of the programs, each a few loops, in which a step is now and then done twice."""
    draw = np.random.default_rng(seed)
    runs = []
    for i in range(count):
        events = list(PROGRAMS[i % len(PROGRAMS)]) * int(draw.integers(4, 9))
        events.insert(place := int(draw.integers(len(events))), events[place])
        runs.append(events)
    return runs


def spliced(events, place=6):
    """A run into which something foreign was spliced."""
    return [*events[:place], "ptrace", "recv", "fork", "open", "ptrace", *events[place:]]


def write_table(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="session")
def programs(tmp_path_factory) -> Path:
    """A table: 120 normal runs to learn from; 60 normal and 20 spliced ones to test."""
    train = [
        {"events": run, "split": "train", "label": 0, "name": f"run{i}"} for i, run in enumerate(normal_runs(120, 0))
    ]
    test = [{"events": run, "split": "test", "label": 0, "name": f"new{i}"} for i, run in enumerate(normal_runs(60, 1))]
    odd = [
        {"events": spliced(run), "split": "test", "label": 1, "kind": "splice", "name": f"odd{i}"}
        for i, run in enumerate(normal_runs(20, 2))
    ]
    return write_table(tmp_path_factory.mktemp("programs") / "programs.jsonl", [*train, *test, *odd])


@pytest.fixture(scope="session")
def make_detector(tmp_path_factory):
    """Fit a small detector to a table."""
    from trine.detect.detector import Detector

    def make(data, **settings):
        model = Detector(recipe=None, **{**SMALL, **settings})
        return model.fit(data, out=tmp_path_factory.mktemp("fit") / "run", device="cpu")

    return make


@pytest.fixture(scope="session")
def detector(programs, make_detector):
    return make_detector(programs, false_alarms=0.05)


@pytest.fixture
def make_table(tmp_path):
    """Sequences as a table that was read from a file."""
    from trine.sequences.readers import open_sequences

    def make(*sequences, **columns):
        rows = [
            {"events": list(events), **{name: values[i] for name, values in columns.items()}}
            for i, events in enumerate(sequences)
        ]
        return open_sequences(write_table(tmp_path / "table.jsonl", rows))

    return make


@pytest.fixture
def make_net():
    """A network with random weights; embedded, hidden: 8."""
    import torch

    from trine.detect.network import EventNet

    def make(sizes=None, cell="lstm", layers=1, seed=0, **settings):
        torch.manual_seed(seed)
        return EventNet(sizes or {"event": 12}, cell, **{"embedding": 8, "hidden": 8, "layers": layers, **settings})

    return make
