import os

import numpy as np
import pytest

from trine.pictures.picture_set import open_pictures
from trine.sequences.readers import open_sequences

pytestmark = pytest.mark.skipif("TRINE_DATA" not in os.environ, reason="TRINE_DATA names no folder of data sets")


def test_cifar10_is_the_official_set_with_a_stratified_validation_cut():
    pictures = open_pictures("cifar10", validation_limit=5000)
    counts = {name: np.bincount(split.labels).tolist() for name, split in pictures.splits.items()}
    assert counts == {"train": [4500] * 10, "validation": [500] * 10, "test": [1000] * 10}
    whole = open_pictures("cifar10", cut=False)
    means = whole.splits["train"].images.reshape(-1, 3).mean(0, dtype=np.float64)
    assert np.allclose(means, [125.306918046875, 122.950394140625, 113.86538318359375])


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_idx_sets_have_their_official_sizes(name):
    pictures = open_pictures(name, cut=False)
    assert {split: part.images.shape for split, part in pictures.splits.items()} == {
        "train": (60_000, 28, 28, 1),
        "test": (10_000, 28, 28, 1),
    }


def test_adfa_ld_is_tested_on_its_normal_validation_and_its_attacks():
    table = open_sequences("adfa-ld")
    test = table.split("test")
    assert len(table.split("train")) == 833
    assert (int((test.labels == 0).sum()), int((test.labels == 1).sum())) == (4_372, 746)
    assert len(table.events) == 2_747_550


def test_hdfs_has_its_natural_sample_marked():
    test = open_sequences("hdfs").split("test")
    assert int((test.labels == 0).sum()) == 11_039
    assert int((test.kinds == "sample2pct").sum()) == 350
