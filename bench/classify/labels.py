"""Labels as people have them: wrong ones, uneven classes, classes that are mirror images. Cost: 20 minutes.

usage: python -m bench.classify.labels [--only wrong uneven mirrored] [--pictures 2000] [--noise 0 0.1 0.2]
"""

import argparse
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from bench.support import record
from bench.support.claim import Cells, Claim
from trine.pictures.picture_set import PictureSplit, open_pictures

FOLDER = record.RUNS / "labels"
TESTED = 2_000
"""Test pictures of CIFAR-10, as many of each class."""
LISTED = 100
"""First labels of the list to check that are counted."""
TRUST = ("auto", "always")
BALANCE = ("none", "sampling", "logits")
SHORT = 150
"""Steps of the trainings on uneven classes: half of those of `quick`."""
EACH = (*[500] * 5, *[5] * 5)
"""Digits of each class in the uneven set; 50 of each in its test split."""
ARROWS = ("left", "right", "up", "down")


def wrong(figures: dict[str, Any]) -> Cells:
    """Accuracies with 20 % wrong labels, against those of a training that trusts all labels."""
    own, peer = (figures["trained"][f"0.2-{trust}"]["accuracy_tta"] for trust in TRUST)
    return Cells(f"{100 * own:.1f} %", f"{100 * peer:.1f} %")


def found(figures: dict[str, Any]) -> Cells:
    return Cells(f"{figures['trained']['0.2-auto']['wrong_of_first']} of {LISTED}")


def uneven(figures: dict[str, Any]) -> Cells:
    shown = (f"{name} {100 * figures[name]['accuracy_tta']:.1f} % ({figures[name]['ece']:.3f})" for name in BALANCE)
    return Cells("; ".join(shown))


def mirrored(figures: dict[str, Any]) -> Cells:
    return Cells(*(f"{100 * figures[flip]['accuracy_tta']:.1f} %" for flip in ("auto", "alternating")))


FEW = "2,000 training pictures, a tenth of them held out, labels wrong in both; one seed, 2,000 test pictures."
CLAIMS = [
    Claim(
        "2,000 CIFAR-10 pictures with 20 % wrong labels: test accuracy; the peer trusts all labels",
        "classify-labels-wrong",
        wrong,
        FEW,
    ),
    Claim("the same: wrong labels among the first 100 that are listed to be checked", "classify-labels-wrong", found),
    Claim(
        "MNIST, five digits with 500 pictures and five with 5: accuracy on a balanced test split (calibration error), "
        "by `--balance`",
        "classify-labels-uneven",
        uneven,
        "One seed; 150 training steps; 500 test pictures, 50 of each digit. The second version of `logits` that was "
        "evaluated on them: with label smoothing spread evenly it had 61.8 %.",
    ),
    Claim(
        "drawn arrows in four directions: test accuracy; the peer mirrors pictures",
        "classify-labels-mirrored",
        mirrored,
        "100 training and 100 test pictures of each direction, with noise and random positions, sizes and colours.",
    ),
]


def evenly_chosen(split: PictureSplit, each: tuple[int, ...]) -> np.ndarray:
    """Indices of the first pictures of each class, so many of each."""
    assert split.labels is not None
    return np.concatenate([np.flatnonzero(split.labels == label)[:count] for label, count in enumerate(each)])


def write(split: PictureSplit, chosen: np.ndarray, labels: np.ndarray, folder: Path) -> None:
    """Pictures in folders of their labels; each file's name ends with the index of its true class."""
    assert split.labels is not None
    for index, label in zip(chosen.tolist(), labels.tolist(), strict=True):
        path = folder / str(label) / f"{index}-{split.labels[index]}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(split.images[index].squeeze()).save(path)


