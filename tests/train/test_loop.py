import errno
import json
import math

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trine.errors import CheckpointError, DivergedError, InterruptedTraining, RunError
from trine.train import checkpoint


def same(one, other):
    mine, theirs = one.final_network.state_dict(), other.final_network.state_dict()
    return all(torch.equal(mine[name], theirs[name]) for name in mine)


def stop_at(training, step):
    """Ask a training to stop while it takes this step."""
    batch = training.objective.batch

    def asked(number):
        training.stop.made = training.stop.made or number >= step
        return batch(number)

    training.objective.batch = asked


def test_a_training_learns(training):
    trained = training(steps=200, checkpoint_seconds=60)
    before = trained.objective.validate(trained.stepper.network)["loss"]
    trained.fit()
    assert trained.figures["loss"] < 0.2 * before


def test_the_same_seed_gives_the_same_weights_and_another_does_not(training):
    runs = [training(name, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))]
    for run in runs:
        run.fit()
    assert same(runs[0], runs[1])
    assert not same(runs[0], runs[2])


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(stops=st.lists(st.integers(0, 18), min_size=1, max_size=3, unique=True).map(sorted))
def test_stopping_anywhere_and_going_on_changes_nothing(training, tmp_path_factory, stops):
    folder = tmp_path_factory.mktemp("runs")
    straight = training(folder / "straight")
    straight.fit()
    for number, stop in enumerate(stops):
        part = training(folder / "stopped")
        stop_at(part, stop)
        with pytest.raises(InterruptedTraining, match="--resume"):
            part.fit(resume=number > 0)
    resumed = training(folder / "stopped")
    resumed.fit(resume=True)
    assert same(resumed, straight)
    assert resumed.cost.flops == straight.cost.flops
    assert resumed.cost.samples == straight.cost.samples
    assert [e["loss"] for e in resumed.run.history() if "loss" in e] == [
        e["loss"] for e in straight.run.history() if "loss" in e
    ]


def test_a_torn_newest_checkpoint_is_said_and_the_one_before_it_used(training):
    straight = training("straight")
    straight.fit()
    part = training()
    stop_at(part, 10)
    with pytest.raises(InterruptedTraining):
        part.fit()
    newest = max(part.run.checkpoints.glob("*.safetensors"))
    newest.write_bytes(newest.read_bytes()[:-7])
    resumed = training()
    resumed.fit(resume=True)
    assert "damaged checkpoint (its checksum differs): trying the one before it" in resumed.reporter.lines[0]
    assert resumed.reporter.lines[1] == "resuming at step 10 of 20"
    assert same(resumed, straight)


