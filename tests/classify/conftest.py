from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trine.classify.classifier import Classifier
from trine.classify.evaluation import Answers

SHAPES = ("bar", "cross", "disc")
SHORT = {"widths": (16, 16), "depth": 1, "least_steps": 40, "epochs": 1.0, "validations": 1, "batch_size": 32}
MakeShapes = Callable[..., Path]


def shape_picture(name: str, rng: np.random.Generator, size: int = 16, grey: bool = False) -> np.ndarray:
    """A bright shape on a dark noisy ground."""
    rows, columns = np.mgrid[:size, :size] - size / 2 + rng.integers(-2, 3, (2, 1, 1))
    thick = size / 8
    bar, post = abs(rows) < thick, abs(columns) < thick
    drawn = {"bar": bar, "cross": bar | post, "disc": rows**2 + columns**2 < (size / 3) ** 2}[name]
    picture = np.where(drawn[..., None], rng.integers(150, 256, 3), rng.integers(0, 90, 3)) + rng.normal(
        0, 10, (size, size, 3)
    )
    picture = np.clip(picture, 0, 255).astype(np.uint8)
    return picture[..., :1].repeat(3, 2) if grey else picture


def write_shapes(folder: Path, each: int = 20, size: int = 16, seed: int = 0, grey: bool = False) -> Path:
    """A folder of class folders of shapes."""
    rng = np.random.default_rng(seed)
    for name in SHAPES:
        (folder / name).mkdir(parents=True)
        for number in range(each):
            image = Image.fromarray(shape_picture(name, rng, size, grey))
            (image.convert("L") if grey else image).save(folder / name / f"{name}{number}.png")
    return folder


@pytest.fixture(scope="session")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 pictures of 16 pixels in three classes."""
    return write_shapes(tmp_path_factory.mktemp("shapes") / "shapes")


@pytest.fixture(scope="session")
def fitted(shapes: Path, tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """A fast network that tells the shapes apart."""
    return Classifier(**SHORT).fit(shapes, out=tmp_path_factory.mktemp("fitted") / "run")


@pytest.fixture(scope="session")
def model(fitted: Classifier) -> Path:
    """Its run's folder."""
    assert fitted.run
    return fitted.run


@pytest.fixture
def answers() -> Answers:
    """Six pictures; one bee is taken for an ant, surely."""
    labels = torch.tensor([0, 0, 1, 1, 2, 2])
    given = torch.tensor([0, 0, 1, 0, 2, 2])
    logits = torch.nn.functional.one_hot(given, 3).float() * torch.tensor([2, 3, 2, 4, 3, 1])[:, None]
    typical = torch.tensor([0.5, 0.5, 0.5, 0.5, 0.5, 0.001])
    return Answers(logits, logits, labels, temperature=2.0, threshold=0.5, novelty=typical)