def noisy_set(count: int, noise: float) -> Path:
    """CIFAR-10 pictures of which this share has a random other label, and a clean test split."""
    folder = FOLDER / f"cifar10-{count}-{noise:g}"
    if not folder.exists():
        part, opened = folder.with_suffix(".part"), open_pictures("cifar10", cut=False, progress=False)
        chosen = evenly_chosen(opened.splits["train"], (count // 10,) * 10)
        assert opened.splits["train"].labels is not None
        labels, rng = opened.splits["train"].labels[chosen].copy(), np.random.default_rng(0)
        changed = rng.choice(len(labels), round(noise * len(labels)), replace=False)
        labels[changed] = (labels[changed] + rng.integers(1, 10, len(changed))) % 10
        write(opened.splits["train"], chosen, labels, part / "train")
        write_test(opened.splits["test"], TESTED // 10, part)
        part.rename(folder)
    return folder


def uneven_set() -> Path:
    """Digits, many of five classes and few of the others, and a balanced test split."""
    folder = FOLDER / "uneven"
    if not folder.exists():
        part, opened = folder.with_suffix(".part"), open_pictures("mnist", cut=False, progress=False)
        chosen = evenly_chosen(opened.splits["train"], EACH)
        assert opened.splits["train"].labels is not None
        write(opened.splits["train"], chosen, opened.splits["train"].labels[chosen], part / "train")
        write_test(opened.splits["test"], 50, part)
        part.rename(folder)
    return folder


def write_test(split: PictureSplit, each: int, folder: Path) -> None:
    chosen = evenly_chosen(split, (each,) * 10)
    assert split.labels is not None
    write(split, chosen, split.labels[chosen], folder / "test")


def arrow(direction: str, rng: np.random.Generator, side: int = 32) -> Image.Image:
    """A filled arrow, drawn four times as large and scaled down, with noise."""
    ground = rng.integers(0, 256, 3)
    colours = [tuple(int(value) for value in each) for each in (ground, (ground + rng.integers(70, 186, 3)) % 256)]
    image = Image.new("RGB", (4 * side, 4 * side), colours[0])
    length, thick = rng.uniform(0.45, 0.75) * 4 * side, rng.uniform(0.04, 0.09) * 4 * side
    head, wide = rng.uniform(0.3, 0.45) * length, rng.uniform(1.8, 3) * thick
    angle = {"right": 0.0, "down": 0.5, "left": 1.0, "up": 1.5}[direction] * math.pi + rng.uniform(-0.15, 0.15)
    x, y = rng.uniform(0.42, 0.58, 2) * 4 * side
    neck, end = length / 2 - head, length / 2
    half = [(-end, -thick / 2), (neck, -thick / 2), (neck, -wide), (end, 0.0)]
    outline = [*half, *((along, -across) for along, across in reversed(half[:3]))]
    turned = [
        (x + u * math.cos(angle) - v * math.sin(angle), y + u * math.sin(angle) + v * math.cos(angle))
        for u, v in outline
    ]
    ImageDraw.Draw(image).polygon(turned, fill=colours[1])
    small = np.asarray(image.resize((side, side), Image.Resampling.LANCZOS)) + rng.normal(0, 12, (side, side, 3))
    return Image.fromarray(small.clip(0, 255).astype(np.uint8))


def arrow_set() -> Path:
    folder, rng = FOLDER / "arrows", np.random.default_rng(0)
    if not folder.exists():
        part = folder.with_suffix(".part")
        for split in ("train", "test"):
            for direction in ARROWS:
                (part / split / direction).mkdir(parents=True, exist_ok=True)
                for number in range(100):
                    arrow(direction, rng).save(part / split / direction / f"{number}.png")
        part.rename(folder)
    return folder


def trained(folder: Path, name: str, **settings: object) -> tuple[dict[str, Any], Path]:
    """Figures of a training on a folder, and its run."""
    run = FOLDER / "runs" / f"{folder.name}-{name}"
    if not (run / "recipe.json").exists():
        shutil.rmtree(run, ignore_errors=True)
    result = record.fit("classify", str(folder), run, **settings)
    names = ("accuracy_tta", "macro_recall", "ece", "nll", "prior")
    return {key: result["metrics"][key] for key in names}, run


def wrong_of_first(run: Path, folder: Path) -> int:
    """Pictures with a wrong label among the first training pictures that are listed to be checked."""
    listed = record.trine("data", "check", run, folder)[0]["labels"]
    first = [Path(each["path"]) for each in listed if each["split"] == "train"][:LISTED]
    return sum(path.parent.name != path.stem.rpartition("-")[2] for path in first)


def measure_wrong(count: int, shares: list[float]) -> dict[str, Any]:
    figures = {}
    for noise in shares:
        folder = noisy_set(count, noise)
        for trust in TRUST:
            figures[f"{noise:g}-{trust}"], run = trained(folder, trust, trust_labels=trust)
            if noise and trust == "auto":
                figures[f"{noise:g}-{trust}"]["wrong_of_first"] = wrong_of_first(run, folder)
    return {"pictures": count, "listed": LISTED, "seeds": 1, "split": "test", "n": TESTED, "trained": figures}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=["wrong", "uneven", "mirrored"])
    parser.add_argument("--pictures", type=int, default=2_000)
    parser.add_argument("--noise", type=float, nargs="+", default=[0.0, 0.1, 0.2])
    options = parser.parse_args()
    command = "python -m bench.classify.labels"
    if "uneven" in options.only:
        rows = {name: trained(uneven_set(), name, balance=name, least_steps=SHORT)[0] for name in BALANCE}
        record.keep("classify-labels-uneven", f"{command} --only uneven", rows)
    if "mirrored" in options.only:
        rows = {flip: trained(arrow_set(), flip, flip=flip)[0] for flip in ("auto", "alternating")}
        record.keep("classify-labels-mirrored", f"{command} --only mirrored", rows)
    if "wrong" in options.only:
        suffix = "" if options.pictures == 2_000 else f"-{options.pictures}"
        figures = measure_wrong(options.pictures, options.noise)
        words = f"--only wrong --pictures {options.pictures} --noise {' '.join(f'{each:g}' for each in options.noise)}"
        record.keep(f"classify-labels-wrong{suffix}", f"{command} {words}", figures)
