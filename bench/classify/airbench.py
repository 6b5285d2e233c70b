"""Training time of `good` on CIFAR-10 and of airbench94's Muon recipe, on the same cores. Cost: about 8 minutes.

The peer is written here from its description (Jordan, "94% on CIFAR-10 in 3.29 seconds on a single GPU", 2024, and its
Muon variant): a 2×2 whitening stem, 64/256/256 channels, batch 2,000, 8 epochs of 25 steps. Both take 30 steps in
float32 and, if the processor supports it, 30 in bfloat16, alternating step by step. The time of a recipe is its median
step times its number of steps, in its faster precision. `good` includes its data path; its accuracy is in
classify-cifar10-good.json.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bench.support import record
from bench.support.claim import Cells, Claim, times
from trine.classify.recipe import ClassifyRecipe
from trine.classify.training import ClassifierTrainer
from trine.nn.muon import orthogonalise
from trine.train.step import Stepper

STEPS, PEER_STEPS, PEER_BATCH = 30, 200, 2_000

RECIPES = (
    "The peer is airbench94's Muon recipe, written from its description. Its time counts the steps alone, with data "
    "ready in memory; Trine's time includes the data path. The ratio compares whole recipes, each in its faster "
    "precision."
)
PRECISIONS = {
    "classify-airbench": (
        "",
        f"{RECIPES} In float32 on the same machine both take equally long (`ratio_float32` in the file). The ratio "
        "depends on the load of the machine.",
    ),
    "classify-airbench-float32": (
        " in float32",
        f"{RECIPES} Measured before maps of odd size were kept whole in float32, which changed some layers.",
    ),
}
CLAIMS = [
    Claim(
        f"CIFAR-10, time of the recipe `good`{name}; peer: airbench94's recipe for 94 %",
        file,
        lambda f: Cells(f"{f['our_seconds_to_94']:,.0f} s", f"{f['peer_seconds_to_94']:,.0f} s", times(f["ratio"])),
        note,
        front=True,
    )
    for file, (name, note) in PRECISIONS.items()
]


class PeerBlock(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
        self.second = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(outputs, momentum=0.4, eps=1e-12) for _ in range(2)])
        for norm in self.norms:
            norm.weight.requires_grad = False

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.norms[0](F.max_pool2d(self.first(x), 2)))
        return F.gelu(self.norms[1](self.second(x)))


class Peer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 24, 2, bias=True)
        self.stem.weight.requires_grad = False
        self.blocks = nn.Sequential(PeerBlock(24, 64), PeerBlock(64, 256), PeerBlock(256, 256), nn.MaxPool2d(3))
        self.head = nn.Linear(256, 10, bias=False)
        self.to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(F.gelu(self.stem(x))).flatten(1)) / 9


def peer_step(bfloat16: bool) -> Callable[[], None]:
    """One step of the peer's recipe on random pictures that are ready in memory: its data path costs nothing here."""
    net = Peer()
    filters = [value for value in net.parameters() if value.dim() == 4 and value.requires_grad]
    rest = [value for value in net.parameters() if value.dim() != 4 and value.requires_grad]
    sgd = torch.optim.SGD(rest, lr=1e-4, momentum=0.85, nesterov=True)
    momenta = [torch.zeros_like(value) for value in filters]
    images = torch.randn(PEER_BATCH, 3, 32, 32).to(memory_format=torch.channels_last)
    labels = torch.randint(10, (PEER_BATCH,))

    def step() -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bfloat16):
            loss = F.cross_entropy(net(images).float(), labels, label_smoothing=0.2, reduction="sum")
        loss.backward()
        sgd.step()
        with torch.no_grad():
            for value, momentum in zip(filters, momenta, strict=True):
                momentum.mul_(0.6).add_(value.grad)
                value.mul_(len(value) ** 0.5 / value.norm())
                update = orthogonalise(value.grad.add(momentum, alpha=0.6).reshape(len(value), -1))
                value.add_(update.view_as(value), alpha=-0.24)
        net.zero_grad(set_to_none=True)

    return step


def our_step(precision: str) -> tuple[Callable[[], None], int]:
    """One step of `good` as the loop takes it, batch and augmentation included, and the number of steps of `good`.

    From the middle of the training: in the first 3 % of the steps the stem is trained as well.
    """
    trainer = ClassifierTrainer(ClassifyRecipe.preset("good", network="fast", precision=precision), "cpu")
    objective = trainer.objective(trainer.open("cifar10", None), trainer.recipe)
    stepper = Stepper(objective, trainer.device)
    stepper.clock.step = stepper.clock.total // 2

    def step() -> None:
        stepper.take(stepper.clock.step)
        stepper.clock.step += 1

    return step, stepper.clock.total


def seconds(step: Callable[[], None]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    kinds = sorted({"float32", record.precision()}, reverse=True)
    sides = {f"peer_{kind}": peer_step(kind == "bfloat16") for kind in kinds}
    for kind in kinds:
        sides[f"ours_{kind}"], our_steps = our_step(kind)
    times: dict[str, list[float]] = {name: [] for name in sides}
    for step in sides.values():
        step()
    for _ in range(STEPS):
        for name, step in sides.items():
            times[name].append(seconds(step))
    median = {name: statistics.median(values) for name, values in times.items()}
    peer, ours = (
        {kind: steps * median[f"{side}_{kind}"] for kind in kinds}
        for side, steps in (("peer", PEER_STEPS), ("ours", our_steps))
    )
    figures = {
        "step_seconds": median,
        "steps": {"peer": PEER_STEPS, "ours": our_steps},
        "peer_seconds_to_94": min(peer.values()),
        "our_seconds_to_94": min(ours.values()),
        "ratio": min(ours.values()) / min(peer.values()),
        "ratio_float32": ours["float32"] / peer["float32"],
    }
    record.keep(record.by_precision("classify-airbench"), "python -m bench.classify.airbench", figures)
