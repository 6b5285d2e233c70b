from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from trine.errors import DataError, UsageError
from trine.generate.generator import Generator
from trine.model import Evaluation
from trine.pictures.picture_set import PictureSet


def pixels(images: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(images[:, ::3, ::3])).flatten(1).float() / 255


@pytest.fixture
def judged(fitted: Generator, opened: PictureSet) -> Evaluation:
    return fitted.judge(opened, "validation")


@pytest.fixture(scope="module")
def opened(fitted: Generator, folder: Path) -> PictureSet:
    return fitted.open(folder, None, fitted.recipe)


def test_each_space_has_its_distance_beside_floor_and_ceilings(
    judged: Evaluation, fitted: Generator, opened: PictureSet
) -> None:
    add_realism(judged, fitted, opened, {"cnn": pixels, "lite0": pixels}, 30)
    found = judged.metrics
    assert found["frechet_cnn"] == found["frechet_lite0"] > 0
    assert set(found["beside_lite0"]) == {"train", "blurred", "noise"}
    assert found["density_and_coverage_in"] == "lite0"
    assert found["compared"] == {"generated": 30, "real": len(opened.splits["validation"])}
    assert found["elbo_nats"]


def test_pictures_of_the_train_split_itself_have_no_floor(fitted: Generator, opened: PictureSet) -> None:
    judged = fitted.judge(opened, "train")
    add_realism(judged, fitted, opened, {"cnn": pixels}, 30)
    assert set(judged.metrics["beside_cnn"]) == {"blurred", "noise"}


def test_copies_are_looked_for_and_shown(
    judged: Evaluation, fitted: Generator, opened: PictureSet, tmp_path: Path
) -> None:
    add_memorisation(judged, fitted, opened, 40)
    assert judged.metrics["checked"] == 40
    assert 0 < judged.metrics["nearest_ratio"] < 10
    (tmp_path / "nearest.png").write_bytes(judged.pictures["nearest.png"])
    with Image.open(tmp_path / "nearest.png") as sheet:
        factor = 64 // 12
        assert sheet.size == (factor * (10 * 13 + 1), factor * (3 * 13 + 1))


def test_without_held_out_pictures_copies_cannot_be_told(fitted: Generator, opened: PictureSet) -> None:
    with pytest.raises(DataError, match="train split and another"):
        add_memorisation(fitted.judge(opened, "train"), fitted, opened, 40)


def test_one_picture_is_no_set(judged: Evaluation, fitted: Generator, opened: PictureSet) -> None:
    with pytest.raises(UsageError, match="two or more"):
        add_realism(judged, fitted, opened, {"cnn": pixels}, 1)


def test_an_even_sample_has_first_and_last() -> None:
    images = np.arange(50, dtype=np.uint8).reshape(50, 1, 1, 1)
    assert evenly(images, 5).ravel().tolist() == [0, 12, 24, 36, 49]
    assert len(evenly(images, 500)) == 50
