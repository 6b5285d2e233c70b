"""Figures that an evaluation of a generator can be extended by: realism and memorisation of its pictures."""

from typing import Any

import numpy as np
from jaxtyping import UInt8

from trine.errors import DataError, UsageError
from trine.generate.generator import Generator
from trine.measures.memorisation import Memorisation, check_memorisation
from trine.measures.realism import Features, RealPictures, realism_metrics
from trine.model import Evaluation
from trine.pictures.batches import evenly, mirrors
from trine.pictures.decode import as_channels
from trine.pictures.picture_set import ALL, PictureSet
from trine.sheet import grid_png

Pictures = UInt8[np.ndarray, "_ height width channels"]


def with_realism(
    evaluation: Evaluation,
    model: Generator,
    opened: PictureSet,
    spaces: dict[str, Features],
    count: int,
    seed: int = 1,
) -> Evaluation:
    """Add Fréchet distance, density and coverage of `count` generated pictures in each feature space.

    Density and coverage are those of the last space. The distance depends a little on the number of pictures, which is
    given with it. Raises `UsageError` for fewer than two generated pictures, `DataError` for fewer than two real ones.
    """
    _require_two(count)
    split = evaluation.data.split
    seen = min(model.channels, 3)  # features are of what is seen of transparent pictures, over a backdrop
    real = as_channels(_sample(_images(model, opened, split), count), seen)
    if len(real) < 2:
        raise DataError(f"{opened.name}: its {split} split has one picture: a comparison needs at least two")
    has_reference = split not in ("train", ALL) and "train" in opened.splits and len(opened.splits["train"]) > 1
    reference = as_channels(_sample(_images(model, opened, "train"), count), seen) if has_reference else None
    generated = as_channels(model.sample(count, seed=seed), seen)
    metrics: dict[str, Any] = {"compared": {"generated": len(generated), "real": len(real)}}
    for space, features in spaces.items():
        metrics |= realism_metrics(space, RealPictures(features, real), generated, reference)
    return evaluation.extended(metrics)


def with_memorisation(
    evaluation: Evaluation, model: Generator, opened: PictureSet, count: int, seed: int = 1
) -> Evaluation:
    """Add whether `count` generated pictures are copies of training pictures, and a sheet of the most suspicious ones.

    Raises `UsageError` for fewer than two generated pictures, `DataError` without a train split and another one.
    """
    _require_two(count)
    split = evaluation.data.split
    if "train" not in opened.splits or split in ("train", ALL):
        raise DataError(f"{opened.name}: copies are searched with a train split and another: it lacks one of them")
    if len(opened.splits[split]) < 2:
        raise DataError(f"{opened.name}: its {split} split has one picture: a search for copies needs at least two")
    train, held_out = _images(model, opened, "train"), _images(model, opened, split)
    generated = model.sample(count, seed=seed)
    mirrored = mirrors(model.recipe.flip, model.channels)
    memorisation = check_memorisation(generated, train, held_out, mirrored)
    sheet = nearest_png(memorisation, generated, train, held_out)
    return evaluation.extended({**memorisation.metrics(), "checked": len(generated)}, {"nearest.png": sheet})


def nearest_png(memorisation: Memorisation, generated: Pictures, train: Pictures, held_out: Pictures) -> bytes:
    """A sheet with three rows: the most suspicious pictures, their nearest training and nearest held-out pictures."""
    worst = memorisation.most_suspicious()
    other = memorisation.compared[memorisation.held_out.index[worst].numpy()]
    rows = [generated[worst.numpy()], train[memorisation.train.index[worst].numpy()], held_out[other]]
    return grid_png(np.concatenate(rows), columns=len(worst))


def _sample(images: Pictures, most: int) -> Pictures:
    """At most `most` of the pictures, evenly spaced."""
    chosen: Pictures = images[evenly(len(images), most)]
    return chosen


def _images(model: Generator, opened: PictureSet, split: str) -> Pictures:
    """The pictures of a split, with the model's number of channels."""
    return as_channels(opened.chosen_split(split)[1].images, model.channels)


def _require_two(count: int) -> None:
    if count < 2:
        raise UsageError(f"{count} generated pictures: at least two are needed to compare them")
