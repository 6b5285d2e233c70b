"""Two processes, started by torchrun, train one model."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from trine.bundle import WEIGHTS

pytestmark = pytest.mark.long

SMALL = ("--network", "classic", "--set", "widths=[8,16]", "--set", "epochs=1", "--set", "least_steps=200")
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "trine")


def processes_that_name(text: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        found += [int(path.parent.name)] if text in line else []
    return found


def reached(run: Path) -> int:
    """Last step in the metrics of a run."""
    try:
        return int(json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])["step"])
    except (OSError, IndexError, ValueError):
        return 0


def test_two_processes_train_as_well_as_one_and_the_first_alone_writes(start_trine, trine, tmp_path):
    words = ("classify", "fit", "digits", *SMALL, "--device", "cpu", "--json", "--set", "checkpoint_seconds=0.05")
    process = start_trine(*words, "--out", tmp_path / "two", program=TORCHRUN)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    two = json.loads(out)
    alone = trine(*words, "--out", tmp_path / "one")
    one = json.loads(alone.out)
    assert abs(two["metrics"]["accuracy"] - one["metrics"]["accuracy"]) < 0.05
    assert two["compute"]["steps"] == one["compute"]["steps"]
    assert abs(two["compute"]["train_pflop"] / one["compute"]["train_pflop"] - 1) < 0.01, "the same total batch"
    lines = (tmp_path / "two/metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines if "seconds" in line] == list(range(1, 201))
    assert err.count("model: ") == 1
    assert not processes_that_name(str(tmp_path))


def test_a_run_of_two_processes_that_is_killed_goes_on_with_what_both_had_recorded(start_trine, tmp_path):
    """Losses and margins choose the pictures of later epochs and the doubtful labels: each process has its own."""
    settings = {"network": "fast", "widths": "[8,16]", "epochs": 1, "least_steps": 240, "hard_share": 0.4}
    settings |= {"hard_from": 0.3, "trust_labels": "always", "checkpoint_seconds": 0.05}
    words = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    words = ["classify", "fit", "digits", *words, "--device", "cpu", "--json"]
    runs = {name: tmp_path / name for name in ("whole", "killed")}

    def finished(name: str, *more: str) -> None:
        process = start_trine(*words, "--out", runs[name], *more, program=TORCHRUN)
        _, err = process.communicate(timeout=240)
        assert process.returncode == 0, err

    finished("whole")
    process = start_trine(*words, "--out", runs["killed"], program=TORCHRUN)
    end = time.monotonic() + 240
    while reached(runs["killed"]) < 110 and time.monotonic() < end:
        time.sleep(0.01)
    for each in processes_that_name(str(runs["killed"])):
        os.kill(each, signal.SIGKILL)
    process.communicate(timeout=60)
    assert 110 <= reached(runs["killed"]) < 240
    finished("killed", "--resume")
    whole, killed = (load_file(run / "bundle" / WEIGHTS) for run in runs.values())
    assert whole.keys() == killed.keys()
    assert [name for name, value in whole.items() if not torch.equal(value, killed[name])] == []
