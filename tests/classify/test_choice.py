import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trine.classify import choice
from trine.classify.choice import choose_network
from trine.classify.classifier import Classifier
from trine.classify.recipe import ClassifyRecipe
from trine.device import Device
from trine.errors import RecipeError
from trine.nn.efficientnet import PACKAGES
from trine.pictures.picture_set import PictureSet, PictureSplit
from trine.pictures.reading import Reading
from trine.progress import Reporter
from trine.train.budget import Budget

from .conftest import SHAPES, SHORT, shape_picture, write_shapes
from .test_pretrained import installed

CPU = Device("cpu", bfloat16=False)
AUTO = ClassifyRecipe.preset("quick")


class Heard(Reporter):
    """Keeps the lines for the user."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, line: str) -> None:
        self.lines.append(line)


def pictures(each: int, size: int = 32, channels: int = 3) -> PictureSet:
    """Shapes in three classes, `each` per class."""
    rng = np.random.default_rng(0)
    images = np.stack([shape_picture(name, rng, size)[..., :channels] for name in SHAPES for _ in range(each)])
    labels = np.arange(3).repeat(each)
    split = PictureSplit(images, labels, [f"{index}.png" for index in range(len(images))], np.arange(len(images)))
    return PictureSet("shapes", "0" * 24, SHAPES, {"train": split, "validation": split}, (), (), Reading())


def chosen(opened: PictureSet, recipe: ClassifyRecipe = AUTO, named: bool = False, minutes: float = 0) -> choice.Choice:
    return choose_network(opened, recipe, CPU, named, Budget(minutes) if minutes else None)


def test_named_sets_keep_the_network_that_their_presets_are_tuned_for() -> None:
    assert chosen(pictures(4), named=True).network == "fast"


@installed
def test_few_colour_pictures_take_pretrained_features_and_many_small_ones_do_not() -> None:
    assert chosen(pictures(4, 32)).network == "pretrained"
    assert chosen(pictures(choice.MANY_GREY, 28, 1)).network == "fast"
    assert "4 pictures per class" in chosen(pictures(4, 32)).why


@pytest.mark.parametrize("package", PACKAGES)
def test_without_the_extra_the_line_says_what_to_install(package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    found = chosen(pictures(4))
    assert found.network == "fast"
    assert "pip install 'trine[pretrained]'" in found.why


def test_settings_of_one_network_choose_it() -> None:
    assert chosen(pictures(4), AUTO.changed(widths=(8, 8))).network == "fast"
    assert chosen(pictures(4), AUTO.changed(finetune_rate=1e-4)).network == "pretrained"


@installed
@pytest.mark.parametrize(("fast", "pretrained", "wins"), [(0.9, 0.5, "fast"), (0.5, 0.9, "pretrained")])
def test_where_it_is_not_clear_the_better_of_two_trials_wins(
    fast: float, pretrained: float, wins: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = 40
    right: Callable[[float], np.ndarray] = lambda share: np.arange(count) < share * count  # noqa: E731
    monkeypatch.setattr(choice, "_try_fast", lambda *_: right(fast))
    monkeypatch.setattr(choice, "_try_pretrained", lambda *_: (right(pretrained), np.ones(count, dtype=bool)))
    for channels in (1, 3):  # whichever is expected
        found = chosen(pictures(choice.FEW + 1, 28 if channels == 1 else 40, channels))
        assert (found.network, f"{wins} 36" in found.why) == (wins, True)


@installed
def test_trials_are_real_trainings_that_learn_and_keep_within_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(choice, "FAST_STEPS", 60)
    part = choice._part(pictures(16, 16), 0)
    right, measured = choice._try_pretrained(part, AUTO, CPU, 60.0)
    assert measured.all()
    assert right.mean() > 0.5
    assert choice._try_fast(part, AUTO, CPU, 60.0).mean() > 0.5
    assert not choice._try_pretrained(part, AUTO, CPU, 0.0)[1].any()
    assert len(choice._try_fast(part, AUTO, CPU, 0.0)) == len(measured)


@installed
def test_a_run_keeps_the_network_that_was_chosen_and_goes_on_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(choice, "SMALL", 16)
    data, heard = write_shapes(tmp_path / "shapes", each=4), Heard()
    settings = {"picture_size": 16, "validations": 1, "least_steps": 60}
    model = Classifier(**settings).fit(data, out=tmp_path / "run", report=heard)
    assert model.recipe.network == "pretrained"
    assert sum(line.startswith("network pretrained: ") for line in heard.lines) == 1
    (tmp_path / "run" / "result.json").unlink()
    again = Classifier(**settings).fit(data, out=tmp_path / "run", resume=True)
    assert again.recipe.network == "pretrained"
    assert Classifier.load(tmp_path / "run").recipe == model.recipe


def test_a_recipe_that_leaves_the_network_open_builds_none() -> None:
    from trine.classify.classifier import build_network

    with pytest.raises(RecipeError, match="auto"):
        build_network(AUTO, 3, 16, 3)


def test_a_network_that_learned_nothing_is_said_also_where_it_was_chosen(tmp_path: Path) -> None:
    data, heard = write_shapes(tmp_path / "shapes"), Heard()
    rng = np.random.default_rng(0)
    for path in data.rglob("*.png"):  # noise: there is nothing to learn
        from PIL import Image

        Image.fromarray(rng.integers(0, 256, (16, 16, 3), dtype=np.uint8)).save(path)
    Classifier(**{**SHORT, "least_steps": 2}).fit(data, out=tmp_path / "run", report=heard)
    assert any("learned the classes: " in line for line in heard.lines)
