"""Classes that are mirror images: bright corners at the left or the right, on noisy grounds of any colour."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from trine.classify.classifier import Classifier
from trine.classify.mirrored import mirrored_classes
from trine.device import Device
from trine.pictures.picture_set import PictureSet, PictureSplit
from trine.progress import Silent

CPU = Device("cpu", bfloat16=False)


class Noted(Silent):
    """Keeps the lines that a training says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, line: str) -> None:
        self.lines.append(line)


def flag(kind: str, rng: np.random.Generator) -> np.ndarray:
    """A triangle that points to one side, or a square, anywhere in the picture."""
    rows, columns = np.mgrid[:16, :16] - 8 + rng.integers(-2, 3, (2, 1, 1))
    left = (abs(columns) < 5) & (2 * abs(rows) < columns + 5)
    drawn = {"left": left, "right": left[:, ::-1], "square": np.maximum(abs(rows), abs(columns)) < 4}[kind]
    levels = np.where(drawn[..., None], rng.integers(150, 256, 3), rng.integers(0, 90, 3))
    return (levels + rng.normal(0, 8, (16, 16, 3))).clip(0, 255).astype(np.uint8)


def flags(kinds: tuple[str, ...], each: int = 60) -> PictureSet:
    rng = np.random.default_rng(0)
    images = np.stack([flag(kind, rng) for kind in kinds for _ in range(each)])
    labels = np.repeat(np.arange(len(kinds)), each)
    split = PictureSplit(images, labels, [str(n) for n in range(len(images))], np.arange(len(images)))
    return PictureSet("flags", "", kinds, {"train": split}, ())


def test_classes_that_mirroring_exchanges_are_found_and_others_are_not():
    assert mirrored_classes(flags(("left", "right", "square")), 0, CPU) == [("left", "right")]


def test_classes_that_stay_the_same_when_mirrored_are_none():
    assert mirrored_classes(flags(("left", "square")), 0, CPU) == []


def test_large_pictures_are_looked_at_small():
    opened = flags(("left", "right"))
    train = opened.splits["train"]
    large = replace(train, images=train.images.repeat(4, 1).repeat(4, 2))
    assert mirrored_classes(replace(opened, splits={"train": large}), 0, CPU) == [("left", "right")]


def test_a_network_that_had_no_time_to_learn_names_no_wrong_pair():
    assert mirrored_classes(flags(("left", "square")), 0, CPU, seconds=0.0) == []


@pytest.mark.parametrize(("kinds", "flip"), [(("left", "right"), "none"), (("left", "square"), "auto")])
def test_a_training_mirrors_no_pictures_of_mirrored_classes_and_says_so(tmp_path, kinds, flip):
    opened = flags(kinds, each=30)
    for index, (image, label) in enumerate(
        zip(opened.splits["train"].images, opened.splits["train"].labels, strict=True)
    ):
        path = tmp_path / "flags" / kinds[label] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    short = {"widths": (16, 16), "depth": 1, "least_steps": 4, "epochs": 1.0, "validations": 1}
    report = Noted()
    model = Classifier(**short).fit(tmp_path / "flags", out=tmp_path / "run", report=report)
    assert model.recipe.flip == flip
    assert any("mirror images of one another: left and right" in line for line in report.lines) == (flip == "none")
