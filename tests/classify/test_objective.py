from pathlib import Path

import numpy as np
import pytest
import torch

from trine.classify.head import HeadObjective
from trine.classify.network import ClassicNet, FastNet
from trine.classify.objective import ClassifyObjective
from trine.classify.recipe import ClassifyRecipe
from trine.device import Device
from trine.pictures.picture_set import PictureSet, open_pictures

CPU = Device("cpu", bfloat16=False)


@pytest.fixture
def opened(shapes: Path) -> PictureSet:
    return open_pictures(shapes)


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
    recipe = ClassifyRecipe.preset("quick", shift=0, flip="none", colour_jitter=0, dropout=0.0)
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
