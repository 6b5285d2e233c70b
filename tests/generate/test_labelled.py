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
    """A set with train and test, its two classes those of the fitted model."""
    root = tmp_path_factory.mktemp("real") / "dots"
    for split, count in (("train", 20), ("test", 10)):
        write_dots(root / split, dots(count, seed=count), ("left", "right"))
    return open_pictures(root)


def test_generated_pictures_stand_under_their_labels_and_real_ones_in_the_test(
    fitted: Generator, real: PictureSet, tmp_path: Path
) -> None:
    found = open_pictures(write_labelled(fitted, real, 30, tmp_path / "set"), cut=False)
    train, test = found.splits["train"], found.splits["test"]
    assert np.array_equal(test.images, real.splits["test"].images)
    assert np.array_equal(test.labels, real.splits["test"].labels)
    assert np.bincount(train.labels).tolist() == [15, 15]
    assert np.array_equal(train.images[train.labels == 1], fitted.sample(15, label="right", pixel_noise=1.0, seed=2))


def test_the_control_has_the_same_pictures_under_other_labels(
    fitted: Generator, real: PictureSet, tmp_path: Path
) -> None:
    plain, control = (
        open_pictures(write_labelled(fitted, real, 40, tmp_path / str(shuffled), shuffled), cut=False).splits["train"]
        for shuffled in (False, True)
    )
    assert np.array_equal(plain.images, control.images)
    assert np.bincount(control.labels).tolist() == [20, 20]
    assert 0 < (plain.labels != control.labels).mean() < 1


def test_a_model_without_labels_or_a_set_without_a_test_split_is_refused(
    fitted: Generator, real: PictureSet, folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="--label"):
        write_labelled(Generator(), real, 10, tmp_path)
    with pytest.raises(DataError, match="labelled test pictures"):
        write_labelled(fitted, open_pictures(folder), 10, tmp_path)


@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_written_is_read_again(channels: int, tmp_path: Path) -> None:
    images, labels = dots(6, channels=channels), np.arange(6) % 3
    write_idx(tmp_path / "train", images, labels)
    found = open_pictures(tmp_path, cut=False).splits["train"]
    assert np.array_equal(found.images, images)
    assert np.array_equal(found.labels, labels)
