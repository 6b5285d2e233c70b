import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from trine import load
from trine.device import Device
from trine.errors import UsageError
from trine.generate.flow_training import Posteriors
from trine.generate.generator import Generator
from trine.generate.network import decoder_of
from trine.generate.prior import Flow
from trine.generate.recipe import GenerateRecipe
from trine.generate.sharpening import PatchCritic, SharpenObjective, within_range
from trine.generate.training import _sharpen_seconds
from trine.nn.likelihood import CalibratedGaussian
from trine.train.budget import Budget
from trine.train.loop import TrainingLoop
from trine.train.run import Run

from .conftest import BRIEF, SHORT, dots, wait_for_step, write_dots

CPU = Device("cpu", bfloat16=False)
STRIPES = 16
"""Width of the striped pictures."""


def striped(count: int) -> np.ndarray:
    """Stripes two pixels wide, black and white; each picture and each of its quarters has its own phase."""
    rng = np.random.default_rng(0)
    phases = rng.integers(0, 4, (count, 2, 2)).repeat(8, 1).repeat(8, 2)
    light = (np.arange(STRIPES)[None, None] + phases) % 4 < 2
    return np.where(light, 230, 25).astype(np.uint8)[..., None]


@pytest.fixture(scope="module")
def sharpened(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator:
    return Generator(**SHORT, sharpen_steps=6, label=True).fit(folder, out=tmp_path_factory.mktemp("sharp") / "run")


@pytest.fixture(scope="module")
def unsharpened(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator:
    return Generator(**SHORT, sharpen_steps=0, label=True).fit(folder, out=tmp_path_factory.mktemp("blunt") / "run")


def test_sharpening_changes_pictures_and_leaves_the_bound_the_latents_and_scores_as_they_were(
    sharpened: Generator, unsharpened: Generator, folder: Path
) -> None:
    for name, value in unsharpened.network.state_dict().items():
        assert torch.equal(sharpened.network.state_dict()[name], value), name
    pictures = dots(4, seed=5)
    assert torch.equal(sharpened.encode(pictures).mean[0], unsharpened.encode(pictures).mean[0])
    assert (sharpened.anomaly(pictures) == unsharpened.anomaly(pictures)).all()
    assert sharpened.evaluate(folder).metrics["elbo_nats"] == unsharpened.evaluate(folder).metrics["elbo_nats"]
    for verb in (lambda model: model.sample(5), lambda model: model.reconstruct(pictures)):
        assert (verb(sharpened) != verb(unsharpened)).any()


def test_only_the_decoder_is_sharpened(sharpened: Generator) -> None:
    own, sharp = sharpened.network.state_dict(), sharpened.sharp.state_dict()
    changed = {name for name, value in own.items() if not torch.equal(value, sharp[name])}
    assert changed
    assert changed <= set(decoder_of(sharpened.network))


def test_drawn_pixels_are_samples_of_the_likelihood_of_the_bound(sharpened: Generator, unsharpened: Generator) -> None:
    assert (sharpened.sample(4, pixel_noise=1) == unsharpened.sample(4, pixel_noise=1)).all()


def test_a_saved_sharpened_model_makes_the_same_pictures(sharpened: Generator, tmp_path: Path) -> None:
    sharpened.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert isinstance(loaded, Generator)
    assert (loaded.sample(5, label="left") == sharpened.sample(5, label="left")).all()
    assert loaded.content()["sharpened"]


def test_a_model_that_is_not_sharpened_holds_its_decoder_once(unsharpened: Generator, tmp_path: Path) -> None:
    unsharpened.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert isinstance(loaded, Generator)
    assert loaded.sharp is loaded.network


def test_few_pictures_are_not_sharpened_and_many_are(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = Generator(**SHORT).fit(folder, out=tmp_path / "few")
    assert few.sharp is few.network
    monkeypatch.setattr("trine.generate.training.FEW", 50)
    monkeypatch.setitem(GenerateRecipe.presets, "quick", {"sharpen_steps": 3})
    many = Generator(**SHORT).fit(folder, out=tmp_path / "many")
    assert many.sharp is not many.network


@pytest.mark.parametrize("settings", [{"network": "deep"}, {"likelihood": "logistic"}, {"likelihood": "bernoulli"}])
def test_what_cannot_be_sharpened_is_refused_if_it_was_asked_for(
    settings: dict[str, str], folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="sharpen_steps"):
        Generator(**BRIEF, **settings, sharpen_steps=5).fit(folder, out=tmp_path / "run")


def test_a_decoder_that_leaves_its_latents_is_not_used(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trine.generate.training.WORSE", 0.0)
    model = Generator(**SHORT, sharpen_steps=5).fit(folder, out=tmp_path / "run")
    assert model.sharp is model.network


def test_the_critic_is_not_trained_by_what_trains_the_decoder(sharpened: Generator) -> None:
    critic = PatchCritic(1)
    pictures = torch.zeros(2, 1, 12, 12, requires_grad=True)
    critic.requires_grad_(False)
    critic(pictures).mean().backward()
    assert pictures.grad is not None
    assert all(parameter.grad is None for parameter in critic.parameters())


def test_gradients_beyond_black_and_white_lead_back_only() -> None:
    likelihood = CalibratedGaussian(1)
    outputs = torch.tensor([-3.0, -3.0, 0.5, 3.0, 3.0], requires_grad=True)
    pictures = within_range(outputs, likelihood)
    pictures.backward(torch.tensor([-1.0, 1.0, 1.0, 1.0, -1.0]))  # a step goes against the gradient
    assert pictures.tolist() == [-1, -1, 0.5, 1, 1]
    assert outputs.grad is not None
    assert outputs.grad.tolist() == [-1, 0, 1, 1, 0]


@pytest.mark.long
def test_pictures_of_what_the_latents_do_not_say_get_sharp_stripes(tmp_path: Path) -> None:
    """One latent number cannot say the phases: the mean picture is grey, a sharp one is striped."""
    images = striped(600)
    write_dots(tmp_path / "striped", images)
    settings = {**SHORT, "latent": 2, "widths": (16, 16)}
    model = Generator(**settings, sharpen_steps=400).fit(tmp_path / "striped", out=tmp_path / "run")

    def contrast(pictures: np.ndarray) -> float:
        return float(np.abs(pictures[..., 2:, 0].astype(float) - pictures[..., :-2, 0]).mean())

    blunt = model.replaced(sharp=model.network)
    real, before, after = contrast(images), contrast(blunt.sample(64)), contrast(model.sample(64))
    assert abs(after - real) < 0.7 * abs(before - real), (real, before, after)


def objective(model: Generator, images: np.ndarray, **settings: object) -> SharpenObjective:
    recipe = GenerateRecipe(**{**BRIEF, "sharpen_steps": 8, **settings})
    posteriors = Posteriors(*model.codec.encode_top(images), None)
    flow = model.priors["flow"]
    assert isinstance(flow, Flow)
    return SharpenObjective(model.network, flow, recipe, images, posteriors, CPU)


def test_a_sharpening_that_is_resumed_ends_with_the_same_weights(unsharpened: Generator, tmp_path: Path) -> None:
    images = dots(60)
    unlabelled = Generator(**BRIEF, sharpen_steps=0).fit(write_dots(tmp_path / "dots", images), out=tmp_path / "run")
    whole = objective(unlabelled, images, checkpoint_seconds=0)
    TrainingLoop(whole, Run(tmp_path / "whole", "sharpen"), CPU).fit()
    stopped = objective(unlabelled, images, checkpoint_seconds=0)
    batch = stopped.batch

    def interrupted(step: int) -> dict[str, torch.Tensor]:
        if step == 5:
            raise KeyboardInterrupt
        return batch(step)

    stopped.batch = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        TrainingLoop(stopped, Run(tmp_path / "parts", "sharpen"), CPU).fit()
    resumed = objective(unlabelled, images, checkpoint_seconds=0)
    TrainingLoop(resumed, Run(tmp_path / "parts", "sharpen"), CPU).fit(resume=True)
    for name, value in whole.network.state_dict().items():
        assert torch.equal(resumed.network.state_dict()[name], value), name


@pytest.mark.long
def test_after_a_kill_the_resumed_sharpening_gives_the_same_bundle(
    folder: Path, start_trine: Callable, trine: Callable, tmp_path: Path
) -> None:
    settings = {**SHORT, "sharpen_steps": 150, "checkpoint_seconds": 0.05, "widths": "[8,16]"}
    options = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    words = ["generate", "fit", folder, *options, "--device", "cpu", "--out"]
    run, whole = tmp_path / "killed", tmp_path / "whole"
    assert trine(*words, whole).status == 0
    process = start_trine(*words, run)
    wait_for_step(process, run, "sharpen", 40)
    process.kill()
    assert process.wait() == -signal.SIGKILL, "the training ended before it was killed"
    command = trine(*words, run, "--resume")
    assert command.status == 0, command.err
    assert (run / "bundle/model.safetensors").read_bytes() == (whole / "bundle/model.safetensors").read_bytes()


def test_a_short_budget_is_the_networks_own_and_a_long_one_has_time_to_sharpen() -> None:
    recipe = GenerateRecipe()
    seconds = {minutes: _sharpen_seconds(recipe, 1000, Budget(minutes)) for minutes in (1, 2, 3, 10)}
    assert seconds[1] == seconds[2] == 0
    assert 30 <= seconds[3] < 0.3 * 180
    assert 180 <= seconds[10] < 0.5 * 600
    assert _sharpen_seconds(recipe, 100, Budget(10)) == 0, "few pictures"
    assert _sharpen_seconds(GenerateRecipe(network="deep"), 1000, Budget(10)) == 0
