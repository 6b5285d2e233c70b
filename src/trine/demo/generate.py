"""The chapter of generate: new handwritten digits."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from trine.demo.chapter import Chapter, Figure, Part, Picture, cost
from trine.generate.explore import between_samples, draw_map, traverse
from trine.generate.generator import Generator
from trine.pictures.picture_set import PictureSet
from trine.sheet import grid_png

DATA = "digits28"
DIGIT = "3"
ROWS, STEPS, DIRECTIONS = 4, 12, 6
MAPPED = 600


def chapter(model: Generator, run: Path) -> Chapter:
    """What a fitted generator of the digits came to, and a walk through its latent space."""
    assert model.result
    return Chapter(
        name="generate",
        title="Make new pictures",
        lead=f"A variational autoencoder learned to write down each of {model.data['splits']['train']:,} digits in "
        f"{model.recipe.latent} numbers, and to draw it again from them. New numbers make new digits.",
        figures=[*_figures(model.result.metrics), cost(model.result.compute)],
        parts=[*(Picture(png, caption, small=True) for png, caption in _sheets(model, run)), *_charts(model, run)],
        next=[
            "trine generate fit FOLDER --minutes 10",
            f"trine generate sample {run} -n 100 --seed 7 --out new.png",
            f"trine generate interpolate {run} --rows 8 --out walk.gif",
        ],
    )


def _figures(found: dict[str, Any]) -> list[Figure]:
    bound, kl, active = f"{found['elbo_nats']:.0f} nats", f"{found['kl_nats']:.1f} nats", found["active_units"]
    return [
        Figure("bound", bound, "a picture: how well it explains digits it has not seen; lower is better"),
        Figure("KL divergence", kl, "how much the latent numbers say of a picture"),
        Figure("active", f"{active} of {found['units']}", "latent numbers that say something at all"),
    ]


def _sheets(model: Generator, run: Path) -> list[tuple[bytes, str]]:
    """Sheets of digits, with what they show."""
    walks = np.concatenate([between_samples(model, STEPS, seed) for seed in range(ROWS)])
    _, along = traverse(model, one_digit(model.open(DATA)), DIRECTIONS, STEPS)
    return [
        ((run / "samples.png").read_bytes(), "None of these was ever written: digits from random latent numbers."),
        (grid_png(walks, STEPS), "The latent walk: each row goes from one new digit to another without a jump."),
        (grid_png(along, STEPS), "A digit of the test split, and one of its latent numbers changed at a time."),
        ((run / "reconstructions.png").read_bytes(), "Digits, and below each what its latent numbers kept of it."),
    ]


def _charts(model: Generator, run: Path) -> list[Picture]:
    places = draw_map(model, model.open(DATA), most=MAPPED)
    return [
        Picture(places, "Where digits lie in the latent space: like ones are near one another."),
        Picture((run / "curves.png").read_bytes(), "The bound falls while it learns."),
    ]


def one_digit(opened: PictureSet) -> UInt8[np.ndarray, "1 height width channels"]:
    """A picture of the test split to begin with."""
    test = opened.splits["test"]
    assert test.labels is not None
    first = int((test.labels == opened.classes.index(DIGIT)).argmax())
    return test.images[first : first + 1]


PART = Part(
    DATA,
    "the same digits, to make new ones",
    {"widths": (16, 32, 64), "latent": 16, "least_steps": 450, "flow_steps": 600},
    chapter,
)
