from pathlib import Path

import pytest
import torch

from tests.texts import written
from trine.device import Device
from trine.errors import InterruptedTraining
from trine.generate.bound import measure_bound
from trine.generate.generator import Generator
from trine.generate.network import VAE, PictureVAE
from trine.generate.objective import GROWN, GROWTH_ROWS, GenerateObjective
from trine.generate.recipe import GenerateRecipe
from trine.nn.likelihood import CalibratedGaussian
from trine.pictures.picture_set import PictureSet, open_pictures
from trine.train.loop import TrainingLoop
from trine.train.step import Stepper, StepResult

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


def loss_at(goal: GenerateObjective, progress: float) -> float:
    torch.manual_seed(1)
    return float(goal.loss(goal.network.eval(), goal.batch(0), progress).detach())


def parts(goal: GenerateObjective) -> tuple[float, torch.Tensor]:
    """Mean negative log probability and KL divergence per group of the first batch."""
    torch.manual_seed(1)
    log_prob, kl = goal.network.eval()(**goal.batch(0))
    return -float(log_prob.detach().mean()), kl.detach().mean(0)


def test_a_batch_depends_on_step_and_random_state_only(opened: PictureSet) -> None:
    first, second = objective(opened, label=True, flip="random"), objective(opened, label=True, flip="random")
    second.batch(0)
    for step in (5, 2):
        batches = []
        for goal in (first, second):
            torch.manual_seed(step)
            batches.append(goal.batch(step))
        assert torch.equal(batches[0]["images"], batches[1]["images"])
        assert torch.equal(batches[0]["labels"], batches[1]["labels"])


def test_labels_are_dropped_for_the_given_share_of_pictures(opened: PictureSet) -> None:
    goal = objective(opened, label=True, label_dropped=0.25)
    dropped = torch.cat([goal.batch(step)["labels"] for step in range(100)]) == 2
    assert float(dropped.float().mean()) == pytest.approx(0.25, abs=0.05)


def test_the_weight_of_the_divergence_rises_from_zero_to_one_in_the_warm_up(opened: PictureSet) -> None:
    goal = objective(opened, kl_warmup=0.2)
    distortion, kl = parts(goal)
    assert loss_at(goal, 0.0) == pytest.approx(distortion)
    assert loss_at(goal, 0.1) == pytest.approx(distortion + float(kl.sum()) / 2, rel=1e-5)
    assert loss_at(goal, 0.5) == pytest.approx(distortion + float(kl.sum()), rel=1e-5)


def test_beta_weights_the_divergence(opened: PictureSet) -> None:
    goal = objective(opened, beta=4.0)
    distortion, kl = parts(goal)
    assert loss_at(goal, 1.0) == pytest.approx(distortion + 4 * float(kl.sum()), rel=1e-5)


def test_latent_maps_have_free_bits_and_the_latent_vector_has_none(opened: PictureSet) -> None:
    goal = objective(opened, groups=(2,), free_bits=100.0)
    distortion, kl = parts(goal)
    assert loss_at(goal, 1.0) == pytest.approx(distortion + float(kl[0]) + 200, rel=1e-5)


def test_every_parameter_is_in_one_group_and_only_weights_decay(opened: PictureSet) -> None:
    goal = objective(opened, groups=(1,))
    grouped = [value for group in goal.parameter_groups() for value in group.parameters]
    assert len(grouped) == len({id(value) for value in grouped}) == len(list(goal.network.parameters()))
    for group in goal.parameter_groups():
        assert {value.dim() > 1 for value in group.parameters} == {group.options["weight_decay"] > 0}


def test_muon_trains_the_inner_filters_unless_its_learning_rate_is_zero(opened: PictureSet) -> None:
    muon, *_ = objective(opened).parameter_groups()
    assert muon.optimiser == "muon"
    assert {value.dim() for value in muon.parameters} == {4}
    assert not objective(opened, filter_rate=0.0).parameter_groups()[0].parameters


def test_validation_gives_the_bound_and_keeps_nothing(opened: PictureSet) -> None:
    goal, before = objective(opened), torch.get_rng_state()
    figures = goal.validate(goal.network)
    assert figures["nats"] == pytest.approx(figures["kl"] + figures["reconstruction"])
    assert figures == goal.validate(goal.network)
    assert torch.equal(before, torch.get_rng_state())
    assert len(goal.growth) == 0


def test_after_each_scheduled_validation_the_same_held_out_pictures_are_reconstructed(opened: PictureSet) -> None:
    goal, before = objective(opened), torch.get_rng_state()
    for step in (3, 9):
        goal.validated(goal.network, step)
    assert goal.growth.shape == (2, *goal.shown.shape)
    assert 0 < len(goal.shown) <= GROWN
    assert goal.growth_steps.tolist() == [3, 9]
    assert torch.equal(goal.growth[0], goal.growth[1])
    assert torch.equal(before, torch.get_rng_state())


def test_the_course_shows_real_pictures_and_validations_with_their_steps(opened: PictureSet) -> None:
    goal = objective(opened)
    for step in range(10, 200, 10):
        goal.validated(goal.network, step)
    with written() as texts:
        goal.draw_growth()
    texts.check()
    rows = [text for text in texts.texts if text.startswith("step ")]
    assert texts.texts[: 1 + len(rows)] == ["real picture", *rows]
    assert len(rows) == GROWTH_ROWS
    assert (rows[0], rows[-1]) == ("step 10", "step 190")


def test_measuring_a_step_keeps_no_pictures(opened: PictureSet) -> None:
    goal = objective(opened)
    Stepper(goal, CPU).measure(0.01)
    assert len(goal.growth) == 0


def test_a_stopped_training_resumes_to_the_same_model_and_the_same_pictures_of_its_course(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {**SHORT, "least_steps": 24, "validations": 4}
    whole = Generator(**settings).fit(folder, out=tmp_path / "whole")
    take, loops = Stepper.take, []
    begin = TrainingLoop.fit

    def beginning(self: TrainingLoop, resume: bool = False) -> object:
        loops.append(self)
        return begin(self, resume)

    def stopping(self: Stepper, seed_step: int, *arguments: object, **options: object) -> StepResult:
        loops[-1].stop.made = seed_step == 13
        return take(self, seed_step, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(TrainingLoop, "fit", beginning)
        patched.setattr(Stepper, "take", stopping)
        with pytest.raises(InterruptedTraining, match=r"step 14 of 24.*--resume"):
            Generator(**settings).fit(folder, out=tmp_path / "parts")
    resumed = Generator(**settings).fit(folder, out=tmp_path / "parts", resume=True)
    assert whole.run
    assert resumed.run
    assert (whole.run / "latents.png").read_bytes() == (resumed.run / "latents.png").read_bytes()
    assert (whole.sample(3) == resumed.sample(3)).all()


def test_a_validation_measures_with_the_most_likely_deviation_and_leaves_the_trainings(opened: PictureSet) -> None:
    goal = objective(opened)
    likelihood = goal.network.likelihood
    assert isinstance(likelihood, CalibratedGaussian)
    before = float(likelihood.deviation.fill_(0.02))
    nats = goal.validate(goal.network)["nats"]
    assert float(likelihood.deviation) == pytest.approx(before)
    with_the_trainings = measure_bound(goal.network.eval(), goal.held_out.images, None, goal.device).nats
    assert nats < with_the_trainings
