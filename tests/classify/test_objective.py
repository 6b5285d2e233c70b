from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trine.classify.head import HeadObjective
from trine.classify.network import ClassicNet, FastNet
from trine.classify.objective import ClassifyObjective
from trine.classify.outliers import outliers
from trine.classify.recipe import ClassifyRecipe
from trine.classify.training import ClassifierTrainer
from trine.device import Device
from trine.pictures.batches import LEAST_LOOKED_AT
from trine.pictures.picture_set import PictureSet, PictureSplit, open_pictures
from trine.train.budget import Budget

from .conftest import write_shapes

CPU = Device("cpu", bfloat16=False)


@pytest.fixture
def opened(shapes: Path) -> PictureSet:
    return open_pictures(shapes)


def repeated(split: PictureSplit, times: int) -> PictureSplit:
    """Each picture of a split so many times."""
    assert split.labels is not None
    images, labels = np.repeat(split.images, times, 0), np.repeat(split.labels, times)
    return PictureSplit(images, labels, [""] * len(labels), np.repeat(split.positions, times))


def objective(opened: PictureSet, device: Device = CPU, network: str = "fast", **settings: object) -> ClassifyObjective:
    recipe = ClassifyRecipe.preset("quick", network=network, widths=(8, 8), **settings)
    model = {"fast": FastNet, "classic": ClassicNet}[network](3, 16, 3, widths=(8, 8))
    return ClassifyObjective(model, recipe, opened, device)


def test_a_batch_depends_on_nothing_but_seed_and_state(opened: PictureSet) -> None:
    first, second = objective(opened), objective(opened)
    for step in range(3):
        torch.manual_seed(step)
        one = first.batch(step)
    second.batch(0)
    second.batch(1)
    third = objective(opened)
    third.load_state(second.state())
    torch.manual_seed(2)
    other = third.batch(2)
    assert all(torch.equal(one[name], other[name]) for name in ("images", "labels", "indices"))


def test_an_epoch_shows_every_picture_once(opened: PictureSet) -> None:
    plain = objective(opened, shift=0, flip="none", colour_jitter=0, batch_size=9)
    assert len(plain.labels) % 9 == 0
    for epoch in (0, 1):
        steps = range(epoch * plain.epoch_steps, (epoch + 1) * plain.epoch_steps)
        seen = np.concatenate([plain.batch(step)["images"].numpy() for step in steps])
        assert sorted(image.tobytes() for image in seen) == sorted(image.tobytes() for image in plain.train.images)


def test_epochs_have_orders_of_their_own(opened: PictureSet) -> None:
    plain = objective(opened, shift=0, flip="none")
    first, second = ([plain.batch(step)["indices"] for step in range(plain.epoch_steps)] for _ in range(2))
    assert not torch.equal(torch.cat(first), torch.cat(second))


def test_a_step_tells_the_sampler_how_hard_its_pictures_are(opened: PictureSet) -> None:
    made = objective(opened)
    batch = made.batch(0)
    made.loss(made.network, batch, 0.0)
    learned = made.state()["seen"]
    assert learned.isfinite().nonzero().flatten().tolist() == sorted(batch["indices"].tolist())
    assert float(learned[batch["indices"]].min()) > 0


def test_processes_share_a_batch_among_them(opened: PictureSet) -> None:
    settings = {"shift": 0, "flip": "none", "batch_size": 10, "hard_share": 1.0}
    whole = objective(opened, **settings).batch(0)["labels"]
    shares = [objective(opened, Device("cpu", False, rank, 2), **settings).batch(0)["labels"] for rank in (0, 1)]
    assert sorted(torch.cat(shares).tolist()) == sorted(whole.tolist())


@pytest.mark.parametrize("network", ["fast", "classic"])
def test_every_trained_parameter_is_in_exactly_one_group(opened: PictureSet, network: str) -> None:
    made = objective(opened, network=network)
    grouped = [id(parameter) for group in made.parameter_groups() for parameter in group.parameters]
    trained = [id(parameter) for parameter in made.network.parameters() if parameter.requires_grad]
    assert sorted(grouped) == sorted(trained)


def test_a_small_set_is_trained_for_the_least_steps(opened: PictureSet) -> None:
    assert objective(opened, least_steps=77, epochs=0.1).steps() == 77


def test_grey_pictures_are_not_mirrored_unless_asked(opened: PictureSet) -> None:
    assert objective(opened).augmentation.flip == "alternating"
    assert objective(opened, flip="none").augmentation.flip == "none"


def test_validation_leaves_the_weights_as_they_were(opened: PictureSet) -> None:
    made = objective(opened)
    before = {name: value.clone() for name, value in made.network.state_dict().items()}
    figures = made.validate(made.network)
    assert 0 <= figures["accuracy"] <= 1
    assert all(torch.equal(value, before[name]) for name, value in made.network.state_dict().items())


def test_the_last_layer_alone_learns_from_features_computed_once(opened: PictureSet) -> None:
    model = FastNet(3, 16, 3, widths=(8, 8)).eval()
    model.prepare(torch.from_numpy(opened.splits["train"].images))
    recipe = ClassifyRecipe.preset("quick", network="fast", shift=0, flip="none", colour_jitter=0, dropout=0.0)
    made = HeadObjective(model, recipe, opened, CPU)
    made.prepare(None)
    batch = made.batch(0)
    assert torch.equal(*made.table.views)
    made.loss(made.network, batch, 0.0).backward()
    assert model.head.weight.grad is not None
    assert all(value.grad is None for value in model.blocks.parameters())
    assert [list(group.parameters) for group in made.parameter_groups()] == [list(model.head.parameters())]
    assert set(made.validate(made.network)) == {"loss", "accuracy"}


