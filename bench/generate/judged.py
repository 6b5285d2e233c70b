"""New pictures judged by a classifier that saw none of them: how many are atypical, or of the class asked for.

usage: python -m bench.generate.judged [--data mnist] [--minutes 10] [--classifier-minutes 3] [--pictures 1000]

A `quick` classifier learns the real training pictures. Its typicality is a p-value: of real pictures, about one in
twenty is below 0.05. The generators are those of `bench.generate.pictures`, which are trained if they are not there;
pictures by class come from a generator of their own, with labels.
"""

import argparse
from typing import Any

import numpy as np

from bench.generate.pictures import ALWAYS, trained
from bench.support import record
from trine import Classifier, Generator, load
from trine.pictures.batches import evenly
from trine.pictures.picture_set import open_pictures

ATYPICAL = 0.05
GUIDANCES = (1.0, 2.0)


def atypical(judge: Classifier, pictures: np.ndarray) -> float:
    """Share of pictures whose typicality is below 0.05."""
    return float(np.mean([found.typicality < ATYPICAL for found in judge.predict(list(pictures))]))


def named(judge: Classifier, model: Generator, count: int, guidance: float) -> float:
    """Share of the pictures sampled by class that the classifier names as that class."""
    right = []
    for label in model.classes:
        pictures = model.sample(count // len(model.classes), label=label, guidance=guidance, seed=1)
        right += [found.label == label for found in judge.predict(list(pictures))]
    return float(np.mean(right))


def classifier(data: str, minutes: float) -> tuple[Classifier, float]:
    """A classifier of the real pictures, and its accuracy on the test split."""
    folder = record.RUNS / f"classify-{data}-{minutes:g}"
    if not (folder / "bundle").exists():
        record.fit("classify", data, folder, "--minutes", minutes)
    judge = load(folder)
    assert isinstance(judge, Classifier)
    assert judge.result
    return judge, float(judge.result.metrics["accuracy"])


def figures(data: str, minutes: float, classifier_minutes: float, count: int) -> dict[str, Any]:
    """All shares of one set."""
    judge, accuracy = classifier(data, classifier_minutes)
    held_out = open_pictures(data).splits["test"].images
    real = np.array(held_out[evenly(len(held_out), count)])
    kinds = {kind: Generator.load(trained(data, kind, minutes)[0]) for kind in ALWAYS}
    shares = {kind: atypical(judge, model.sample(count, seed=1)) for kind, model in kinds.items()}
    by_class = Generator.load(trained(data, "labelled", minutes)[0])
    right = {f"{guidance:g}": named(judge, by_class, count, guidance) for guidance in GUIDANCES}
    return {
        "minutes": minutes,
        "pictures": count,
        "classifier_accuracy": accuracy,
        "atypical": {"real": atypical(judge, real), **shares},
        "named_as_asked": right,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", default="mnist", choices=("mnist", "fashion-mnist", "cifar10"))
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--classifier-minutes", type=float, default=3)
    parser.add_argument("--pictures", type=int, default=1000)
    options = parser.parse_args()
    found = figures(options.data, options.minutes, options.classifier_minutes, options.pictures)
    command = (
        f"python -m bench.generate.judged --data {options.data} --minutes {options.minutes:g} "
        f"--classifier-minutes {options.classifier_minutes:g} --pictures {options.pictures}"
    )
    record.keep(f"generate-judged-{options.data}", command, found)
