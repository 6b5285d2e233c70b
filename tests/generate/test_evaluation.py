from dataclasses import FrozenInstanceError
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from trine.errors import DataError, UsageError
from trine.generate.evaluation import with_memorisation, with_realism
from trine.generate.generator import Generator
from trine.model import Evaluation
from trine.pictures.batches import evenly
from trine.pictures.picture_set import PictureSet

from .conftest import dots, write_dots


def pixels(images: np.ndarray) -> Tensor:
    """A feature space: every third pixel of every third row."""
    return torch.from_numpy(np.array(images[:, ::3, ::3])).flatten(1).float() / 255


@pytest.fixture(scope="module")
def opened(fitted: Generator, folder: Path) -> PictureSet:
    return fitted.open(folder)


@pytest.fixture(scope="module")
def evaluation(fitted: Generator, opened: PictureSet) -> Evaluation:
    return fitted.evaluation(opened, "validation")


def test_each_space_has_its_distance_and_its_references(
    evaluation: Evaluation, fitted: Generator, opened: PictureSet
) -> None:
    extended = with_realism(evaluation, fitted, opened, {"cnn": pixels, "lite0": pixels}, 30)
    metrics = extended.metrics
    assert metrics["frechet_cnn"] == metrics["frechet_lite0"] > 0
    assert set(metrics["beside_lite0"]) == {"train", "blurred", "noise"}
    assert metrics["density_and_coverage_in"] == "lite0"
    assert metrics["compared"] == {"generated": 30, "real": len(opened.splits["validation"])}
    assert metrics["elbo_nats"]


def test_an_evaluation_is_extended_and_never_changed(
    evaluation: Evaluation, fitted: Generator, opened: PictureSet
) -> None:
    metrics, pictures = dict(evaluation.metrics), dict(evaluation.pictures)
    with_realism(evaluation, fitted, opened, {"cnn": pixels}, 30)
    with_memorisation(evaluation, fitted, opened, 40)
    assert (evaluation.metrics, evaluation.pictures) == (metrics, pictures)
    with pytest.raises(FrozenInstanceError):
        evaluation.metrics = {}


def test_the_train_split_is_no_reference_for_itself(fitted: Generator, opened: PictureSet) -> None:
    evaluation = fitted.evaluation(opened, "train")
    metrics = with_realism(evaluation, fitted, opened, {"cnn": pixels}, 30).metrics
    assert set(metrics["beside_cnn"]) == {"blurred", "noise"}


def test_copies_are_counted_and_shown(
    evaluation: Evaluation, fitted: Generator, opened: PictureSet, tmp_path: Path
) -> None:
    extended = with_memorisation(evaluation, fitted, opened, 40)
    assert extended.metrics["checked"] == 40
    assert 0 < extended.metrics["nearest_ratio"] < 10
    assert set(extended.pictures) == {*evaluation.pictures, "nearest.png"}
    (tmp_path / "nearest.png").write_bytes(extended.pictures["nearest.png"])
    with Image.open(tmp_path / "nearest.png") as sheet:
        factor = 64 // 12
        assert sheet.size == (factor * (10 * 13 + 1), factor * (3 * 13 + 1))


def test_without_held_out_pictures_copies_cannot_be_counted(fitted: Generator, opened: PictureSet) -> None:
    with pytest.raises(DataError, match="train split and another"):
        with_memorisation(fitted.evaluation(opened, "train"), fitted, opened, 40)


def test_one_generated_picture_cannot_be_compared(
    evaluation: Evaluation, fitted: Generator, opened: PictureSet
) -> None:
    for extend in (
        lambda: with_realism(evaluation, fitted, opened, {"cnn": pixels}, 1),
        lambda: with_memorisation(evaluation, fitted, opened, 1),
    ):
        with pytest.raises(UsageError, match="1 generated pictures: at least two"):
            extend()


def test_a_split_of_one_picture_is_too_small_to_compare_with(fitted: Generator, tmp_path: Path) -> None:
    for split, count in (("train", 20), ("test", 1)):
        write_dots(tmp_path / "dots" / split, dots(count), ("left",))
    small = fitted.open(tmp_path / "dots")
    evaluation = fitted.evaluation(small, "test")
    with pytest.raises(DataError, match="its test split has one picture: a comparison needs at least two"):
        with_realism(evaluation, fitted, small, {"cnn": pixels}, 30)
    with pytest.raises(DataError, match="its test split has one picture: a search for copies needs at least two"):
        with_memorisation(evaluation, fitted, small, 40)


def test_an_evenly_spaced_sample_has_first_and_last() -> None:
    assert evenly(50, 5).tolist() == [0, 12, 24, 36, 49]
    assert len(evenly(50, 500)) == 50
