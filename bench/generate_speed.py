"""Speed of generate: training as a share of sgemm, sampling from the command line and in a process. Cost: 2 min."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import record
from trine import Generator
from trine.data.pictures import open_pictures
from trine.train import compute
from trine.train.device import choose
from trine.train.loop import Training
from trine.train.run import Run

SHAPES = {"plain": {}, "deep": {"likelihood": "logistic", "widths": (64, 96, 128), "groups": (1, 1, 2)}}
PICTURES = 4096
SETTINGS = {"epochs": 0.01, "least_steps": 20, "validations": 0, "flow_steps": 20}


def share_of_sgemm(network: str) -> dict[str, float]:
    """The rate of real training steps on CIFAR-10, and of matrix products before and after them."""
    generator = Generator(network=network, **SHAPES[network])
    generator.device = choose("auto", generator.recipe.precision)
    opened = open_pictures("cifar10")
    before = compute.sgemm_gflops()
    training = Training(generator.objective(opened, generator.recipe), Run(Path()), generator.device)
    seconds, flops = training.measure_step(20.0)
    rate, sgemm = flops / seconds / 1e9, (before + compute.sgemm_gflops()) / 2
    return {"gflops": rate, "sgemm_gflops": sgemm, "share": rate / sgemm}


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
    """Pictures a second in a running process, by prior."""
    loaded = Generator.load(model)
    found = {}
    for prior in ("normal", "flow"):
        loaded.sample(256, prior=prior)
        start = time.perf_counter()
        loaded.sample(PICTURES, prior=prior)
        found[prior] = PICTURES / (time.perf_counter() - start)
    return found


def main() -> None:
    figures: dict[str, Any] = {network: share_of_sgemm(network) for network in SHAPES}
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "run"
        Generator(**SETTINGS).fit("cifar10", out=model, test=False)
        figures |= {"command_seconds": command_seconds(model), "pictures_per_second": rates(model)}
    record.keep("generate-speed", "python bench/generate_speed.py", figures)


if __name__ == "__main__":
    main()
