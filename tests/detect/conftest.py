"""A small system of three programs that loop: its normal runs, abnormal ones, and a detector trained on it."""

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

WITH_NETWORK = ("either", "counts", "unseen", "excess", "pairs", "rare")
"""Members chosen by hand: they stay, though n-grams predict these small programs better than a network does."""


def normal_runs(count, seed):
    """Runs of the programs: each has four to eight loops, and one of its events occurs twice in a row."""
    draw = np.random.default_rng(seed)
    runs = []
    for i in range(count):
        events = list(PROGRAMS[i % len(PROGRAMS)]) * int(draw.integers(4, 9))
        events.insert(position := int(draw.integers(len(events))), events[position])
        runs.append(events)
    return runs


def spliced(events, position=6):
    """A run with foreign events inserted."""
    return [*events[:position], "ptrace", "recv", "fork", "open", "ptrace", *events[position:]]


def write_table(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_log(path, sessions=24, foreign=None):
    """A syslog of SSH sessions, one per process; the line `foreign` is inserted into the first one."""
    lines = []
    for i in range(sessions):
        for second, text in enumerate(("Connection opened", "Accepted password for ann", "Connection closed")):
            lines.append(f"Jan  1 {i // 60:02}:{i % 60:02}:{second:02} host sshd[{100 + i}]: {text}\n")
    if foreign:
        lines.insert(1, f"Jan  1 00:00:01 host sshd[100]: {foreign}\n")
    path.write_text("".join(lines))
    return path


def encoded(*sequences):
    """Sequences of event codes as an encoded table."""
    from trine.sequences.vocabulary import EncodedTable

    lengths = [len(sequence) for sequence in sequences]
    return EncodedTable(
        {"event": np.concatenate(sequences).astype(np.int64)}, np.concatenate([[0], np.cumsum(lengths)])
    )


@pytest.fixture(scope="session")
def programs(tmp_path_factory) -> Path:
    """A table: 120 normal runs in the train split; 60 normal and 20 spliced ones in the test split."""
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
def timed_table(tmp_path_factory) -> Path:
    """40 sequences over two days; each event has a time and a process."""
    draw, rows = np.random.default_rng(0), []
    for i in range(40):
        length = int(draw.integers(5, 12))
        times = np.sort(i * 2 * 86_400 / 40 + draw.exponential(size=length).cumsum())
        process = ["web" if i % 2 else "job"] * length
        rows.append({"events": (["a", "b", "c"] * 5)[:length], "times": times.tolist(), "process": process})
    return write_table(tmp_path_factory.mktemp("timed") / "timed.jsonl", rows)


@pytest.fixture(scope="session")
def make_detector(tmp_path_factory):
    """Fit a small detector to a table or log."""
    from trine.detect.detector import Detector

    def make(data, **settings):
        model = Detector(recipe=None, **{**SMALL, **settings})
        return model.fit(data, out=tmp_path_factory.mktemp("fit") / "run", device="cpu")

    return make


@pytest.fixture(scope="session")
def detector(programs, make_detector):
    return make_detector(programs, false_alarms=0.05, members=WITH_NETWORK)


@pytest.fixture
def make_net():
    """A network with random weights in evaluation mode; embedding and hidden width 8."""
    import torch

    from trine.detect.network import EventNet

    def make(sizes=None, cell="lstm", layers=1, seed=0, **settings):
        torch.manual_seed(seed)
        shape = {"embedding": 8, "hidden": 8, "layers": layers, **settings}
        return EventNet(sizes or {"event": 12}, cell, **shape).eval()

    return make
