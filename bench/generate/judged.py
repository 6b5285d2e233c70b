"""New pictures judged by a classifier that saw none of them: how many are atypical, or of the class asked for.

usage: python -m bench.generate.judged [atypical named] [--data mnist] [--minutes 10] [--classifier-minutes 3]

- A classifier learns the real training pictures. It and the generators of `bench.generate.pictures`, which are trained
  if they are not there, have one thread each; the minutes are of processor time.
- Atypical: the classifier's typicality is a p-value; of real pictures, about one in twenty is below 0.05.
- Named: pictures by class come from a generator with labels, at two guidances.
"""

import argparse
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.generate.pictures import ALWAYS, trained
from bench.support import record
from bench.support.claim import Cells, Claim
from trine import Classifier, Generator, load
from trine.pictures.batches import evenly
from trine.pictures.picture_set import open_pictures

ATYPICAL = 0.05
GUIDANCES = (1.0, 2.0)
DATA = ("mnist", "fashion-mnist", "cifar10")
CLAIMS = [
    Claim(
        "MNIST, share of new pictures that a classifier finds atypical, now against without sharpening",
        "generate-judged-atypical-mnist",
        lambda f: Cells(
            f"{100 * f['plain']:.1f} % against {100 * f['former']:.1f} %; real ones {100 * f['real']:.1f} %"
        ),
        "The classifier has seen no generated picture. Atypical: p < 0.05.",
    ),
    Claim(
        "CIFAR-10, share of new pictures that a classifier names as the class asked for: guidance 1; 2",
        "generate-judged-named-cifar10",
        lambda f: Cells("; ".join(f"{100 * share:.0f} %" for share in f["named_as_asked"].values())),
        "The classifier has seen no generated picture; its accuracy on real ones is in the file.",
    ),
]


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
    folder = record.RUNS / f"generate-judged-{data}-{minutes:g}"
    if not (folder / "bundle").exists():
        record.fit("classify", data, folder, "--minutes", minutes, module="bench.support.processor_time")
    judge = load(folder)
    assert isinstance(judge, Classifier)
    assert judge.result
    return judge, float(judge.result.metrics["accuracy"])


def of_atypical(judge: Classifier, data: str, minutes: float, count: int) -> dict[str, Any]:
    """Shares of atypical pictures: real ones of the test split, and those of each generator."""
    held_out = open_pictures(data).splits["test"].images
    real = np.array(held_out[evenly(len(held_out), count)])
    models = {kind: Generator.load(trained(data, kind, minutes)[0]) for kind in ALWAYS}
    return {"real": atypical(judge, real)} | {
        kind: atypical(judge, model.sample(count, seed=1)) for kind, model in models.items()
    }


def of_named(judge: Classifier, data: str, minutes: float, count: int) -> dict[str, Any]:
    """Shares of pictures by class that are named as asked."""
    model = Generator.load(trained(data, "labelled", minutes)[0])
    return {"named_as_asked": {f"{guidance:g}": named(judge, model, count, guidance) for guidance in GUIDANCES}}


PARTS: dict[str, Callable[[Classifier, str, float, int], dict[str, Any]]] = {
    "atypical": of_atypical,
    "named": of_named,
}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=(*PARTS, []), default=[])
    parser.add_argument("--data", default="mnist", choices=DATA)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--classifier-minutes", type=float, default=3)
    parser.add_argument("--pictures", type=int, default=1000)
    options = parser.parse_args()
    judge, accuracy = classifier(options.data, options.classifier_minutes)
    setting = {"minutes": options.minutes, "pictures": options.pictures, "classifier_accuracy": accuracy}
    for part in options.parts or PARTS:
        found = PARTS[part](judge, options.data, options.minutes, options.pictures)
        command = (
            f"python -m bench.generate.judged {part} --data {options.data} --minutes {options.minutes:g} "
            f"--classifier-minutes {options.classifier_minutes:g} --pictures {options.pictures}"
        )
        record.keep(f"generate-judged-{part}-{options.data}", command, setting | found)
