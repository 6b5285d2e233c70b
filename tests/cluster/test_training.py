"""Trainings on clusters of one machine: a worker is killed for real, and the training goes on by itself."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bench.same_weights import digests
from tests.cluster.conftest import LIMIT, SMALL, own_address, processes_that_name, wait_for
from trine.train import checkpoint

pytestmark = [pytest.mark.long, pytest.mark.ray]

TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "trine")
WORDS = ("classify", "fit", "digits", *SMALL, "--device", "cpu", "--json", "--set", "precision=float32")
STEPS = 3000
"""Enough for a training to be at work when something happens to it."""
LONGER = (*WORDS, "--set", f"least_steps={STEPS}", "--set", "checkpoint_seconds=0.2")
WORKER = "ray::RayTrainWorker"


def finished(process: "subprocess.Popen[str]") -> dict:
    out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, err
    return json.loads(out)


def test_two_workers_of_a_cluster_train_the_weights_of_torchrun_bit_for_bit(start_trine, tmp_path):
    pytest.importorskip("ray")
    torchrun = finished(start_trine(*WORDS, "--out", tmp_path / "torchrun", program=TORCHRUN))
    process = start_trine(*WORDS, "--out", tmp_path / "ray", "--cluster", "auto", "--workers", "2")
    ray = finished(process)
    assert digests(tmp_path / "ray") == digests(tmp_path / "torchrun")
    assert ray["metrics"] == torchrun["metrics"]
    assert ray["compute"]["steps"] == torchrun["compute"]["steps"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == [], "no folder of ours is left"
    assert (tmp_path / "ray" / "report.html").is_file()


def test_a_training_whose_worker_is_killed_ends_with_the_weights_of_an_uninterrupted_one(start_trine, tmp_path):
    pytest.importorskip("ray")
    process = start_trine(*LONGER, "--out", tmp_path / "killed", "--cluster", "auto", "--workers", "2")
    moment = random.randrange(100, STEPS // 2)
    wait_for(lambda: reached(tmp_path / "killed") >= moment or ended(process), LIMIT, f"step {moment}")
    os.kill(random.choice(workers_of(process.pid)), signal.SIGKILL)
    out, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 0, err
    assert "a worker ended (" in err
    assert ": going on at step " in err
    killed = json.loads(out)
    whole = finished(start_trine(*LONGER, "--out", tmp_path / "whole", program=TORCHRUN))
    assert killed["compute"]["steps"] == whole["compute"]["steps"] == STEPS
    assert killed["metrics"] == whole["metrics"]
    assert weights(tmp_path / "killed") == weights(tmp_path / "whole")
    steps = [json.loads(line)["step"] for line in (tmp_path / "killed/metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(steps), "no step is recorded twice"
    assert not workers_of(process.pid)


def test_data_that_a_machine_lacks_is_one_line_and_nothing_is_written(nodes, start_trine, make_folder, tmp_path):
    if os.geteuid() != 0:
        pytest.skip("a file system of a node's own needs root")
    photos = make_folder({"cat": 20, "dog": 20}, name="data/photos")
    nodes.add(cpus=1)
    nodes.add(cpus=1, before=f"mount -t tmpfs tmpfs {photos.parent}", alone=True)
    process = start_trine(
        "classify", "fit", photos, *SMALL, "--cluster", nodes.address, "--out", tmp_path / "runs" / "run"
    )
    _, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 1
    assert err.splitlines()[-1] == (
        f"trine: machine {own_address()} of the cluster: {photos} is not there: copy it to the same path on each, or "
        "put it on shared storage"
    )
    assert "Traceback" not in err
    assert not (tmp_path / "runs").exists()


def test_an_error_of_a_worker_is_the_line_that_a_single_process_says(start_trine, tmp_path):
    pytest.importorskip("ray")
    (tmp_path / "empty").mkdir()
    process = start_trine("classify", "fit", tmp_path / "empty", "--cluster", "auto", "--out", tmp_path / "run")
    _, err = process.communicate(timeout=LIMIT)
    alone = start_trine("classify", "fit", tmp_path / "empty", "--out", tmp_path / "run2")
    _, expected = alone.communicate(timeout=LIMIT)
    assert process.returncode == alone.returncode == 1
    assert err.splitlines()[-1] == expected.splitlines()[-1]
    assert not (tmp_path / "run").exists()


def test_a_training_that_is_stopped_goes_on_with_resume(start_trine, tmp_path):
    pytest.importorskip("ray")
    words = (*LONGER, "--out", tmp_path / "run", "--cluster", "auto", "--workers", "1")
    process = start_trine(*words)
    wait_for(lambda: reached(tmp_path / "run") >= 100 or ended(process), LIMIT, "step 100")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 1, err
    assert err.splitlines()[-1].startswith("trine: stopped; the checkpoint of step")
    assert not (tmp_path / ".run.cluster").exists()
    resumed = finished(start_trine(*words, "--resume"))
    assert resumed["compute"]["steps"] == STEPS


def weights(run: Path) -> dict[str, str]:
    """Digests of all tensors but the record of the labels: a checkpoint lacks what further workers recorded of late."""
    return {name: digest for name, digest in digests(run).items() if name != "labels.margins"}


def reached(run: Path) -> int:
    """Step of a run's newest checkpoint; -1: there is none."""
    return max(checkpoint.steps(run / "checkpoints"), default=-1)


def ended(process: "subprocess.Popen[str]") -> bool:
    """Fails the test when a command has ended before its time."""
    if process.poll() is not None:
        pytest.fail(f"it has ended already: {process.communicate()[1][-2000:]}")
    return False


def workers_of(driver: int) -> list[int]:
    """Process ids of the training workers that descend from a process."""
    return [pid for pid in processes_that_name(WORKER) if driver in ancestors(pid)]


def ancestors(pid: int) -> set[int]:
    found = set[int]()
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
        found.add(pid)
    return found
