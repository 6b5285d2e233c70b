"""Calibration on CIFAR-10's test split against human answers (CIFAR-10H, Peterson et al. 2019). Cost: 1 minute.

Reads the models of `bench.classify.cifar10 --effort good` and `cifar10h_counts.npz` (`counts`: number of people per
class, one row per test picture). An answer counts as correct with the share of people who gave the same answer.
"""

import argparse
from pathlib import Path

import numpy as np
import torch

from bench.support import record
from bench.support.claim import Cells, Claim, percent
from trine.classify.calibration import BINS
from trine.classify.classifier import Classifier

CLAIMS = [
    Claim(
        "expected calibration error against human answers (CIFAR-10H), `quick`",
        "classify-human",
        lambda f: Cells(percent(f["ece_human"])),
        "The temperature is fitted to the labels. People disagree with the labels, so the error against their "
        "answers is larger than against the labels.",
    )
]


def soft_error(confidence: np.ndarray, agreement: np.ndarray) -> float:
    """Expected calibration error with answers that are correct by a share from 0 to 1."""
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(bins, confidence - agreement, BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def measure(folder: Path, shares: np.ndarray) -> dict[str, float]:
    """Calibration of one trained model against people and against labels."""
    model = Classifier.load(folder)
    test = model.open("cifar10").splits["test"]
    logits = model.logits(test.images, tta=True).double()
    p = torch.softmax(logits / model.temperature, 1).numpy()
    answers, labels = p.argmax(1), np.asarray(test.labels)
    return {
        "ece_human": soft_error(p.max(1), shares[np.arange(len(p)), answers]),
        "ece_label": soft_error(p.max(1), (answers == labels).astype(float)),
        "cross_entropy_human": float(-(shares * np.log(p + 1e-12)).sum(1).mean()),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", help="cifar10h_counts.npz")
    parser.add_argument("--effort", default="good")
    options = parser.parse_args()
    counts = np.load(options.counts)["counts"].astype(float)
    shares = counts / counts.sum(1, keepdims=True)
    seeds = [measure(folder, shares) for folder in sorted(record.RUNS.glob(f"cifar10-{options.effort}-[0-9]"))]
    figures = {name: record.spread([seed[name] for seed in seeds]) for name in seeds[0]} | {"seeds": len(seeds)}
    command = f"python -m bench.classify.human cifar10h_counts.npz --effort {options.effort}"
    record.keep("classify-human", command, figures)
