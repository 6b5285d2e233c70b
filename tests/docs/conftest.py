"""The folder of a new user: photos, drawings, logs; and short trainings."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trine.classify import choice, mirrored
from trine.classify.recipe import ClassifyRecipe
from trine.detect.recipe import DetectRecipe
from trine.generate.recipe import GenerateRecipe

SHORT = {
    ClassifyRecipe: {"widths": (8, 8), "depth": 1, "least_steps": 20, "epochs": 1.0, "validations": 2},
    DetectRecipe: {"embedding": 8, "hidden": 8, "folds": 1, "least_steps": 20, "epochs": 0.01, "validations": 2},
    GenerateRecipe: {"widths": (8,), "latent": 4, "least_steps": 20, "epochs": 1.0, "flow_steps": 20, "validations": 2},
}


@pytest.fixture
def short_trainings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every preset is a very short training, so that the commands of the docs can run unchanged."""
    for recipe, settings in SHORT.items():
        monkeypatch.setattr(recipe, "presets", dict.fromkeys(recipe.presets, settings))
    monkeypatch.setattr(choice, "installed", lambda: False)  # no trial of networks: auto is the fast one
    monkeypatch.setattr(mirrored, "STEPS", 2)


@pytest.fixture
def newcomer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short_trainings: None) -> Path:
    """The folder of a new user; it is the current folder."""
    draw = np.random.default_rng(0)
    for name, level in (("cat", 60), ("dog", 190)):
        for number in range(1, 17):
            paint(tmp_path / "photos" / name / f"{number}.jpg", level, draw)
    for number in range(1, 61):
        paint(tmp_path / "drawings" / f"{number}.png", 3 * number, draw)
    paint(tmp_path / "cat.jpg", 60, draw)
    paint(tmp_path / "unsorted" / "1.jpg", 190, draw)
    (tmp_path / "access.log").write_text("".join(web_lines(draw)))
    (tmp_path / "auth.log").write_text("".join(sshd_lines(draw)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def paint(path: Path, level: int, draw: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = level + draw.integers(-30, 30, (16, 16, 3))
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(path)


def web_lines(draw: np.random.Generator, visitors: int = 40):
    for visitor in range(visitors):
        for second in range(int(draw.integers(4, 9))):
            page = ("/", "/blog/may.html", "/style.css", "/blog/june.html")[second % 4]
            at = f"10/Oct/2025:13:{visitor % 60:02d}:{second:02d} +0000"
            yield f'10.0.0.{visitor} - - [{at}] "GET {page} HTTP/1.1" 200 512 "-" "Mozilla/5.0"\n'


def sshd_lines(draw: np.random.Generator, visitors: int = 40):
    for visitor in range(visitors):
        head = f"Oct 10 13:{visitor % 60:02d}:0{{}} host sshd[{1000 + visitor}]: "
        user, port = ("ann", "bob", "eve")[visitor % 3], int(draw.integers(1024, 65535))
        for second, text in enumerate(
            (
                f"Accepted publickey for {user} from 10.0.0.{visitor} port {port} ssh2",
                f"Received disconnect from 10.0.0.{visitor} port {port}:11: disconnected by user",
                f"Disconnected from user {user} 10.0.0.{visitor} port {port}",
            )
        ):
            yield head.format(second) + text + "\n"