@pytest.mark.parametrize("harm", ["truncate", "flip", "remove tensors", "empty json"])
def test_no_whole_checkpoint_is_an_error_and_never_a_silent_restart(training, harm):
    part = training()
    stop_at(part, 10)
    with pytest.raises(InterruptedTraining):
        part.fit()
    for path in part.run.checkpoints.glob("*.safetensors"):
        content = path.read_bytes()
        if harm == "truncate":
            path.write_bytes(content[: len(content) // 2])
        elif harm == "flip":
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        elif harm == "remove tensors":
            path.unlink()
        else:
            path.with_suffix(".json").write_text("")
    before = {path: path.read_bytes() for path in part.run.folder.rglob("*.json*")}
    with pytest.raises(CheckpointError, match="no checkpoint is intact: start a new run with another --out"):
        training().fit(resume=True)
    assert before == {path: path.read_bytes() for path in part.run.folder.rglob("*.json*")}


def test_checkpoints_that_were_all_removed_are_missed(training):
    part = training()
    stop_at(part, 10)
    with pytest.raises(InterruptedTraining):
        part.fit()
    for path in part.run.checkpoints.iterdir():
        path.unlink()
    part.run.checkpoints.rmdir()
    with pytest.raises(CheckpointError, match="no checkpoint is left of a run that had reached step 11"):
        training().fit(resume=True)


def test_resuming_before_any_step_starts_from_the_beginning_and_says_so(training):
    straight, fresh = training("straight"), training()
    straight.fit()
    fresh.fit(resume=True)
    assert "no step was taken yet, starting from the beginning" in fresh.reporter.lines[0]
    assert same(fresh, straight)


def test_checkpoints_of_another_network_are_refused(training):
    training().fit()
    other = training()
    other.stepper.network[0] = torch.nn.Linear(1, 9)
    with pytest.raises(CheckpointError, match="of another network"):
        other.fit(resume=True)


def test_a_full_disk_is_one_line_and_the_run_goes_on_when_there_is_room(training, small_disk):
    straight = training("straight", steps=60)
    straight.fit()
    disk = small_disk("128k")
    blocker = disk / "blocker"
    part = training(disk / "run", steps=60)
    stop_at(part, 5)
    with pytest.raises(InterruptedTraining):
        part.fit()
    with pytest.raises(OSError, match="No space"):
        blocker.write_bytes(bytes(2**20))
    with pytest.raises(RunError, match="the disk is full: free some space, then continue"):
        training(disk / "run", steps=60).fit(resume=True)
    blocker.unlink()
    resumed = training(disk / "run", steps=60)
    resumed.fit(resume=True)
    assert same(resumed, straight)
    assert not list(disk.rglob("*.part"))


def test_a_loss_that_is_nan_once_is_answered_with_half_the_rate(training):
    guarded = training(spoil=lambda step, visit: step == 12 and visit == 1)
    guarded.fit()
    assert guarded.stepper.optimisers.rate == 0.5
    assert guarded.restarts == 1
    assert [
        line
        for line in guarded.reporter.lines
        if "not finite at step 12: back to step 11 at half the learning rate" in line
    ]
    assert all(value.isfinite().all() for value in guarded.final_network.parameters())
    assert [entry["step"] for entry in guarded.run.history() if "loss" in entry] == list(range(1, 21))
    assert guarded.cost.samples == 22 * 16, "steps that were taken back have cost as much"


def test_a_loss_that_stays_nan_is_an_error_after_two_restarts(training):
    spoilt = training(spoil=lambda step, visit: step == 12)
    with pytest.raises(DivergedError, match="not finite at step 12, even at a quarter of the learning rate"):
        spoilt.fit()
    assert spoilt.objective.visits[12] == 3


def test_a_loss_that_is_nan_from_the_start_is_an_error(training):
    spoilt = training(spoil=lambda *_: True)
    with pytest.raises(DivergedError, match="not finite at step 0"):
        spoilt.fit()
    assert checkpoint.steps(spoilt.run.checkpoints) == [0]


def test_weights_that_the_last_step_ruins_are_not_handed_out(training):
    ruined = training(steps=5)
    step = ruined.stepper.optimisers.step
    calls = []

    def ruin(factor, progress):
        step(factor, progress)
        calls.append(progress)
        if len(calls) == 5:
            ruined.stepper.network[0].weight.data.fill_(torch.inf)

    ruined.stepper.optimisers.step = ruin
    ruined.fit()
    assert ruined.restarts == 1
    assert all(value.isfinite().all() for value in ruined.final_network.parameters())


def test_a_resumed_run_remembers_its_restarts(training):
    part = training(spoil=lambda step, visit: step == 5 and visit == 1)
    stop_at(part, 12)
    with pytest.raises(InterruptedTraining):
        part.fit()
    resumed = training()
    resumed.fit(resume=True)
    assert (resumed.stepper.optimisers.rate, resumed.restarts) == (0.5, 1)


def test_the_gradient_is_clipped_to_the_recipe_s_norm(training, monkeypatch):
    clipped = training(gradient_clip=0.01)
    norms = []
    step = clipped.stepper.optimisers.step

    def watch(factor, progress):
        norms.append(math.sqrt(sum(float(value.grad.square().sum()) for value in clipped.stepper.network.parameters())))
        step(factor, progress)

    clipped.stepper.optimisers.step = watch
    clipped.fit()
    assert max(norms) <= 0.01 * 1.001


def test_metrics_have_a_line_a_step_and_a_line_a_validation(training):
    done = training(steps=20, validations=4)
    done.fit()
    lines = [json.loads(line) for line in (done.run.folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == list(range(1, 21))
    assert [line["step"] for line in lines if "validation" in line] == [5, 10, 15, 20]


@pytest.mark.parametrize("error", [errno.EROFS, errno.EACCES])
def test_a_read_only_folder_is_one_line(training, monkeypatch, error):
    """Root writes everywhere, so the refusal itself is made up."""
    refused = training()

    def refuse(*_, **__):
        raise OSError(error, "refused")

    monkeypatch.setattr("pathlib.Path.write_bytes", refuse)
    with pytest.raises(RunError, match="choose another folder"):
        refused.fit()
