"""Small models of every kind, exported; and the full models that they were made of."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import trine
from tests.detect.conftest import WITH_NETWORK, normal_runs, spliced, write_log, write_table
from trine import Classifier, Detector, Generator, bundle, files

PICTURES = {"widths": [8, 16], "least_steps": 20, "epochs": 0.1, "validations": 1, "network": "fast"}
DRAWINGS = {"widths": (8,), "latent": 4, "least_steps": 20, "epochs": 0.1, "flow_steps": 20, "validations": 1}
EVENTS = {"embedding": 8, "hidden": 8, "epochs": 2, "least_steps": 1, "batch_size": 8, "folds": 2, "false_alarms": 0.1}


@pytest.fixture(scope="session")
def make_exported(tmp_path_factory):
    """Train a model, export it, and give its bundle."""

    def make(model, learned, **options) -> Path:
        folder = tmp_path_factory.mktemp("exported") / "bundle"
        model.fit(learned, out=tmp_path_factory.mktemp("trained") / "run", device="cpu", test=False)
        model.export(folder, **options)
        return folder

    return make


def paint_photos(folder: Path, seed: int) -> Path:
    """Colour pictures of two classes and of three sizes."""
    from PIL import Image

    draw = np.random.default_rng(seed)
    for name, level in (("dark", 70), ("light", 180)):
        (folder / name).mkdir()
        for i in range(24):
            picture = level + draw.integers(-60, 60, (*((24, 24), (30, 24), (20, 48))[i % 3], 3))
            Image.fromarray(picture.astype(np.uint8)).save(folder / name / f"{i}.png")
    return folder


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> Path:
    """New pictures like those that the classifier learned from."""
    return paint_photos(tmp_path_factory.mktemp("photos"), seed=1)


@pytest.fixture(scope="session")
def classifier(make_exported, tmp_path_factory) -> Path:
    learned = paint_photos(tmp_path_factory.mktemp("learned"), seed=0)
    return make_exported(Classifier(**PICTURES, picture_size=24), learned, int8=True, data=learned)


@pytest.fixture(scope="session")
def table(tmp_path_factory) -> Path:
    """Normal runs of programs to learn from, and to test with normal and spliced ones."""
    rows = [{"events": run, "split": "train", "name": f"run{i}"} for i, run in enumerate(normal_runs(60, 0))]
    rows += [{"events": run, "split": "test", "name": f"new{i}"} for i, run in enumerate(normal_runs(20, 1))]
    rows += [{"events": spliced(run), "split": "test", "name": f"odd{i}"} for i, run in enumerate(normal_runs(9, 2))]
    return write_table(tmp_path_factory.mktemp("table") / "programs.jsonl", rows)


@pytest.fixture(scope="session")
def make_timed(tmp_path_factory):
    """A table of sequences whose events have a time and a process."""

    def make(seed: int) -> Path:
        draw, rows = np.random.default_rng(seed), []
        for i, run in enumerate(normal_runs(40, seed)):
            times = (i * 3600 + draw.exponential(size=len(run)).cumsum()).tolist()
            rows.append({"events": run, "times": times, "process": ["web" if i % 2 else "job"] * len(run)})
        return write_table(tmp_path_factory.mktemp("timed") / "timed.jsonl", rows)

    return make


@pytest.fixture(scope="session")
def log(tmp_path_factory) -> Path:
    return write_log(tmp_path_factory.mktemp("log") / "auth.log", 40)


@pytest.fixture(scope="session")
def detector(make_exported, table) -> Path:
    return make_exported(Detector(**EVENTS, members=WITH_NETWORK, layers=2), table)


@pytest.fixture(scope="session")
def log_detector(make_exported, log) -> Path:
    return make_exported(Detector(**EVENTS, members=WITH_NETWORK), log)


@pytest.fixture(scope="session")
def generator(make_exported) -> Path:
    return make_exported(Generator(**DRAWINGS, label=True), "digits")


@pytest.fixture
def resealed():
    """Change files of a bundle and write the checksums of the changed ones, as someone who means harm would."""

    def reseal(folder: Path, **changes) -> None:
        manifest = replace(bundle.read_manifest(folder), **changes)
        sums = {path.name: files.sha256(path) for path in folder.iterdir() if path.name != bundle.MANIFEST}
        files.write_json(folder / bundle.MANIFEST, manifest.sealed(sums).as_json())

    return reseal


@pytest.fixture(scope="session")
def full():
    """The full model of a bundle."""
    return trine.load
