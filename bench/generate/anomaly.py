"""Anomalies by reconstruction error: one class of a set is learned, the others are to be found. Cost: 6 min.

usage: python -m bench.generate.anomaly [--data mnist fashion-mnist] [--classes 0 1 2] [--minutes 1]

Beside the generator stands principal component analysis with as many components as the generator has latent numbers,
fitted to the same training pictures, with the same kind of score. The threshold is that of `score --false-alarms 0.01`:
chosen on held-out pictures of the learned class, and its rates are measured on the test split. The minutes are of
processor time, of one thread.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from bench.support import record
from trine import Generator
from trine.generate.labelled import write_idx
from trine.generate.strangeness import strangeness
from trine.measures.roc import auc
from trine.pictures.picture_set import PictureSet, open_pictures

FALSE_ALARMS = 0.01
PICTURES = 2_000
"""Pictures of the test split that are scored."""


def one_class(opened: PictureSet, code: int, folder: Path) -> Path:
    """The training pictures of one class, as a set of its own."""
    train = opened.splits["train"]
    assert train.labels is not None
    images = np.asarray(train.images)[np.asarray(train.labels) == code]
    folder.mkdir(parents=True, exist_ok=True)
    write_idx(folder / "train", images, np.zeros(len(images), np.int64))
    return folder


def pca_errors(train: np.ndarray, others: list[np.ndarray], components: int) -> list[np.ndarray]:
    """Mean squared errors of the reconstructions by principal components of `train`."""
    flat = train.reshape(len(train), -1) / 255
    centre = flat.mean(0)
    axes = np.linalg.svd(flat - centre, full_matrices=False)[2][:components]
    shifted = [images.reshape(len(images), -1) / 255 - centre for images in others]
    return [np.square(values - values @ axes.T @ axes).mean(1) for values in shifted]


def judged(errors: np.ndarray, held_out: np.ndarray, abnormal: np.ndarray) -> dict[str, float]:
    """AUROC of a score that is high for errors far from the held-out ones, and the rates at the threshold."""
    p_values = np.array([found.p_value for found in strangeness(errors.tolist(), np.sort(held_out))])
    alarms = p_values <= FALSE_ALARMS
    return {
        "auroc": auc(-p_values, abnormal),
        "auroc_of_error": auc(errors, abnormal),
        "false_alarms": float(alarms[~abnormal].mean()),
        "found": float(alarms[abnormal].mean()),
    }


def measured(data: str, code: int, minutes: float) -> dict[str, Any]:
    """Both scores, for one class as what is normal."""
    opened = open_pictures(data)
    run = record.RUNS / f"generate-anomaly-{data}-{code}-{minutes:g}"
    folder = one_class(opened, code, run.with_name(f"{run.name}-data"))
    words = ("--minutes", minutes, "--no-test")
    record.fit("generate", str(folder), run, *words, module="bench.support.processor_time")
    model, test = Generator.load(run), opened.splits["test"]
    assert test.labels is not None
    images, abnormal = np.asarray(test.images[:PICTURES]), np.asarray(test.labels[:PICTURES]) != code
    splits = model.open(folder).splits
    train, held_out = (np.asarray(splits[name].images) for name in ("train", "validation"))
    components = len(model.information)
    pca_held_out, pca_test = pca_errors(train, [held_out, images], components)
    return {
        "class": opened.classes[code],
        "held_out": len(held_out),
        "generator": judged(model.anomaly(images), model.errors.numpy(), abnormal),
        "pca": judged(pca_test, pca_held_out, abnormal),
        "components": components,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", nargs="+", default=["mnist", "fashion-mnist"])
    parser.add_argument("--classes", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--minutes", type=float, default=1)
    options = parser.parse_args()
    figures: dict[str, Any] = {
        "minutes": options.minutes,
        "split": "test",
        "n": PICTURES,
        "false_alarms_asked": FALSE_ALARMS,
    }
    for data in options.data:
        figures[data] = [measured(data, code, options.minutes) for code in options.classes]
    record.keep("generate-anomaly", f"python -m bench.generate.anomaly --minutes {options.minutes:g}", figures)
