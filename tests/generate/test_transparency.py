"""Pictures with transparent pixels: opacity is learned as a fourth channel."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.generate.conftest import BRIEF, SHORT, dots, write_dots
from trine import load
from trine.generate.evaluation import with_realism
from trine.generate.explore import draw_map, draw_traversal
from trine.generate.generator import Generator
from trine.generate.recipe import GenerateRecipe
from trine.sheet import CHECKERED, grid, write_pictures


@pytest.fixture(scope="module")
def icons(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 white discs on transparency, below which the files are red."""
    opacity = np.where(dots(40, 16) > 100, 255, 0).astype(np.uint8)
    colour = np.where(opacity > 0, 255, np.array([200, 0, 0])).astype(np.uint8)
    return write_dots(tmp_path_factory.mktemp("icons") / "icons", np.concatenate([colour, opacity], 3))


@pytest.fixture(scope="module")
def model(icons: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator:
    folder = tmp_path_factory.mktemp("model")
    Generator(**{**SHORT, "least_steps": 60}).fit(icons, out=folder / "run").save(folder / "kept")
    model = load(folder / "kept")
    assert isinstance(model, Generator)
    return model


def test_new_icons_are_white_and_mostly_transparent(model: Generator) -> None:
    images = model.sample(20).astype(int)
    assert images.shape == (20, 16, 16, 4)
    assert images[..., :3].mean() > 240  # the colour that files have where nothing can be seen is not learned
    assert images[:, 0, 0, 3].mean() < 40
    assert images[..., 3].max() > 150


def test_single_files_keep_their_transparency_and_sheets_show_icons_on_a_board(
    model: Generator, tmp_path: Path
) -> None:
    images = model.sample(2)
    write_pictures(iter([images]), 2, tmp_path / "icons")
    with Image.open(tmp_path / "icons" / "0.png") as image:
        assert image.mode == "RGBA"
        assert np.array_equal(np.asarray(image), images[0])
    sheet = grid(np.full((1, 16, 16, 4), (255, 255, 255, 0), np.uint8))
    assert set(np.unique(sheet[1:-1, 1:-1])) == set(CHECKERED)
    assert (grid(np.full((1, 16, 16, 4), 255, np.uint8)) == 255).all()


def test_looking_inside_works_with_transparency(model: Generator, icons: Path) -> None:
    assert draw_map(model, model.open(icons)).startswith(b"\x89PNG")
    assert draw_traversal(model, sorted(icons.iterdir())[:1], directions=2, steps=3)[1].startswith(b"\x89PNG")


def test_pictures_of_any_mode_are_encoded(model: Generator, icons: Path) -> None:
    path = sorted(icons.iterdir())[0]
    expected = model.encode([path]).mean[0]
    with Image.open(path) as image:
        pixels = np.asarray(image)
    assert np.array_equal(model.encode(pixels[None]).mean[0], expected)
    assert np.array_equal(model.encode([pixels]).mean[0], expected)
    assert model.pixels(np.zeros((1, 16, 16, 3), np.uint8))[..., 3].min() == 255
    assert model.encode(np.zeros((2, 16, 16, 1), np.uint8)).mean[0].shape[0] == 2


def test_realism_is_measured_on_what_is_seen(model: Generator, icons: Path) -> None:
    seen = []

    def features(images: np.ndarray):
        seen.append(images.shape[-1])
        return torch.from_numpy(images.reshape(len(images), -1)[:, :8].astype(np.float32))

    opened = model.open(icons)
    with_realism(model.evaluation(opened), model, opened, {"lite0": features}, 10)
    assert set(seen) == {3}


def test_opaque_pictures_of_rgba_files_are_colour_pictures(tmp_path: Path) -> None:
    images = np.concatenate([dots(12, 12, 3), np.full((12, 12, 12, 1), 255, np.uint8)], 3)
    assert Generator(**BRIEF).fit(write_dots(tmp_path / "opaque", images), out=tmp_path / "run").channels == 3


def test_transparency_can_be_left_out_and_is_in_former_recipes(icons: Path, tmp_path: Path) -> None:
    assert Generator(**BRIEF, transparency="none").fit(icons, out=tmp_path / "run").channels == 3
    former = GenerateRecipe().model_dump(mode="json")
    del former["transparency"]
    assert GenerateRecipe.stored(former).transparency == "none"
