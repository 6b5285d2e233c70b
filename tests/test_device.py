import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from trine import device
from trine.errors import UsageError


def test_auto_finds_something_that_is_there():
    chosen = device.choose()
    assert torch.zeros(1, device=chosen.name).sum() == 0
    assert chosen.leads
    assert (chosen.rank, chosen.world) == (0, 1)


def test_precision_is_what_was_asked_for():
    assert device.choose("cpu", "bfloat16").bfloat16
    assert not device.choose("cpu", "float32").bfloat16
    with device.choose("cpu", "bfloat16").autocast():
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16


def test_a_device_that_is_not_here_is_wrong_use():
    with pytest.raises(UsageError, match="'tpu' is not known: choose one of auto, cpu, cuda, mps"):
        device.choose("tpu")
    if not torch.cuda.is_available():
        with pytest.raises(UsageError, match="'cuda' is not available on this machine: use --device cpu"):
            device.choose("cuda")


def test_a_process_alone_agrees_with_itself():
    alone = device.choose("cpu")
    model = torch.nn.Linear(1, 1)
    assert alone.agree(5) == 5
    assert alone.wrap(model) is model
    with device.together(alone), alone.leader_first():
        alone.wait()


def test_each_process_of_a_machine_takes_the_cuda_device_of_its_local_rank(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    taken = []
    for rank in range(4):
        monkeypatch.setenv("LOCAL_RANK", str(rank))
        taken.append(device.own_cuda_index(4))
    assert taken == [0, 1, 2, 3]
    monkeypatch.delenv("LOCAL_RANK")
    assert device.own_cuda_index(1) == 0, "a process alone takes the first"


def test_two_processes_do_not_share_a_cuda_device(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    with pytest.raises(UsageError, match=r"process 2 .* no CUDA device of its own among 1: start at most 1 processes"):
        device.own_cuda_index(1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")  # a starter has chosen one for this process
    assert device.own_cuda_index(1) == 0


def test_a_process_group_that_is_there_already_is_used_and_left(monkeypatch, tmp_path):
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "1")):
        monkeypatch.setenv(name, value)
    group = torch.distributed.FileStore(str(tmp_path / "store"), 1)
    torch.distributed.init_process_group("gloo", store=group, rank=0, world_size=1)
    try:
        several = device.Device("cpu", bfloat16=False, rank=0, world=2)  # as Ray Train's workers see themselves
        with device.together(several):
            assert torch.distributed.is_initialized()
        assert torch.distributed.is_initialized(), "whoever made the group ends it"
    finally:
        torch.distributed.destroy_process_group()


TORCHRUN = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node")
SMALL = ("--set", "epochs=1", "--set", "least_steps=60", "--set", "network=fast", "--set", "widths=[16,32]")


def fitted(out: Path, processes: int) -> dict[str, object]:
    """Result of a small training in so many processes."""
    words = ("-m", "trine", "classify", "fit", "digits", *SMALL, "--device", "cuda", "--json", "--out", str(out))
    program = (*TORCHRUN, str(processes)) if processes > 1 else (sys.executable,)
    done = subprocess.run([*program, *words], capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.cuda
@pytest.mark.long
def test_a_training_on_cuda_computes_in_bfloat16_and_learns(tmp_path):
    chosen = device.choose("cuda")
    assert chosen.bfloat16 == torch.cuda.is_bf16_supported()
    assert fitted(tmp_path / "one", 1)["metrics"]["accuracy"] > 0.9


@pytest.mark.cuda(2)
@pytest.mark.long
def test_two_processes_on_two_cuda_devices_learn_as_well_as_one(tmp_path):
    two, one = fitted(tmp_path / "two", 2), fitted(tmp_path / "one", 1)
    assert abs(two["metrics"]["accuracy"] - one["metrics"]["accuracy"]) < 0.05
    assert two["compute"]["steps"] == one["compute"]["steps"]
