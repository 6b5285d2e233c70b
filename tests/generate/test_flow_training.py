import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from trine.device import Device
from trine.errors import DivergedError, InterruptedTraining
from trine.generate.flow_training import BATCH, FlowObjective, Posteriors, flow_seconds
from trine.generate.generator import Generator
from trine.generate.prior import FlowPrior
from trine.generate.recipe import GenerateRecipe
from trine.train.loop import TrainingLoop
from trine.train.objective import Objective
from trine.train.run import Run
from trine.train.schedules import Clock
from trine.train.step import Stepper

from .conftest import BRIEF, CLUSTER_DEVIATION, flow_objective, latent_noise, trained_flow, wait_for_step

CPU = Device("cpu", bfloat16=False)


def priors(run: Path) -> dict[str, Tensor]:
    """The tensors of a run's fitted priors."""
    tensors = load_file(run / "bundle/model.safetensors")
    return {name: values for name, values in tensors.items() if name.startswith("priors.")}


def assert_same_priors(run: Path, other: Path) -> None:
    mine, theirs = priors(run), priors(other)
    assert mine.keys() == theirs.keys()
    assert any(name.startswith("priors.flow.") for name in mine)
    for name, values in mine.items():
        assert torch.equal(values, theirs[name]), name


# ---- what it learns


def test_a_flow_turns_noise_into_the_distribution_it_learned(flow: FlowPrior) -> None:
    latents = flow(*latent_noise(2000), None)
    near = (latents[:, 0].abs() - 2).abs() < 5 * CLUSTER_DEVIATION
    assert float(near.float().mean()) > 0.8
    assert float((latents[:, 0] > 0).float().mean()) == pytest.approx(0.5, abs=0.1)
    assert float(latents[:, 1:].std()) == pytest.approx(CLUSTER_DEVIATION, rel=0.2)


def test_one_odd_batch_does_not_undo_what_was_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    objective = flow_objective()
    usual, stepper = objective.batch, Stepper(objective, CPU)
    stepper.clock.total = 600

    def batch(step: int) -> dict[str, Tensor]:
        found = usual(step)
        return {**found, "end": 1000 * found["end"]} if step == 200 else found

    monkeypatch.setattr(objective, "batch", batch)
    losses = []
    for step in range(260):
        stepper.take(step)
        stepper.clock.step += 1
        losses.append(objective.validate(objective.network)["loss"] if step >= 199 else 0.0)
    assert max(losses[200:]) < 1.05 * losses[199]


def test_a_wide_flow_learns_at_a_lower_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    def rate(width: int) -> float:
        monkeypatch.setattr(
            "tests.generate.conftest.FlowPrior", lambda *size, **more: FlowPrior(*size, **more | {"width": width})
        )
        (group,) = flow_objective().parameter_groups()
        return group.learning_rate

    assert rate(512) == rate(256) / 2 == rate(64) / 2


def test_a_label_selects_its_cluster(tmp_path: Path) -> None:
    flow = trained_flow(tmp_path, labelled=True)
    values, chance = latent_noise(200)
    for label, sign in ((0, -1.0), (1, 1.0)):
        latents = flow(values, chance, torch.full((200,), label))
        assert float((latents[:, 0] * sign > 0).float().mean()) > 0.97
    unknown = flow(*latent_noise(2000), None)
    assert float((unknown[:, 0] > 0).float().mean()) == pytest.approx(0.5, abs=0.1)


def test_training_lowers_the_loss_on_held_out_latents_and_records_it(tmp_path: Path) -> None:
    objective = flow_objective(flow_steps=200)
    before = objective.validate(objective.network)["loss"]
    TrainingLoop(objective, Run(tmp_path, "flow"), CPU).fit()
    history = Run(tmp_path, "flow").history()
    validations = [line["validation"]["loss"] for line in history if "validation" in line]
    assert len(validations) == objective.recipe.validations
    assert validations[-1] < 0.95 * before  # the loss of the true velocity is far above zero
    assert len([line for line in history if "loss" in line]) == 200


# ---- what a step sees


def test_paths_end_at_samples_of_the_posteriors_they_were_chosen_for() -> None:
    means, deviations = torch.tensor([[0.0, 5.0], [10.0, -5.0]]), torch.tensor([[0.1, 0.2], [0.3, 0.4]])
    chosen = torch.tensor([0, 1]).repeat(20_000)
    paths = Posteriors(means, deviations, torch.tensor([3, 4])).paths(chosen, torch.Generator().manual_seed(0))
    for index in (0, 1):
        ends = paths["end"][chosen == index]
        torch.testing.assert_close(ends.mean(0), means[index], rtol=0, atol=0.02)
        torch.testing.assert_close(ends.std(0), deviations[index], rtol=0.03, atol=0)
        assert (paths["labels"][chosen == index] == 3 + index).all()
    assert float(paths["start"].std()) == pytest.approx(1, abs=0.02)
    assert float(paths["start"].mean()) == pytest.approx(0, abs=0.02)
    assert 0 < float(paths["time"].min()) < 0.2
    assert 0.8 < float(paths["time"].max()) < 1
    assert "labels" not in Posteriors(means, deviations, None).paths(chosen)


def test_a_batch_depends_on_the_random_state_only_and_is_no_larger_than_the_set() -> None:
    objective = flow_objective()
    batches = []
    for step in (5, 2):
        torch.manual_seed(0)
        batches.append(objective.batch(step))
    assert len(batches[0]["start"]) == BATCH
    for name, values in batches[0].items():
        assert torch.equal(values, batches[1][name])
    few = Posteriors(torch.zeros(7, 3), torch.ones(7, 3), None)
    small = FlowObjective(FlowPrior(3, 0, 8), GenerateRecipe(), few, few, CPU)
    assert small.samples(small.batch(0)) == 7


