"""The heavy parts of an evaluation: how real generated pictures are, and whether they are copies."""

import numpy as np
from jaxtyping import UInt8

from trine.errors import DataError, UsageError
from trine.generate.features import Features
from trine.generate.generator import Generator, chosen_split
from trine.generate.memorisation import Memorisation, check_memorisation
from trine.generate.realism import Judge, measure
from trine.generate.sheet import grid_png
from trine.pictures.decode import as_channels
from trine.pictures.picture_set import PictureSet
from trine.train.estimator import Judgement

Pictures = UInt8[np.ndarray, "_ height width channels"]


def add_realism(
    judged: Judgement, model: Generator, opened: PictureSet, spaces: dict[str, Features], count: int, seed: int = 1
) -> None:
    """Fréchet distance, density and coverage of new pictures in each space; density and coverage are of the last one.

    The distance depends a little on how many pictures there are, so that stands beside it.
    """
    real = evenly(_own(model, opened, judged.data.split), count)
    train = evenly(_own(model, opened, "train"), count) if "train" in opened.splits else None
    made = model.sample(_checked(count), seed=seed)
    judged.metrics |= {"compared": {"generated": len(made), "real": len(real)}}
    for space, features in spaces.items():
        judged.metrics |= measure(space, Judge(features, real), made, None if judged.data.split == "train" else train)


def add_memorisation(judged: Judgement, model: Generator, opened: PictureSet, count: int, seed: int = 1) -> None:
    """Whether new pictures are copies of training pictures, with a sheet of those that look most like it."""
    if "train" not in opened.splits or judged.data.split == "train":
        raise DataError(f"{opened.name}: copies are looked for in the train split and another: it has one only")
    train, held_out = _own(model, opened, "train"), _own(model, opened, judged.data.split)
    made = model.sample(_checked(count), seed=seed)
    flips = model.recipe.flip == "random" or (model.recipe.flip == "auto" and model.channels == 3)
    found = check_memorisation(made, train, held_out, mirrored=flips)
    judged.metrics |= {**found.metrics(), "checked": len(made)}
    judged.pictures["nearest.png"] = nearest_png(found, made, train, held_out)


def nearest_png(found: Memorisation, made: Pictures, train: Pictures, held_out: Pictures) -> bytes:
    """The pictures most like copies, above the nearest training picture and the nearest held-out one of each."""
    worst = found.most_suspicious()
    other = found.compared[found.held_out.place[worst].numpy()]
    rows = [made[worst.numpy()], train[found.train.place[worst].numpy()], held_out[other]]
    return grid_png(np.concatenate(rows), columns=len(worst))


def evenly(images: Pictures, most: int) -> Pictures:
    """At most so many of the pictures, from all over the set."""
    some: Pictures = images[np.linspace(0, len(images) - 1, min(most, len(images))).astype(int)]
    return some


def _own(model: Generator, opened: PictureSet, split: str) -> Pictures:
    return as_channels(chosen_split(opened, split)[1].images, model.channels)


def _checked(count: int) -> int:
    if count < 2:
        raise UsageError(f"{count} generated pictures: two or more are needed to compare them")
    return count
