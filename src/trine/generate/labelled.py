"""Generated pictures as a training set, for the classification accuracy score (Ravuri and Vinyals, 2019).

A classifier is trained on generated pictures with the labels they were sampled for, and tested on real pictures. Its
accuracy shows whether the pictures belong to their classes and are as varied as real ones.
"""

from pathlib import Path

import numpy as np
from jaxtyping import Int64, UInt8

from trine import files
from trine.errors import DataError, UsageError
from trine.generate.generator import Generator
from trine.pictures.decode import as_channels
from trine.pictures.picture_set import PictureSet

Pictures = UInt8[np.ndarray, "_ height width channels"]
MOST_CLASSES = 256
"""Number of different labels in an IDX file, whose labels are bytes."""


def write_labelled(
    model: Generator, real: PictureSet, count: int, folder: Path, shuffled: bool = False, seed: int = 1
) -> Path:
    """Write IDX files: `count` generated training pictures, equally many per class, and the real test pictures.

    Pixel noise is drawn too: a classifier trained on smooth pictures relies on a smoothness that real ones lack.

    shuffled   assign the labels at random: the control, from which nothing can be learned
    Raises `UsageError` for a model without labels or with more than 256 of them, `DataError` for a set without the
    model's classes or a test split.
    """
    if not model.classes:
        raise UsageError("the model has no labels: train one with --label")
    if len(model.classes) > MOST_CLASSES:
        raise UsageError(f"the model has {len(model.classes):,} labels: the accuracy score takes up to {MOST_CLASSES}")
    test = real.splits.get("test")
    if test is None or test.labels is None or set(real.classes) - set(model.classes):
        raise DataError(f"{real.name}: needs labelled test pictures of the classes {', '.join(model.classes)}")
    own = np.array([model.classes.index(name) for name in real.classes])
    each = [count // len(model.classes) + (number < count % len(model.classes)) for number in range(len(model.classes))]
    generated = [
        model.sample(n, label=name, pixel_noise=1.0, seed=seed + number)
        for number, (name, n) in enumerate(zip(model.classes, each, strict=True))
        if n
    ]
    labels = np.repeat(np.arange(len(each)), each)
    if shuffled:
        labels = np.random.default_rng(seed).permutation(labels)
    write_idx(folder / "train", np.concatenate(generated), labels)
    write_idx(folder / "t10k", as_channels(np.array(test.images), model.channels), own[test.labels])
    return folder


def write_idx(stem: Path, images: Pictures, labels: Int64[np.ndarray, "_"]) -> None:
    """Write pictures and labels in the layout that `IdxFolder` reads; `stem` is the path with the split's name."""
    values = images[..., 0] if images.shape[-1] == 1 else images
    for kind, array in (("images", values), ("labels", labels.astype(np.uint8))):
        header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
        path = stem.with_name(f"{stem.name}-{kind}-idx{array.ndim}-ubyte")
        files.write_bytes(path, header + array.tobytes())