def test_validation_gives_the_same_figures_and_leaves_the_global_random_state_unchanged() -> None:
    objective, before = flow_objective(), torch.get_rng_state()
    first = objective.validate(objective.network)
    assert first == objective.validate(objective.network)
    assert torch.equal(before, torch.get_rng_state())


# ---- the time it takes


def test_the_duration_of_a_training_grows_with_its_steps() -> None:
    short, long = (flow_seconds(FlowPrior(4, 0, 256), GenerateRecipe(flow_steps=steps), CPU) for steps in (10, 1000))
    assert 0 < short < long


def test_the_duration_is_measured_as_the_flow_is_trained_in_one_process_and_single_precision(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    devices: list[Device] = []

    class Recording(Stepper):
        def __init__(self, objective: Objective, device: Device) -> None:
            devices.append(device)
            super().__init__(objective, device)

    monkeypatch.setattr("trine.train.step.Stepper", Recording)
    flow_seconds(FlowPrior(4, 0, 256), GenerateRecipe(flow_steps=10), Device("cpu", bfloat16=True, rank=1, world=2))
    assert devices == [CPU]


# ---- interruptions


@pytest.fixture(scope="module")
def brief(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Generator:
    """A model whose training nothing disturbed."""
    return Generator(**BRIEF).fit(folder, out=tmp_path_factory.mktemp("brief") / "run")


@pytest.mark.long
def test_after_a_kill_the_resumed_flow_gives_bit_identical_priors(
    folder: Path, start_trine: Callable, trine: Callable, tmp_path: Path
) -> None:
    settings = {**BRIEF, "flow_steps": 250, "checkpoint_seconds": 0.05, "widths": "[8,16]"}
    options = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]

    def fit(run: Path) -> list[object]:
        return ["generate", "fit", folder, *options, "--label", "--device", "cpu", "--out", run]

    run, whole = tmp_path / "killed", tmp_path / "whole"
    assert trine(*fit(whole)).status == 0
    resumed: list[str] = []
    for step in (30, 120):
        process = start_trine(*fit(run), *resumed)
        wait_for_step(process, run, "flow", step)
        process.kill()
        assert process.wait() == -signal.SIGKILL, "the training ended before it was killed"
        resumed = ["--resume"]
    assert not (run / "bundle").exists()
    command = trine(*fit(run), "--resume")
    assert command.status == 0, command.err
    assert_same_priors(run, whole)
    assert (run / "bundle/model.safetensors").read_bytes() == (whole / "bundle/model.safetensors").read_bytes()
    steps = [line["step"] for line in Run(run, "flow").history() if "loss" in line]
    assert steps == list(range(1, 251)), "each step is recorded once"


def test_a_run_that_stopped_before_the_flows_first_step_resumes_to_bit_identical_priors(
    brief: Generator, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopping(*arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("trine.generate.training.FlowObjective", stopping)
        with pytest.raises(KeyboardInterrupt):
            Generator(**BRIEF).fit(folder, out=tmp_path / "parts")
    resumed = Generator(**BRIEF).fit(folder, out=tmp_path / "parts", resume=True)
    assert_same_priors(tmp_path / "parts", brief.run)
    assert (brief.sample(3) == resumed.sample(3)).all()


def test_a_signal_during_the_flow_saves_it_and_says_how_to_continue(
    brief: Generator, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = FlowObjective.batch

    def signalling(self: FlowObjective, step: int) -> dict[str, Tensor]:
        if step == 2:
            signal.raise_signal(signal.SIGTERM)
        return batch(self, step)

    with monkeypatch.context() as patched:
        patched.setattr(FlowObjective, "batch", signalling)
        with pytest.raises(InterruptedTraining, match=r"step 3 of 5.*--resume"):
            Generator(**BRIEF).fit(folder, out=tmp_path / "parts")
    resumed = Generator(**BRIEF).fit(folder, out=tmp_path / "parts", resume=True)
    assert_same_priors(tmp_path / "parts", brief.run)
    assert resumed.cost.train_pflop == brief.cost.train_pflop


def spoiled(monkeypatch: pytest.MonkeyPatch, spoil: Callable[[int], bool]) -> None:
    """Make the flow's loss infinite in the calls for which `spoil(number of the call)` is true."""
    loss, calls = FlowObjective.loss, iter(range(1_000_000))

    def spoiling(self: FlowObjective, network: object, batch: object, progress: float) -> Tensor:
        value = loss(self, network, batch, progress)
        return value * torch.inf if torch.is_grad_enabled() and spoil(next(calls)) else value

    monkeypatch.setattr(FlowObjective, "loss", spoiling)


def test_a_non_finite_loss_returns_the_flow_to_its_checkpoint_at_half_the_learning_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard
) -> None:
    spoiled(monkeypatch, lambda call: call == 20)
    objective = flow_objective(flow_steps=40, checkpoint_seconds=0)
    loop = TrainingLoop(objective, Run(tmp_path, "flow"), CPU, heard)
    loop.fit()
    assert any("not finite at step 20: back to step 19 at half the learning rate" in line for line in heard.notes)
    assert loop.clock == Clock(40, step=40)
    assert loop.stepper.optimisers.rate == 0.5
    assert all(bool(values.isfinite().all()) for values in objective.network.parameters())


def test_a_loss_that_stays_non_finite_ends_the_flow_with_an_error(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoiled(monkeypatch, lambda call: call >= 2)
    with pytest.raises(DivergedError, match="the loss is not finite at step 0, even at a quarter of the learning rate"):
        Generator(**BRIEF).fit(folder, out=tmp_path / "run")
    assert not (tmp_path / "run" / "bundle").exists()
