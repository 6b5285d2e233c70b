from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trine.generate.generator import Generator

SHORT = {
    "widths": (8, 16),
    "latent": 6,
    "least_steps": 150,
    "learning_rate": 5e-3,
    "ema_decay": 0.9,
    "epochs": 1.0,
    "batch_size": 16,
    "validations": 1,
    "flow_steps": 20,
    "mixture_components": 2,
}
Draw = Callable[..., np.ndarray]


def dots(count: int, size: int = 12, channels: int = 1, seed: int = 0) -> np.ndarray:
    """Bright discs somewhere on dark ground; with three channels in some colour."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:size, :size]
    centres = rng.uniform(size * 0.3, size * 0.7, (count, 2, 1, 1))
    inside = (rows - centres[:, 0]) ** 2 + (columns - centres[:, 1]) ** 2 < (size / 4) ** 2
    colours = rng.integers(150, 256, (count, 1, 1, channels))
    return np.where(inside[..., None], colours, rng.integers(0, 40, (count, size, size, channels))).astype(np.uint8)


def write_dots(folder: Path, images: np.ndarray, classes: tuple[str, ...] = ()) -> Path:
    """Pictures as files, in turn in the folders of the classes."""
    for number, image in enumerate(images):
        path = folder / (classes[number % len(classes)] if classes else "") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(path)
    return folder


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 grey pictures of 12 pixels in two classes."""
    return write_dots(tmp_path_factory.mktemp("dots") / "dots", dots(80), ("left", "right"))


@pytest.fixture(scope="session")
def fitted(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator:
    """A plain model, conditional on the class."""
    return Generator(**SHORT, label=True).fit(folder, out=tmp_path_factory.mktemp("plain") / "run")


@pytest.fixture(scope="session")
def deep(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator:
    """A model with latent maps at two resolutions."""
    settings = {**SHORT, "network": "deep", "groups": (1, 2), "map_latent": 2}
    return Generator(**settings).fit(folder, out=tmp_path_factory.mktemp("deep") / "run")
