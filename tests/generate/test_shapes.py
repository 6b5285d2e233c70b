"""Pictures that are not square: learned and given out in their own shape."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.generate.conftest import BRIEF, dots, write_dots
from trine import load
from trine.errors import RecipeError
from trine.generate.explore import between, between_samples, draw_map, traverse
from trine.generate.generator import Generator
from trine.generate.network import VAE, PictureVAE
from trine.generate.recipe import GenerateRecipe
from trine.nn.likelihood import CalibratedGaussian

HEIGHT, WIDTH = 12, 20
KINDS = {
    "plain": {},
    "map": {"network": "map", "map_latent": 2, "map_flow_width": 32},
    "deep": {"network": "deep", "groups": (1, 1), "map_latent": 2},
}


@pytest.fixture(scope="module")
def wide_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 pictures of 20×12 pixels."""
    images = np.pad(dots(24, HEIGHT), ((0, 0), (0, 0), (4, 4), (0, 0)), mode="edge")
    return write_dots(tmp_path_factory.mktemp("wide") / "wide", images)


@pytest.fixture(scope="module", params=KINDS)
def wide(request, wide_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator:
    """A model of each network that has learned them, loaded from its bundle."""
    folder = tmp_path_factory.mktemp(request.param)
    Generator(**{**BRIEF, **KINDS[request.param]}).fit(wide_folder, out=folder / "run").save(folder / "kept")
    model = load(folder / "kept")
    assert isinstance(model, Generator)
    return model


def test_all_that_is_given_out_has_the_shape_of_the_folders_pictures(wide: Generator, wide_folder: Path) -> None:
    shape = (HEIGHT, WIDTH, 1)
    assert wide.size == (HEIGHT, WIDTH)
    assert wide.sample(3).shape == (3, *shape)
    paths = sorted(wide_folder.iterdir())[:2]
    assert wide.reconstruct(paths).shape == (2, *shape)
    assert between(wide, paths, 4).shape == (4, *shape)
    assert between_samples(wide, 4).shape == (4, *shape)
    assert traverse(wide, directions=2, steps=3).rows.shape == (2, 3, *shape)
    assert draw_map(wide, wide.open(wide_folder)).startswith(b"\x89PNG")


def test_a_set_is_evaluated_in_the_models_shape(wide: Generator, wide_folder: Path) -> None:
    evaluation = wide.evaluate(wide_folder)
    assert np.isfinite(evaluation.metrics["elbo_nats"])
    nats = evaluation.metrics["bits_per_dim"] * HEIGHT * WIDTH * np.log(2)
    assert nats == pytest.approx(evaluation.metrics["elbo_nats"], rel=1e-4)


def test_pixels_that_a_network_adds_to_fill_its_maps_are_not_in_the_loss() -> None:
    """27×21 pixels become 28×24 in the network."""
    torch.manual_seed(0)
    network = PictureVAE(VAE(1, (27, 21), 1, widths=(8, 8), latent=4), CalibratedGaussian(1)).eval()
    images = torch.randint(0, 256, (2, 27, 21, 1), dtype=torch.uint8)
    observed = network.likelihood.observe(images)
    decoded = network.vae(observed)
    assert decoded.outputs.shape == (2, 1, 27, 21)
    squares = decoded.squares.clone()
    squares[:, 1, :, :, 13] = squares[:, :, 1, :, :, 10] = squares[..., 11] = 9.0  # row 27, columns 21 to 23
    changed = replace(decoded, squares=squares)
    assert torch.equal(network.log_prob(changed, observed), network.log_prob(decoded, observed))


def test_photographs_of_several_sizes_keep_the_ratio_that_they_share(tmp_path: Path) -> None:
    for number, size in enumerate([(60, 40), (90, 60), (120, 80), (66, 44), (40, 60)] * 3):
        Image.fromarray(dots(1, 40, 3, seed=number)[0]).resize(size).save(tmp_path / f"{number}.png")
    model = Generator(**BRIEF).fit(tmp_path, out=tmp_path.parent / "run")
    height, width = model.size
    assert width / height == pytest.approx(1.5, rel=0.02)


@pytest.mark.parametrize(
    ("settings", "size"),
    [({"aspect": "square"}, (20, 20)), ({"picture_size": 16}, (16, 16)), ({"picture_size": (16, 24)}, (16, 24))],
)
def test_squares_and_other_shapes_can_be_asked_for(wide_folder: Path, tmp_path: Path, settings, size) -> None:
    assert Generator(**{**BRIEF, **settings}).fit(wide_folder, out=tmp_path / "run").size == size


def test_a_training_goes_on_from_a_model_of_wide_pictures(wide_folder: Path, tmp_path: Path) -> None:
    Generator(**BRIEF).fit(wide_folder, out=tmp_path / "first")
    later = Generator(**BRIEF).fit(wide_folder, out=tmp_path / "later", start=tmp_path / "first")
    assert later.size == (HEIGHT, WIDTH)


def test_recipes_of_former_versions_learn_squares() -> None:
    former = GenerateRecipe().model_dump(mode="json")
    del former["aspect"]
    assert GenerateRecipe.stored(former).aspect == "square"
    assert GenerateRecipe(picture_size=(16, 16)).picture_size == 16
    with pytest.raises(RecipeError, match="picture_size"):
        GenerateRecipe.preset("quick", picture_size=(4, 16))
