"""Generated pictures as a training set, for the classification accuracy score (Ravuri and Vinyals, 2019).

A classifier is trained on generated pictures with the labels they were sampled for, and tested on real pictures. Its
accuracy is high only if the pictures belong to their classes and vary as real ones do.
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
    """Write a data set as IDX files: `count` generated training pictures, and the real test pictures.

    The classes have equally many training pictures. Pixel noise is sampled too: a classifier that is trained on
    expected pictures learns a smoothness that real ones lack.

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
    whole, remainder = divmod(count, len(model.classes))
    counts = [whole + (index < remainder) for index in range(len(model.classes))]
    seen = min(model.channels, 3)
    generated = [
        as_channels(model.sample(n, label=name, pixel_noise=1.0, seed=seed + index), seen)
        for index, (name, n) in enumerate(zip(model.classes, counts, strict=True))
        if n
    ]
    labels = np.repeat(np.arange(len(counts)), counts)
    if shuffled:
        labels = np.random.default_rng(seed).permutation(labels)
    write_idx(folder / "train", np.concatenate(generated), labels)
    model_index = np.array([model.classes.index(name) for name in real.classes])
    write_idx(folder / "t10k", as_channels(np.array(test.images), seen), model_index[test.labels])
    return folder


def write_idx(stem: Path, images: Pictures, labels: Int64[np.ndarray, "_"]) -> None:
    """Write the pictures and labels of one split as IDX files (the format of MNIST).

    stem   path of the files up to the split's name, such as `folder/train`
    """
    values = images[..., 0] if images.shape[-1] == 1 else images
    for kind, array in (("images", values), ("labels", labels.astype(np.uint8))):
        header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
        path = stem.with_name(f"{stem.name}-{kind}-idx{array.ndim}-ubyte")
        files.write_bytes(path, header + array.tobytes())
