"""Few pictures: the default command beside its networks and simple models, what it promises, what it marks as unlike.

usage: python -m bench.classify.few_pictures [--only SET ...]     20 minutes per set; needs scikit-learn

Every training has two minutes. The figures are for other pictures of the same kind, which no training has seen.
"""

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.own_pictures import chosen, drawings, made, save
from bench.support import record
from bench.support.claim import Cells, Claim
from trine.classify.classifier import Classifier
from trine.classify.outliers import outliers
from trine.classify.prediction import predict_features
from trine.classify.pretrained import PretrainedNet
from trine.device import choose
from trine.nn.efficientnet import NATIVE
from trine.pictures.picture_set import PictureSplit, open_pictures

MINUTES = 2
HELD_OUT, DRAWN = 300, 300
"""Held-out pictures of a set; drawings that are made after those of the set."""
STRANGERS = 200
"""Pictures of each other set."""
NETWORKS = ("auto", "fast", "pretrained")
OTHERS = ("mnist", "fashion-mnist", "cifar10")
KIN = {"photos-300": "cifar10", "digits-10": "mnist", "digits-50": "mnist", "digits-500": "mnist", "drawings-240": ""}
"""The set that the pictures of a folder are of: the others are not of its kind."""


def accuracies(figures: dict[str, Any]) -> str:
    best = max(figures["accuracy"][name] for name in figures["accuracy"] if name != "auto")
    return f"{100 * figures['accuracy']['auto']:.1f} % (best of the others {100 * best:.1f} %)"


def cells(figures: dict[str, Any], what: Callable[[dict[str, Any]], str]) -> Cells:
    return Cells("; ".join(f"{name} {what(each)}" for name, each in figures["sets"].items()))


def promised(figures: dict[str, Any]) -> str:
    kept = figures["selective_accuracy"]
    return f"{100 * figures['promised']:.1f} % promised, {100 * kept:.1f} % kept"


def marked(figures: dict[str, Any]) -> str:
    own, others = figures["own_unlike"], min(figures["marked"].values())
    return f"{100 * others:.0f} % of others at least, {100 * own:.1f} % of its own"


CLAIMS = [
    Claim("accuracy of `trine classify fit FOLDER --minutes 2`", "classify-few", lambda f: cells(f, accuracies)),
    Claim("accuracy that the given answers are promised to have", "classify-few", lambda f: cells(f, promised)),
    Claim("other pictures that are marked `abstain`", "classify-few", lambda f: cells(f, marked)),
]


def other_pictures(name: str) -> Path:
    """A folder of further pictures of a set's kind, written if it is absent."""
    folder = record.RUNS / "few-pictures" / name
    if folder.exists():
        return folder
    part = folder.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    if not KIN[name]:
        drawings(part, 240 + DRAWN, 420)
        for path in part.rglob("*.png"):
            if int(path.stem) < 240:
                path.unlink()
    else:
        _test_pictures(KIN[name], len(list(made(name).iterdir())), part)
    part.rename(folder)
    return folder


def _test_pictures(name: str, classes: int, folder: Path) -> None:
    """Test pictures of the first classes of a named set, photos enlarged as in the set."""
    from PIL import Image

    opened = open_pictures(name, cut=False, progress=False)
    test = opened.splits["test"]
    for label in range(classes):
        for index in np.flatnonzero(test.labels == label)[: HELD_OUT // classes]:
            image = Image.fromarray(np.array(test.images[index]).squeeze())
            large = image.resize((600, 600), Image.Resampling.BICUBIC) if name == "cifar10" else image
            save(large, folder / opened.classes[label] / f"{index}.{'jpg' if name == 'cifar10' else 'png'}")


def simple_models(name: str) -> dict[str, float]:
    """Accuracy of a linear model on pretrained features and of an SVM on pixels."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    known, other = (_split(folder, NATIVE) for folder in (made(name), other_pictures(name)))
    network = PretrainedNet(known.images.shape[3], NATIVE, 2)
    network.prepare(torch.from_numpy(np.array(known.images[:1])))
    features = [predict_features(network.eval(), np.array(split.images), choose("cpu")) for split in (known, other)]
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=1_000))
    pixels = [_split(folder, 32) for folder in (made(name), other_pictures(name))]
    flat = [np.array(split.images).reshape(len(split), -1) / 255 for split in pixels]
    machine = SVC(C=10, gamma="scale").fit(flat[0], pixels[0].labels)
    return {
        "linear_on_features": float(linear.fit(features[0], known.labels).score(features[1], other.labels)),
        "svm_on_pixels": float(machine.score(flat[1], pixels[1].labels)),
    }


def _split(folder: Path, size: int) -> PictureSplit:
    return open_pictures(folder, size=size, aspect="square", cut=False, progress=False).splits["train"]


def strangers(model: Classifier, name: str) -> dict[str, np.ndarray]:
    """Pictures that are not of the set's kind, at any size, by where they are from."""
    made_up = np.random.default_rng(1).integers(0, 256, (STRANGERS, model.size, model.size, model.channels), np.uint8)
    known = np.array(_split(made(name), model.size).images[:32])
    kinds = {"noise": made_up, "no class": outliers(known[..., : model.channels], 20, seed=1)}
    for other in OTHERS:
        if other != KIN[name]:
            pixels = [pixels for _, _, pixels in chosen(other, 10, [STRANGERS // 10] * 10)]
            kinds[other] = np.stack(pixels)
    return kinds


def measured(name: str) -> dict[str, Any]:
    """All figures of one set."""
    accuracy, figures = {}, {}
    for network in NETWORKS:
        folder = record.RUNS / "few-pictures" / "runs" / f"{name}-{network}"
        shutil.rmtree(folder, ignore_errors=True)
        record.trine("classify", "fit", made(name), "--minutes", MINUTES, "--network", network, "--out", folder)
        result, _ = record.trine("classify", "evaluate", folder, other_pictures(name))
        accuracy[network] = result["metrics"]["accuracy_tta"]
        if network == "auto":
            figures = result["metrics"]
    model = Classifier.load(record.RUNS / "few-pictures" / "runs" / f"{name}-auto")
    marks = {
        kind: float(np.mean([answer.abstain for answer in model.predict(list(images))]))
        for kind, images in strangers(model, name).items()
    }
    return {
        "network": model.recipe.network,
        "accuracy": {**accuracy, **simple_models(name)},
        "interval": figures["accuracy_interval"],
        "promised": figures["promised_accuracy"],
        "coverage": figures["coverage"],
        "selective_accuracy": figures["selective_accuracy"],
        "ece": figures["ece"],
        "own_unlike": figures["unlike_training"],
        "marked": marks,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=list(KIN), choices=list(KIN))
    options = parser.parse_args()
    command = f"python -m bench.classify.few_pictures --only {' '.join(options.only)}"
    record.keep("classify-few", command, {"minutes": MINUTES, "sets": {name: measured(name) for name in options.only}})
