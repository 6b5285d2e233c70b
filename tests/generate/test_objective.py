from pathlib import Path

import pytest
import torch

from trine.device import Device
from trine.generate.generator import Generator
from trine.generate.likelihood import CalibratedGaussian
from trine.generate.network import VAE, PictureVAE
from trine.generate.objective import GenerateObjective
from trine.generate.recipe import GenerateRecipe
from trine.pictures.picture_set import PictureSet, open_pictures

from .conftest import SHORT

CPU = Device("cpu", bfloat16=False)


@pytest.fixture
def opened(folder: Path) -> PictureSet:
    return open_pictures(folder)


def objective(opened: PictureSet, groups: tuple[int, ...] = (), **settings: object) -> GenerateObjective:
    torch.manual_seed(0)
    recipe = GenerateRecipe.preset("quick", **{**SHORT, **settings})
    classes = 2 if recipe.label else 0
    vae = VAE(1, 12, 1, widths=(8, 8), latent=6, groups=groups, map_latent=2, classes=classes)
    return GenerateObjective(PictureVAE(vae, CalibratedGaussian(1)), recipe, opened, CPU)


def loss_at(made: GenerateObjective, progress: float) -> float:
    torch.manual_seed(1)
    return float(made.loss(made.model.eval(), made.batch(0), progress).detach())


def parts(made: GenerateObjective) -> tuple[float, torch.Tensor]:
    """Mean negative log probability, and KL divergence a group, of the first batch."""
    torch.manual_seed(1)
    log_prob, kl = made.model.eval()(**made.batch(0))
    return -float(log_prob.detach().mean()), kl.detach().mean(0)


def test_a_batch_depends_on_nothing_but_step_and_seed(opened: PictureSet) -> None:
    first, second = objective(opened, label=True, flip="random"), objective(opened, label=True, flip="random")
    second.batch(0)
    for step in (5, 2):
        torch.manual_seed(step)
        one = first.batch(step)
        torch.manual_seed(step)
        two = second.batch(step)
        assert torch.equal(one["images"], two["images"])
        assert torch.equal(one["labels"], two["labels"])


def test_labels_are_dropped_in_the_share_of_pictures_asked_for(opened: PictureSet) -> None:
    made = objective(opened, label=True, label_dropped=0.25)
    dropped = torch.cat([made.batch(step)["labels"] for step in range(100)]) == 2
    assert float(dropped.float().mean()) == pytest.approx(0.25, abs=0.05)


def test_the_divergence_costs_nothing_at_first_and_all_of_it_after_the_warm_up(opened: PictureSet) -> None:
    made = objective(opened, kl_warmup=0.2)
    distortion, kl = parts(made)
    assert loss_at(made, 0.0) == pytest.approx(distortion)
    assert loss_at(made, 0.1) == pytest.approx(distortion + float(kl.sum()) / 2, rel=1e-5)
    assert loss_at(made, 0.5) == pytest.approx(distortion + float(kl.sum()), rel=1e-5)


def test_beta_weights_the_divergence(opened: PictureSet) -> None:
    made = objective(opened, beta=4.0)
    distortion, kl = parts(made)
    assert loss_at(made, 1.0) == pytest.approx(distortion + 4 * float(kl.sum()), rel=1e-5)


def test_free_bits_are_given_to_maps_and_not_to_the_vector(opened: PictureSet) -> None:
    made = objective(opened, groups=(2,), free_bits=100.0)
    distortion, kl = parts(made)
    assert loss_at(made, 1.0) == pytest.approx(distortion + float(kl[0]) + 200, rel=1e-5)


def test_every_parameter_is_in_one_group_and_only_weights_decay(opened: PictureSet) -> None:
    made = objective(opened, groups=(1,))
    grouped = [value for group in made.parameter_groups() for value in group.parameters]
    assert len(grouped) == len({id(value) for value in grouped}) == len(list(made.model.parameters()))
    for group in made.parameter_groups():
        assert {value.dim() > 1 for value in group.parameters} == {group.options["weight_decay"] > 0}


def test_muon_has_the_filters_inside_the_network_unless_its_rate_is_zero(opened: PictureSet) -> None:
    muon, *_ = objective(opened).parameter_groups()
    assert muon.optimiser == "muon"
    assert {value.dim() for value in muon.parameters} == {4}
    assert not objective(opened, filter_rate=0.0).parameter_groups()[0].parameters


def test_validation_keeps_pictures_of_the_same_latents(opened: PictureSet) -> None:
    made = objective(opened)
    for _ in range(2):
        figures = made.validate(made.model)
    assert figures["nats"] == pytest.approx(figures["kl"] + figures["reconstruction"])
    assert made.growth.shape == (2, 10, 12, 12, 1)
    assert torch.equal(made.growth[0], made.growth[1])


def test_a_stopped_training_goes_on_to_the_same_pictures(folder: Path, tmp_path: Path) -> None:
    """The pictures of the latents' growth survive too."""
    from trine.errors import InterruptedTraining

    settings = {**SHORT, "least_steps": 24, "validations": 4}
    whole = Generator(**settings).fit(folder, out=tmp_path / "whole")
    stopped_at = 13
    original = Training.take_step

    def stopping(self: Training, seed_step: int) -> tuple[float, float]:
        found = original(self, seed_step)
        self.stopping = seed_step == stopped_at
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Training, "take_step", stopping)
        with pytest.raises(InterruptedTraining, match="--resume"):
            Generator(**settings).fit(folder, out=tmp_path / "parts")
    resumed = Generator(**settings).fit(folder, out=tmp_path / "parts", resume=True)
    assert torch.equal(whole.growth, resumed.growth)
    assert (whole.sample(3) == resumed.sample(3)).all()
