"""The chapter of generate: new handwritten digits."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from trine.demo.part import Part
from trine.generate.chapter import figures
from trine.generate.explore import between_samples, draw_map, draw_traversal
from trine.generate.generator import Generator
from trine.page.chapter import Chapter, Picture, training_time
from trine.pictures.picture_set import PictureSet
from trine.sheet import grid_png

DATA = "digits28"
DIGIT = "3"
"""Class of the digit whose latent numbers are changed."""
ROWS, STEPS, DIRECTIONS = 4, 12, 6
"""Rows and columns of the sheet of the latent walk; number of latent numbers that are changed."""
MAPPED = 600
"""Number of digits on the map of the latent space."""


def chapter(model: Generator, run: Path) -> Chapter:
    """The chapter of a trained generator of handwritten digits, with a walk through its latent space."""
    assert model.result
    return Chapter(
        name="generate",
        title="Make new pictures",
        lead=f"A variational autoencoder learned to encode each of {model.data['splits']['train']:,} digits in "
        f"{model.recipe.latent} latent numbers, and to draw it again from them. New numbers give new digits.",
        figures=[*figures(model.result.metrics), training_time(model.result.compute)],
        parts=[*(Picture(png, caption, small=True) for png, caption in _sheets(model, run)), *_charts(model, run)],
        next=[
            "trine generate fit FOLDER --minutes 10",
            f"trine generate sample {run} -n 100 --seed 7 --out new.png",
            f"trine generate interpolate {run} --rows 8 --out walk.gif",
        ],
    )


def _sheets(model: Generator, run: Path) -> list[tuple[bytes, str]]:
    """Sheets of digits, with their captions."""
    walks = np.concatenate([between_samples(model, STEPS, seed) for seed in range(ROWS)])
    return [
        ((run / "samples.png").read_bytes(), "New digits, drawn from random latent numbers."),
        (grid_png(walks, STEPS), "A walk through the latent space: in each row, one new digit turns into another."),
        ((run / "reconstructions.png").read_bytes(), "Test digits, and below each its reconstruction."),
    ]


def _charts(model: Generator, run: Path) -> list[Picture]:
    opened = model.open(DATA)
    latent_map = draw_map(model, opened, most=MAPPED)
    _, along = draw_traversal(model, one_digit(opened), DIRECTIONS)
    return [
        Picture(along, "A digit of the test split; each row moves it along one direction in which real digits differ."),
        Picture(latent_map, "A map of the latent space: similar digits are close together."),
        Picture((run / "curves.png").read_bytes(), "The bound falls during the training."),
    ]


def one_digit(opened: PictureSet) -> UInt8[np.ndarray, "1 height width channels"]:
    """The first `DIGIT` of the test split."""
    test = opened.splits["test"]
    assert test.labels is not None
    first = int((test.labels == opened.classes.index(DIGIT)).argmax())
    return test.images[first : first + 1]


PART = Part(
    DATA,
    "the same digits",
    {"widths": (16, 32, 64), "latent": 16, "least_steps": 450, "flow_steps": 600, "sharpen_steps": 0},
    chapter,
)
