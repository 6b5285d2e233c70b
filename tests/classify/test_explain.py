from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from tests.texts import written
from trine.classify.classifier import Classifier
from trine.classify.explain import draw_heat, draw_maps, draw_responses, explain, feature_maps, grad_cam
from trine.classify.network import ClassicNet, FastNet, PictureNet, Pixels
from trine.classify.predictor import Prediction
from trine.errors import DataError, RunError

NETWORKS = {"fast": FastNet, "classic": ClassicNet}


@pytest.fixture(params=sorted(NETWORKS))
def network(request: pytest.FixtureRequest) -> PictureNet:
    torch.manual_seed(0)
    net = NETWORKS[request.param](3, 32, 4, widths=(8, 8, 8))
    net.prepare(torch.randint(0, 256, (8, 32, 32, 3), dtype=torch.uint8))
    return net


def picture() -> torch.Tensor:
    return torch.randint(0, 256, (1, 32, 32, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))


def test_every_picture_gets_its_three_files_and_the_filters_theirs(
    fitted: Classifier, shapes: Path, tmp_path: Path
) -> None:
    paths = [shapes / "disc" / "disc0.png", shapes / "bar" / "bar1.png"]
    written = explain(fitted, paths, tmp_path / "out")
    names = ["filters.png", *(f"{name}{part}.png" for name in ("disc0", "bar1") for part in ("", "-maps", "-filters"))]
    assert [path.name for path in written] == names
    for path in written:
        with Image.open(path) as image:
            image.load()
            assert min(image.size) > 100


def test_pictures_called_the_same_do_not_overwrite_each_other(fitted: Classifier, shapes: Path, tmp_path: Path) -> None:
    twins = [tmp_path / folder / "same.png" for folder in ("a", "b")]
    for twin in twins:
        twin.parent.mkdir()
        twin.write_bytes((shapes / "disc" / "disc0.png").read_bytes())
    written = explain(fitted, twins, tmp_path / "out")
    assert len(set(written)) == 7


def test_a_picture_called_filters_keeps_the_filters(fitted: Classifier, shapes: Path, tmp_path: Path) -> None:
    twin = tmp_path / "filters.png"
    twin.write_bytes((shapes / "disc" / "disc0.png").read_bytes())
    assert len({path.name for path in explain(fitted, [twin], tmp_path / "out")}) == 4


def test_filters_are_shown_beside_their_maps_strongest_first(network: PictureNet) -> None:
    maps = torch.zeros(len(network.filters()), 16, 16)
    maps[1, :4], maps[3, :2] = 5.0, 1.0
    with written() as texts:
        draw_responses(picture()[0].numpy(), network.filters(), maps)
    texts.check()
    names = [text for text in texts.texts if text.startswith("filter ")]
    assert names[::2][:2] == ["filter 1", "filter 3"], "the first column, from top to bottom"
    assert texts.texts.count("its map") == len(names) == min(8, len(maps))


def test_texts_over_the_heat_and_beside_the_maps_are_apart(network: PictureNet) -> None:
    answer = Prediction("a.png", "a" * 18, 0.9, (("a" * 18, 0.9), ("b" * 18, 0.1)), abstain=False)
    with written() as texts:
        draw_heat(picture()[0].numpy(), answer, [np.zeros((32, 32), np.float32)] * 2, ["a" * 18, "b" * 18])
    texts.check()
    with written() as texts:
        draw_maps(feature_maps(network, picture()))
    texts.check()


def test_a_map_that_is_negative_everywhere_is_drawn() -> None:
    layer = torch.full((2, 3, 3), -1e-4)
    layer[0, 0, 0] = 0.5
    assert draw_maps({"behind GELU": layer}).startswith(b"\x89PNG")


def test_heat_lies_between_zero_and_one_and_leaves_the_network_as_it_was(network: PictureNet) -> None:
    before = network.eval()(picture())
    heat = grad_cam(network, picture(), 1)
    assert heat.shape == (32, 32)
    assert 0 <= float(heat.min()) <= float(heat.max()) <= 1
    assert torch.equal(network(picture()), before)
    assert all(not part._forward_hooks for part in network.modules())


def test_heat_differs_between_classes(network: PictureNet) -> None:
    assert not torch.equal(grad_cam(network, picture(), 0), grad_cam(network, picture(), 1))


def test_maps_shrink_from_layer_to_layer(network: PictureNet) -> None:
    sides = [maps.shape[-1] for maps in feature_maps(network, picture()).values()]
    assert sides == sorted(sides, reverse=True)
    assert sides[0] > sides[-1]


class Lamp(PictureNet):
    """Sees bright places; they speak for class 0 and against class 1."""

    def __init__(self) -> None:
        super().__init__()
        self.pixels, self.bright, self.head = Pixels(1), nn.Conv2d(1, 1, 1), nn.Linear(1, 2)
        for parameter, value in ((self.bright.weight, 1.0), (self.bright.bias, 0.0), (self.head.bias, 0.0)):
            nn.init.constant_(parameter, value)
        self.head.weight.data = torch.tensor([[1.0], [-1.0]])

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return self.bright(self.pixels(images)).relu().mean((2, 3))

    def layers(self) -> dict[str, nn.Module]:
        return {"bright": self.bright}

    def filters(self) -> torch.Tensor:
        return self.bright.weight


def test_heat_lies_on_what_speaks_for_the_class() -> None:
    image = torch.zeros(1, 12, 12, 1, dtype=torch.uint8)
    image[:, 2:5, 6:9] = 255
    heat = grad_cam(Lamp(), image, 0)
    assert torch.equal(heat > 0.5, image[0, :, :, 0] > 0)
    assert float(grad_cam(Lamp(), image, 1)[2:5, 6:9].max()) == 0


def test_a_picture_that_cannot_be_read_is_named(fitted: Classifier, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no")
    with pytest.raises(DataError, match=r"text\.png"):
        explain(fitted, [tmp_path / "text.png"], tmp_path / "out")


def test_a_file_in_the_folders_place_is_left_alone(fitted: Classifier, shapes: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(RunError):
        explain(fitted, [shapes / "disc" / "disc0.png"], tmp_path / "out")
    assert (tmp_path / "out").read_text() == "mine"
