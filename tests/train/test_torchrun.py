"""Two processes, started by torchrun, train one model."""

import json
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

SMALL = ("--network", "classic", "--set", "widths=[8,16]", "--set", "epochs=1", "--set", "least_steps=200")
TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "trine")


def processes_that_name(text: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        found += [line] if text in line else []
    return found


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
