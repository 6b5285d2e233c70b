"""Speed of generators: training as a share of sgemm, sampling by the command and in a process. Cost: 2 min.

Training steps and matrix products are measured alternately, because the load of the machine changes from second to
second; the share is the median over the turns.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench.support import record
from bench.support.claim import Cells, Claim
from trine import Generator, machine
from trine.generate.recipe import GenerateRecipe
from trine.generate.training import GeneratorTrainer
from trine.train.step import Stepper

SHAPES = {
    "plain": {"effort": "good"},
    "plain, batches of quick": {"effort": "quick"},
    "plain, widths of best": {"effort": "best"},
    "deep": {
        "effort": "good",
        "network": "deep",
        "likelihood": "logistic",
        "widths": (64, 96, 128),
        "groups": (1, 1, 2),
    },
}
TURNS, STEPS = 20, 4
PICTURES = 4096
SETTINGS = {"epochs": 0.01, "least_steps": 20, "validations": 0, "flow_steps": 20}


def claims(file: str, name: str, note: str) -> list[Claim]:
    """Lines of one machine."""
    return [
        Claim(
            f"64 pictures of 32×32 by `trine generate sample`{name}, process start included",
            file,
            lambda f: Cells(f"{f['command_seconds']:.1f} s"),
            note,
        ),
        Claim(
            f"pictures of 32×32 per second in a running process{name}: with the flow / from N(0, I)",
            file,
            lambda f: Cells("{flow:,.0f} / {normal:,.0f}".format(**f["pictures_per_second"])),
        ),
        Claim(
            f"training by `good`{name}: share of the sgemm rate, `plain` / `deep`",
            file,
            lambda f: Cells(f"{100 * f['plain']['share']:.0f} / {100 * f['deep']['share']:.0f} %"),
        ),
    ]


FLOW = "Measured with a flow of half the width that colour pictures have now."
CLAIMS = [
    *claims("generate-speed", "", f"{FLOW} The share varies by a tenth with the load of the machine."),
    *claims("generate-speed-float32", " in float32", FLOW),
]


def share_of_sgemm(network: str) -> dict[str, float]:
    """The rate of real training steps on CIFAR-10, and of matrix products between them."""
    trainer = GeneratorTrainer(GenerateRecipe.preset(**SHAPES[network]))
    stepper = Stepper(trainer.objective(trainer.open("cifar10", None), trainer.recipe), trainer.device)
    rates = [(rate(stepper), machine.sgemm_gflops(seconds=0.5)) for _ in range(TURNS + 1)][1:]
    steps, products = (statistics.median(side) for side in zip(*rates, strict=True))
    share = statistics.median(step / product for step, product in rates)
    return {"gflops": steps, "sgemm_gflops": products, "share": share}


def rate(stepper: Stepper) -> float:
    """Rate of a few steps, in GFLOP/s."""
    start = time.perf_counter()
    flops = sum(stepper.take(step).flops for step in range(STEPS))
    return flops / (time.perf_counter() - start) / 1e9


def command_seconds(model: Path) -> float:
    """64 pictures into a PNG, from the start of the command to its end; the best of three."""
    line = [sys.executable, "-m", "trine", "generate", "sample", model, "-n", "64", "--out", model / "grid.png"]
    times = []
    for _ in range(3):
        start = time.perf_counter()
        subprocess.run(line, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - start)
    return min(times)


def rates(model: Path) -> dict[str, float]:
    """Pictures per second in a running process, by prior."""
    loaded = Generator.load(model)
    rates = {}
    for prior in ("normal", "flow"):
        loaded.sample(256, prior=prior)
        start = time.perf_counter()
        loaded.sample(PICTURES, prior=prior)
        rates[prior] = PICTURES / (time.perf_counter() - start)
    return rates


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    figures: dict[str, Any] = {network: share_of_sgemm(network) for network in SHAPES}
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "run"
        Generator(**SETTINGS).fit("cifar10", out=model, test=False)
        figures |= {"command_seconds": command_seconds(model), "pictures_per_second": rates(model)}
    record.keep(record.by_precision("generate-speed"), "python -m bench.generate.speed", figures)


if __name__ == "__main__":
    main()
