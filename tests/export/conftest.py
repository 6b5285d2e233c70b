"""Small models of all tasks, each exported once; the way from a bundle to an opened graph."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trine import bundle
from trine.export.classifier import ClassifierExporter
from trine.graphs import Graph

OpenGraph = Callable[..., Graph]


@pytest.fixture(scope="session")
def open_graph() -> OpenGraph:
    """A graph of an exported bundle, verified and opened."""

    def opened(folder: Path, name: str = "model") -> Graph:
        manifest = bundle.read_manifest(folder)
        return Graph.of_bundle(folder, name, manifest.export or {}, manifest.files, threads=1)

    return opened


@pytest.fixture(scope="session")
def _traced() -> dict[str, Any]:
    return {}


@pytest.fixture
def trace_once(monkeypatch: pytest.MonkeyPatch, _traced: dict[str, Any]) -> None:
    """The graphs of the same classifier are traced once in all tests: for tests of what comes after."""
    trace = ClassifierExporter.graphs

    def graphs(exporter: ClassifierExporter) -> Any:
        weights = hashlib.sha256()
        for name, tensor in exporter.model.network.state_dict().items():
            weights.update(name.encode() + tensor.numpy().tobytes())
        if weights.hexdigest() not in _traced:
            _traced[weights.hexdigest()] = trace(exporter)
        return _traced[weights.hexdigest()]

    monkeypatch.setattr(ClassifierExporter, "graphs", graphs)


def as_exported(model: Any, folder: Path, **options: Any) -> Path:
    """The folder of a model that was exported to it."""
    model.export(folder, **options)
    return folder


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A classifier of digits with the fast network."""
    from trine import Classifier

    settings = {"network": "fast", "widths": [24, 32], "depth": 2, "epochs": 1, "least_steps": 60, "validations": 0}
    return Classifier(**settings).fit("digits", out=tmp_path_factory.mktemp("digits") / "run", device="cpu")


@pytest.fixture(scope="session")
def digits_exported(digits: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its bundle with graphs."""
    return as_exported(digits, tmp_path_factory.mktemp("digits-exported") / "bundle")


@pytest.fixture
def photographs() -> np.ndarray:
    """Parts of real photographs: 6 pictures of 90×70 pixels."""
    from sklearn.datasets import load_sample_images

    images = load_sample_images().images
    return np.stack([image[40 * i : 40 * i + 90, 60 * i : 60 * i + 70] for image in images for i in range(3)])
