"""Real inputs that graphs are compared on: held out from training where the data is at hand."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int64, UInt8
from PIL import Image

from trine.datasets.catalogue import CATALOGUE, is_present
from trine.errors import ExportError
from trine.pictures.batches import evenly
from trine.pictures.decode import as_channels
from trine.pictures.picture_set import PictureSet

SPLITS = ("validation", "train")
"""Splits that inputs are taken from, in this order; never the test split."""
LEAST_PART, SEED = 0.1, 0
"""Smallest part of a photograph's shorter side that is cut out of it, and the seed of the cuts."""


@dataclass(frozen=True, eq=False)
class RealPictures:
    """Pictures at a model's size and channels."""

    images: UInt8[np.ndarray, "n height width channels"]
    labels: Int64[np.ndarray, "n"] | None
    """Class indices of the model; None where they are not known."""
    source: str

    def __len__(self) -> int:
        return len(self.images)


def training_data(model: Any, data: str | Path | None, data_dir: Path | None) -> str | Path | None:
    """What to take inputs from: the given data, else the named set of the training if it is at hand, else None."""
    if data is not None:
        return data
    name = model.data.get("name", "")
    return name if name in CATALOGUE and is_present(CATALOGUE[name], data_dir) else None


def held_out_pictures(opened: PictureSet, channels: int, most: int, least: int) -> RealPictures:
    """At most `most` pictures at even distances: held-out ones, with training pictures where there are under `least`.

    Raises `ExportError` for a set that has nothing but test pictures.
    """
    chosen: list[np.ndarray] = []
    labels: list[np.ndarray | None] = []
    names = []
    for name in SPLITS:
        if name in opened.splits and sum(map(len, chosen)) < least:
            split = opened.splits[name]
            at = evenly(len(split), most if not chosen else least - len(chosen[0]))
            chosen.append(as_channels(np.asarray(split.images[at]), channels))
            labels.append(None if split.labels is None else np.asarray(split.labels[at]))
            names.append(name)
    if not chosen:
        raise ExportError(
            f"{opened.name}: holds test pictures only, which are not used to decide anything: give others"
        )
    known = [part for part in labels if part is not None]
    return RealPictures(
        np.concatenate(chosen),
        np.concatenate(known) if len(known) == len(chosen) else None,
        f"{' and '.join(names)} of {opened.name}",
    )


def photographs(size: int, channels: int, count: int) -> RealPictures:
    """Parts of the two photographs that scikit-learn has, for a model whose data is not at hand."""
    from sklearn.datasets import load_sample_images

    draw, pictures = np.random.default_rng(SEED), load_sample_images().images
    parts = []
    for number in range(count):
        whole = pictures[number % len(pictures)]
        side = int(min(whole.shape[:2]) * draw.uniform(LEAST_PART, 1))
        top, left = (int(draw.integers(length - side + 1)) for length in whole.shape[:2])
        part = Image.fromarray(whole[top : top + side, left : left + side])
        parts.append(np.asarray(part.resize((size, size), Image.Resampling.BICUBIC)))
    return RealPictures(as_channels(np.stack(parts), channels), None, "photographs of scikit-learn")
