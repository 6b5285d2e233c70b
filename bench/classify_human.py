"""Calibration on CIFAR-10's test split against what people said (CIFAR-10H, Peterson et al. 2019). Cost: 1 minute.

Reads the models of classify_cifar10.py --effort good and `cifar10h_counts.npz` (`counts`: how many people chose each
class, a test picture a row). Against people, an answer is right with the share of people who gave it.
"""

import argparse

import numpy as np
import torch

import record
from trine.classify.calibration import BINS
from trine.classify.classifier import Classifier


def soft_error(confidence: np.ndarray, agreement: np.ndarray) -> float:
    """Expected calibration error where an answer is right by a share."""
    place = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.bincount(place, confidence - agreement, BINS)
    return float(np.abs(gaps).sum() / len(confidence))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("counts", help="cifar10h_counts.npz")
    parser.add_argument("--effort", default="good")
    asked = parser.parse_args()
    counts = np.load(asked.counts)["counts"].astype(float)
    shares = counts / counts.sum(1, keepdims=True)
    found = []
    for folder in sorted(record.RUNS.glob(f"cifar10-{asked.effort}-[0-9]")):
        model = Classifier.load(folder)
        test = model.open("cifar10", None, model.recipe).splits["test"]
        logits = model.logits(test.images, tta=True).double()
        p = torch.softmax(logits / model.temperature, 1).numpy()
        answers, labels = p.argmax(1), np.asarray(test.labels)
        found.append(
            {
                "ece_human": soft_error(p.max(1), shares[np.arange(len(p)), answers]),
                "ece_label": soft_error(p.max(1), (answers == labels).astype(float)),
                "cross_entropy_human": float(-(shares * np.log(p + 1e-12)).sum(1).mean()),
            }
        )
    figures = {name: record.spread([one[name] for one in found]) for name in found[0]} | {"seeds": len(found)}
    record.keep(
        "classify-human", f"python bench/classify_human.py cifar10h_counts.npz --effort {asked.effort}", figures
    )
