from pathlib import Path

import numpy as np
import pytest

from trine.errors import DataError, UsageError
from trine.generate.generator import Generator
from trine.generate.labelled import write_idx, write_labelled
from trine.pictures.picture_set import PictureSet, open_pictures

from .conftest import dots, write_dots


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> PictureSet:
    """A set with train and test splits; its two classes are those of the fitted model."""
    root = tmp_path_factory.mktemp("real") / "dots"
    for split, count in (("train", 20), ("test", 10)):
        write_dots(root / split, dots(count, seed=count), ("left", "right"))
    return open_pictures(root)


def test_generated_pictures_have_their_labels_and_the_test_split_is_real(
    fitted: Generator, real: PictureSet, tmp_path: Path
) -> None:
    written = open_pictures(write_labelled(fitted, real, 30, tmp_path / "set"), cut=False)
    train, test = written.splits["train"], written.splits["test"]
    assert np.array_equal(test.images, real.splits["test"].images)
    assert np.array_equal(test.labels, real.splits["test"].labels)
    assert np.bincount(train.labels).tolist() == [15, 15]
    assert np.array_equal(train.images[train.labels == 1], fitted.sample(15, label="right", pixel_noise=1.0, seed=2))


def test_the_control_has_the_same_pictures_with_shuffled_labels(
    fitted: Generator, real: PictureSet, tmp_path: Path
) -> None:
    plain, control = (
        open_pictures(write_labelled(fitted, real, 40, tmp_path / str(shuffled), shuffled), cut=False).splits["train"]
        for shuffled in (False, True)
    )
    assert np.array_equal(plain.images, control.images)
    assert np.bincount(control.labels).tolist() == [20, 20]
    assert 0 < (plain.labels != control.labels).mean() < 1


def test_a_model_without_labels_and_a_set_without_a_test_split_are_refused(
    fitted: Generator, deep: Generator, real: PictureSet, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="--label"):
        write_labelled(deep, real, 10, tmp_path)
    with pytest.raises(DataError, match="labelled test pictures"):
        write_labelled(fitted, open_pictures(folder), 10, tmp_path)


def test_more_classes_than_a_byte_can_count_are_refused(fitted: Generator, real: PictureSet, tmp_path: Path) -> None:
    many = fitted.replaced(classes=tuple(map(str, range(257))))
    with pytest.raises(UsageError, match="the model has 257 labels: the accuracy score takes up to 256"):
        write_labelled(many, real, 10, tmp_path)


@pytest.mark.parametrize("channels", [1, 3])
def test_written_pictures_and_labels_are_read_back(channels: int, tmp_path: Path) -> None:
    images, labels = dots(6, channels=channels), np.arange(6) % 3
    write_idx(tmp_path / "train", images, labels)
    train = open_pictures(tmp_path, cut=False).splits["train"]
    assert np.array_equal(train.images, images)
    assert np.array_equal(train.labels, labels)
