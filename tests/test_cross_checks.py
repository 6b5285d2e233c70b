"""What needs a generator and a classifier, from Python."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trine.classify.classifier import Classifier
from trine.cross_checks import accuracy_score, classifier_features
from trine.errors import BundleError, DataError, UsageError
from trine.generate.generator import Generator

SMALL = {"widths": (8, 8), "least_steps": 40, "validations": 1, "batch_size": 16}


def write_halves(root: Path, splits: dict[str, int], names: tuple[str, ...] = ("left", "right")) -> Path:
    """Pictures of 12×12 pixels with a bright left or right half, in class folders."""
    rng = np.random.default_rng(0)
    for split, count in splits.items():
        for number in range(count):
            side, pixels = number % 2, rng.integers(0, 80, (12, 12), dtype=np.uint8)
            pixels[:, 6 * side : 6 * side + 6] += 150
            path = root / split / names[side] / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(path)
    return root


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes to train on and to test on."""
    return write_halves(tmp_path_factory.mktemp("data") / "photos", {"train": 40, "test": 20})


@pytest.fixture(scope="module")
def model(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator:
    """A generator with labels."""
    recipe = {"widths": (8, 8), "latent": 4, "least_steps": 30, "epochs": 1.0, "validations": 1, "flow_steps": 10}
    out = tmp_path_factory.mktemp("model") / "run"
    return Generator(**recipe, batch_size=16, label=True).fit(photos, out=out)


def test_a_classifier_trained_on_generated_pictures_is_tested_on_real_ones(model: Generator, photos: Path) -> None:
    notes: list[str] = []
    scores = accuracy_score(model, model.open(photos), 100, notes.append, **SMALL)
    assert scores["accuracy_score_n"] == 100
    assert scores["accuracy_score"] > 0.7
    assert 0 <= scores["accuracy_score_shuffled"] <= 1
    assert [line.split(":")[0] for line in notes] == ["accuracy_score", "accuracy_score_shuffled"]


def test_a_model_without_labels_has_no_accuracy_score(photos: Path, tmp_path: Path) -> None:
    settings = {"widths": (8, 8), "latent": 2, "least_steps": 5, "epochs": 1.0, "validations": 1, "flow_steps": 2}
    unlabelled = Generator(**settings, mixture_components=1).fit(photos, out=tmp_path / "run")
    with pytest.raises(UsageError, match="no labels: train one with --label"):
        accuracy_score(unlabelled, unlabelled.open(photos), 100, **SMALL)


def test_real_pictures_of_other_classes_have_no_accuracy_score(model: Generator, tmp_path: Path) -> None:
    others = write_halves(tmp_path / "others", {"train": 4, "test": 4}, ("up", "down"))
    with pytest.raises(DataError, match="needs labelled test pictures of the classes left, right"):
        accuracy_score(model, model.open(others), 100, **SMALL)


def test_a_classifiers_features_are_a_feature_space_for_pictures_of_its_size_only(photos: Path, tmp_path: Path) -> None:
    classifier = Classifier("quick", **SMALL, epochs=1.0).fit(photos, out=tmp_path / "cnn")
    images = np.random.default_rng(0).integers(0, 256, (5, 12, 12, 1), dtype=np.uint8)
    features = classifier_features(tmp_path / "cnn", (12, 12))(images)
    assert features.shape[0] == 5
    assert np.array_equal(features, classifier.features(images))
    with pytest.raises(UsageError, match="takes pictures of 12×12 pixels, but generated ones have 16×16"):
        classifier_features(tmp_path / "cnn", (16, 16))


def test_a_generator_is_no_feature_space(model: Generator, tmp_path: Path) -> None:
    model.save(tmp_path / "kept")
    with pytest.raises(BundleError, match="a model for generate, not for classify"):
        classifier_features(tmp_path / "kept", (12, 12))
