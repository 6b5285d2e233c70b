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