def test_networks_that_easy_pictures_were_not_left_out_for_see_all_of_them(opened: PictureSet) -> None:
    assert objective(opened, hard_share=0.5).sampler.chooses
    classic = objective(opened, network="classic", hard_share=0.5)
    assert not classic.sampler.chooses
    classic.loss(classic.network, classic.batch(0), 0.0)
    assert not classic.state()["seen"].isfinite().any()


def test_time_is_kept_for_the_pictures_that_there_are_and_none_for_a_test_split_that_is_not_used(
    shapes: Path, opened: PictureSet
) -> None:
    made = objective(opened, flip="none")
    held_out, train = len(made.validation), len(made.train)
    of_no_class = len(outliers(made.train.images))
    assert made.closing_validations * held_out == pytest.approx(5 * held_out + train + of_no_class)
    test = repeated(opened.splits["train"], 30)
    tested = objective(replace(opened, splits={**opened.splits, "test": test}), flip="none")
    assert tested.closing_validations * held_out == pytest.approx(5 * held_out + train + of_no_class + 5 * len(test))
    trainer = ClassifierTrainer(ClassifyRecipe(network="fast", flip="none"), "cpu")
    trainer.tests = False
    kept = trainer.objective(replace(opened, splits={**opened.splits, "test": test}), trainer.recipe)
    assert kept.closing_validations == made.closing_validations


def test_a_validation_looks_at_as_many_pictures_as_there_is_time_for(opened: PictureSet) -> None:
    made = objective(opened)
    made.validation = repeated(made.validation, 100)
    whole = len(made.validation)
    assert made.look_at(0.5) == 0.5
    assert len(made.looked_at) == whole // 2
    assert 0 <= made.validate(made.network)["accuracy"] <= 1
    assert made.look_at(1e-6) == LEAST_LOOKED_AT / whole


def test_the_shape_follows_the_budget(opened: PictureSet, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = {}
    for rate in (1.0, 6e10, 3e11, 1e13):
        monkeypatch.setattr(ClassifierTrainer, "_rate", lambda *_, rate=rate: rate)
        trainer = ClassifierTrainer(ClassifyRecipe.preset("quick", network="fast"), "cpu")
        count = np.zeros(400, np.int64)
        train = PictureSplit(np.zeros((400, 96, 96, 3), np.uint8), count, [""] * 400, count)
        recipe = trainer.scaled(replace(opened, splits={"train": train}), Budget(1.0))
        chosen[rate] = (recipe.widths, recipe.stem_stride)
    presets = ClassifyRecipe.presets
    assert chosen[1.0] == (presets["quick"]["widths"], 4)
    assert chosen[1e13] == (presets["best"]["widths"], None)
    assert len(set(chosen.values())) >= 3
    by_hand = ClassifierTrainer(ClassifyRecipe.preset("quick", network="fast", widths=(8, 8)), "cpu")
    monkeypatch.setattr(ClassifierTrainer, "_rate", lambda *_: 1e13)
    assert by_hand.scaled(opened, Budget(1.0)).widths == (8, 8)


def test_guessing_and_exploding_are_known(opened: PictureSet) -> None:
    made = objective(opened)
    assert "has not learned the classes" in str(made.remark({"loss": 1.1, "accuracy": 1 / 3}))
    assert made.remark({"loss": 0.1, "accuracy": 0.99}) is None
    assert made.exploded({"loss": 40.0, "accuracy": 0.3})
    assert made.exploded({"loss": float("nan"), "accuracy": 0.3})
    assert not made.exploded({"loss": 1.5, "accuracy": 0.3})


def test_pictures_in_colour_that_are_all_grey_are_taken_as_grey(tmp_path: Path) -> None:
    folder = write_shapes(tmp_path / "grey", each=6, grey=True)
    for path in folder.rglob("*.png"):
        Image.open(path).convert("RGB").save(path)
    opened = ClassifierTrainer(ClassifyRecipe(), "cpu").open(folder, None)
    assert opened.channels == 1
    assert any("taken as grey" in line for line in opened.remarks)
    one = next(folder.rglob("*.png"))
    Image.new("RGB", (16, 16), (250, 10, 10)).save(one)
    assert ClassifierTrainer(ClassifyRecipe(), "cpu").open(folder, None).channels == 3


def test_features_are_computed_within_the_budget_and_as_many_again_on_resume(
    opened: PictureSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trine.classify.head.at_once", lambda *_: 8)

    def prepared(done: int | None, seconds_per_picture: float) -> HeadObjective:
        watch = [100.0]
        torch.manual_seed(0)
        made = HeadObjective(
            FastNet(3, 16, 3, widths=(8, 8)), ClassifyRecipe.preset("quick", network="fast"), opened, CPU
        )
        features = made._view

        def slow(chosen: torch.Tensor, epoch: int) -> torch.Tensor:
            watch[0] += seconds_per_picture * len(chosen)
            return features(chosen, epoch)

        made._view = slow  # type: ignore[method-assign]
        budget = Budget(1.0, now=lambda: watch[0], processor=lambda: watch[0], drawn=False)
        made.prepare(budget, done)
        return made

    first = prepared(None, 0.5)
    assert 1 < first.table.rows / len(first.labels) < 3
    again = prepared(first.table.rows, 9.0)
    assert again.table.rows == first.table.rows
    assert torch.equal(again.table.order, first.table.order)
    enough = prepared(None, 0.0)
    assert enough.table.rows == 24 * len(enough.labels)
