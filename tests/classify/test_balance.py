import math
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trine.classify.balance import PRIORS, as_answered, balanced_order, log_shares, uneven
from trine.classify.classifier import Classifier

from .conftest import SHORT, write_shapes

COUNTS = st.lists(st.integers(1, 40), min_size=2, max_size=6)


def labels(counts: list[int]) -> torch.Tensor:
    return torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))


@given(COUNTS, st.integers(0, 5))
def test_an_epoch_shows_each_class_as_often_and_each_of_its_pictures(counts, epoch):
    known = labels(counts)
    order = balanced_order(known, seed=0, epoch=epoch)
    shown = known[order].bincount(minlength=len(counts))
    assert len(order) == len(known)
    assert shown.max() - shown.min() <= 1
    for label in range(len(counts)):
        often = order[known[order] == label].bincount(minlength=len(known))[known == label]
        assert often.max() - often.min() <= 1


def test_epochs_have_different_orders_and_a_seed_gives_the_same_ones():
    known = labels([20, 4])
    assert balanced_order(known, 0, 1).tolist() == balanced_order(known, 0, 1).tolist()
    assert balanced_order(known, 0, 1).tolist() != balanced_order(known, 0, 2).tolist()


def test_shares_are_those_of_the_labels():
    assert log_shares(labels([3, 1]), 2).exp().tolist() == pytest.approx([0.75, 0.25])
    assert math.isfinite(log_shares(labels([3, 1]), 3)[2])


def test_calibration_sees_all_pictures_or_as_many_of_each_class():
    known = labels([9, 3])
    assert as_answered(known, "none").tolist() == list(range(12))
    assert known[as_answered(known, "logits")].bincount().tolist() == [6, 6]


@pytest.mark.parametrize(("counts", "ratio"), [([30, 10], 3.0), ([29, 10], None), ([5], None)])
def test_classes_are_uneven_from_three_times_as_many_pictures(counts, ratio):
    assert uneven(counts) == ratio


@pytest.fixture(scope="module")
def rarely_a_disc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 bars and crosses, 4 discs to train on; 12 of each to test with."""
    folder = tmp_path_factory.mktemp("uneven") / "shapes"
    write_shapes(folder / "train", each=40)
    write_shapes(folder / "test", each=12, seed=1)
    for path in sorted((folder / "train" / "disc").iterdir())[4:]:
        path.unlink()
    return folder


@pytest.mark.long
@pytest.mark.parametrize("balance", ["none", "sampling", "logits"])
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(SHORT, id="fast"),
        pytest.param({"network": "classic", "least_steps": 60, "validations": 1, "batch_size": 32}, id="classic"),
        pytest.param({"network": "pretrained", "picture_size": 16, "least_steps": 120, "validations": 1}, id="head"),
    ],
)
def test_every_network_learns_a_rare_class_with_any_balance(rarely_a_disc, settings, balance, tmp_path):
    if settings.get("network") == "pretrained":
        pytest.importorskip("efficientnet_lite_pytorch", reason="the extra `pretrained` is not installed")
    model = Classifier(**settings, balance=balance).fit(rarely_a_disc, out=tmp_path / "run")
    assert model.result
    metrics = model.result.metrics
    assert metrics["prior"] == PRIORS[balance]
    if balance != "none":
        assert metrics["macro_recall"] > 0.5
        assert metrics["per_class"]["disc"]["recall"] > 0
