"""Effect of augmentation, dropout and label smoothing on few pictures: each left out in turn. Cost on one core: 10 min.

The classic network learns 4,000 training pictures of CIFAR-10 and is evaluated on 4,000 others of the train split; the
test split is not read. With few pictures there is something to overfit.
"""

import argparse
from pathlib import Path
from typing import Any

from PIL import Image

from bench.support import page, record
from trine.pictures.picture_set import open_pictures

PICTURES = 4_000
COMMON = {"epochs": 20, "batch_size": 100, "widths": [16, 32, 64], "warmup": 0.1, "validations": 2}
ALONE = {"dropout": 0, "flip": "none", "shift": 0, "colour_jitter": 0, "label_smoothing": 0}
VARIANTS = {
    "everything": {},
    "without dropout": {"dropout": 0},
    "without mirroring": {"flip": "none"},
    "without shifts": {"shift": 0},
    "without colour jitter": {"colour_jitter": 0},
    "without label smoothing": {"label_smoothing": 0},
    "with dropout alone": {name: value for name, value in ALONE.items() if name != "dropout"},
    "with none of them": ALONE,
}


def few(folder: Path) -> Path:
    """Write class folders: training pictures, and as many others to evaluate on."""
    whole = open_pictures("cifar10", cut=False)
    train = whole.splits["train"]
    for split, start in (("train", 0), ("validation", PICTURES)):
        for index in range(start, start + PICTURES):
            path = folder / split / whole.classes[train.labels[index]] / f"{index:05d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                Image.fromarray(train.images[index]).save(path)
    return folder


def measured(data: Path, name: str, settings: dict[str, object]) -> dict[str, float]:
    """Accuracy of one view on the training pictures and on the held-out ones."""
    run = record.RUNS / f"ablation-{name.replace(' ', '-')}"
    result = record.fit("classify", data, run, "--network", "classic", "--no-test", **COMMON | settings)
    learned, _ = record.trine("classify", "evaluate", run, data, "--split", "train")
    return {
        "held_out": result["metrics"]["accuracy"],
        "learned": learned["metrics"]["accuracy"],
        "ece_uncalibrated": result["metrics"]["ece_uncalibrated"],
    }


def table(figures: dict[str, Any]) -> list[str]:
    """The table of docs/inside/convolution.md."""
    rows = [
        (name, f"{100 * row['held_out']:.1f} %", f"{100 * row['learned']:.1f} %", gap(row))
        for name, row in figures["variants"].items()
    ]
    return page.table(("training", "accuracy on held-out pictures", "accuracy on training pictures", "gap"), rows)


def gap(row: dict[str, float]) -> str:
    return f"{100 * (row['learned'] - row['held_out']):.0f} points"


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    data = few(record.RUNS / "cifar10-few")
    rows = {name: measured(data, name, settings) for name, settings in VARIANTS.items()}
    figures = {"pictures": PICTURES, "split": "validation", "seeds": 1, "settings": COMMON, "variants": rows}
    record.keep("classify-ablation", "python -m bench.classify.ablation", figures)
