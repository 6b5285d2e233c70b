import subprocess
import sys

import pytest
import torch
from PIL import Image
from torch import nn

from trine.nn.optimisers import SGD, AdamW

PEERS = {
    "sgd": (SGD, torch.optim.SGD, {"momentum": 0.8, "weight_decay": 0.1}, {"nesterov": True}),
    "sgd without momentum": (SGD, torch.optim.SGD, {}, {}),
    "adamw": (AdamW, torch.optim.AdamW, {"betas": (0.8, 0.95), "weight_decay": 0.1}, {"eps": 1e-8}),
    "adamw without decay": (AdamW, torch.optim.AdamW, {}, {"weight_decay": 0.0}),
}


def random_parameters():
    torch.manual_seed(0)
    filters = torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last)
    return [nn.Parameter(filters), nn.Parameter(torch.randn(5)), nn.Parameter(torch.randn(()))]


@pytest.mark.parametrize("name", PEERS)
def test_updates_equal_those_of_torchs_optimiser_of_that_name(name):
    ours, theirs, shared, own = PEERS[name]
    mine, peers = random_parameters(), random_parameters()
    optimiser, peer = ours(mine, **shared), theirs(peers, lr=0.0, **shared, **own)
    for step in range(20):
        for index, (first, second) in enumerate(zip(mine, peers, strict=True)):
            differentiated = index != step % 4  # in some steps a parameter has no gradient
            first.grad = torch.randn(first.shape) * 10.0 ** (step % 7 - 5) if differentiated else None
            second.grad = first.grad.clone() if differentiated else None
        peer.param_groups[0]["lr"] = learning_rate = 0.1 / (1 + step)
        peer.step()
        optimiser.step(learning_rate)
        for first, second in zip(mine, peers, strict=True):
            torch.testing.assert_close(first, second, rtol=1e-5, atol=1e-6)


SETTINGS = {"classify": ("epochs=0.1", "least_steps=2"), "generate": ("epochs=0.1", "flow_steps=2")}


@pytest.mark.parametrize("task", SETTINGS)
def test_a_training_does_not_import_torchs_compiler(task, tmp_path):
    for number in range(40):
        folder = tmp_path / "pictures" / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 6 * number).save(folder / f"{number}.png")
    fit = ["trine", task, "fit", str(tmp_path / "pictures"), "--out", str(tmp_path / "run"), "--no-test"]
    words = [*fit, *(word for setting in SETTINGS[task] for word in ("--set", setting))]
    process = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", *words], capture_output=True, text=True, timeout=120, check=True
    )
    imported = {line.rsplit("|")[-1].strip() for line in process.stderr.splitlines() if line.startswith("import time:")}
    assert "torch" in imported
    assert "torch._dynamo" not in imported
