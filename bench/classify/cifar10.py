"""CIFAR-10: test accuracy of a preset over seeds, with its compute. Cost on two cores: quick 10 min, good 30 min."""

import argparse
from typing import Any

from bench.support import record
from bench.support.claim import Cells, Claim, cost, percent

METRICS = ("accuracy_tta", "accuracy", "ece", "ece_uncalibrated", "macro_f1", "selective_accuracy", "coverage")
COST = ("train_pflop", "train_seconds", "gflops", "sgemm_gflops", "peak_memory_gib")

FLOAT32 = (
    "Convolutions use [minimal filtering](inside/convolution.md). Operations are counted by the definition of "
    "the convolution, although fewer are executed; therefore the share of the sgemm rate can exceed 100 %. Other "
    "work ran at idle priority."
)
FILES = {
    "classify-cifar10-quick": (
        "`quick`",
        "The share of the sgemm rate compares bfloat16 training with float32 products.",
    ),
    "classify-cifar10-good": (
        "`good`",
        "This is the eighth recipe for `good` that was evaluated on the test split. Two of the three trainings "
        "shared the cores with other work: their times are too long and their shares of the sgemm rate too low.",
    ),
    "classify-cifar10-best": (
        "`best`",
        "Measured before convolutions on small maps stopped multiplying padding: `best` needs less compute now.",
    ),
    "classify-cifar10-quick-float32": ("`quick` in float32", FLOAT32),
    "classify-cifar10-good-float32": (
        "`good` in float32",
        f"{FLOAT32} Two seeds only.",
    ),
}
"""Name of each result's preset in the tables, and its footnote."""


def training(figures: dict[str, Any]) -> Cells:
    peak = max(figures["peak_memory_gib"]["values"])
    return Cells(f"{cost(figures)}; {percent(figures['share_of_sgemm'], 0)}; {peak:.2f} GiB")


def accuracy(figures: dict[str, Any]) -> Cells:
    return Cells(f"{percent(figures['accuracy_tta'])} ({percent(figures['ece'])})")


CLAIMS = [
    *(
        Claim(
            f"CIFAR-10 test accuracy (expected calibration error), {name}",
            file,
            accuracy,
            note,
            front="float32" not in file,
        )
        for file, (name, note) in FILES.items()
    ),
    *(
        Claim(f"one training of {name}: compute; share of the sgemm rate; peak memory", file, training)
        for file, (name, _) in FILES.items()
    ),
]

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--effort", default="quick", choices=("quick", "good", "best"))
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    folders = [record.RUNS / f"cifar10-{options.effort}-{seed}" for seed in range(options.seeds)]
    results = [
        record.fit("classify", "cifar10", folder, "--effort", options.effort, "--seed", seed)
        for seed, folder in enumerate(folders)
    ]
    figures = {name: record.spread([result["metrics"][name] for result in results]) for name in METRICS}
    figures |= {name: record.spread([result["compute"][name] for result in results]) for name in COST}
    rates = [result["compute"]["gflops"] / result["compute"]["sgemm_gflops"] for result in results]
    figures |= {"share_of_sgemm": record.spread(rates), "seeds": options.seeds, "split": "test", "n": 10_000}
    command = f"python -m bench.classify.cifar10 --effort {options.effort} --seeds {options.seeds}"
    record.keep(record.by_precision(f"classify-cifar10-{options.effort}"), command, figures)
