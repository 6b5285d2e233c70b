"""Real processes, killed for real: what `--resume` promises."""

import random
import signal
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

SMALL = ("--set", "widths=[8,16]", "--set", "epochs=1", "--set", "least_steps=60")
GUARDED = ("--set", "ema_decay=0.9", "--set", "gradient_clip=1.0")
OFTEN = ("--set", "checkpoint_seconds=0.05")
NETWORKS = {"muon and sgd": ("--network", "fast"), "adamw": ("--network", "classic")}


def fit(network, out):
    return ("classify", "fit", "digits", *NETWORKS[network], *SMALL, *GUARDED, *OFTEN, "--out", out, "--device", "cpu")


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Runs that nothing disturbed, by network."""
    from trine.cli import main

    folders = {}

    def run(network):
        if network not in folders:
            folders[network] = tmp_path_factory.mktemp("uninterrupted") / "run"
            with pytest.raises(SystemExit) as ended:
                main([str(word) for word in fit(network, folders[network])])
            assert not ended.value.code
        return folders[network]

    return run


def steps_taken(run: Path) -> int:
    path = run / "metrics.jsonl"
    return path.read_bytes().count(b'"seconds"') if path.exists() else 0


def wait_for_step(process, run: Path, step: int) -> None:
    deadline = time.monotonic() + 120
    while steps_taken(run) < step and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.002)


def last_checkpoint(run: Path) -> dict[str, torch.Tensor]:
    return load_file(sorted((run / "checkpoints").glob("*.safetensors"))[-1])


def assert_same_weights(run: Path, other: Path) -> None:
    assert (run / "bundle/model.safetensors").read_bytes() == (other / "bundle/model.safetensors").read_bytes()
    mine, theirs = last_checkpoint(run), last_checkpoint(other)
    assert mine.keys() == theirs.keys()
    for name, value in mine.items():
        assert torch.equal(value, theirs[name]), name


@pytest.mark.long
@pytest.mark.parametrize("network", NETWORKS)
def test_resume_after_kill_9_gives_the_same_weights_as_an_uninterrupted_run(
    network, uninterrupted, start_trine, trine, tmp_path
):
    run, words = tmp_path / "run", []
    moments = sorted(random.sample(range(1, 46), 2))
    for moment in moments:
        process = start_trine(*fit(network, run), *words)
        wait_for_step(process, run, moment)
        time.sleep(random.random() / 50)
        process.kill()
        assert process.wait() == -signal.SIGKILL, f"it ended before it was killed, at one of {moments}"
        words = ["--resume"]
    said = trine(*fit(network, run), "--resume")
    assert said.status == 0
    assert "resuming at step" in said.err
    assert_same_weights(run, uninterrupted(network))
    history = (run / "metrics.jsonl").read_text().splitlines()
    assert history[-1] != history[-2]
    assert steps_taken(run) == 60, "each step stands once in metrics.jsonl"


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_saves_and_says_how_to_go_on(number, uninterrupted, start_trine, trine, tmp_path):
    run = tmp_path / "run"
    process = start_trine(*fit("adamw", run))
    wait_for_step(process, run, 20)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    last = err.splitlines()[-1]
    assert last.startswith("trine: stopped at step")
    assert "--resume" in last
    assert str(run) in last
    assert trine(*fit("adamw", run), "--resume").status == 0
    assert_same_weights(run, uninterrupted("adamw"))


@pytest.mark.long
def test_a_recipe_file_repeats_a_run(uninterrupted, trine, tmp_path):
    before, run = uninterrupted("adamw"), tmp_path / "again"
    said = trine("classify", "fit", "digits", "--recipe", before / "recipe.json", "--out", run, "--device", "cpu")
    assert said.status == 0
    assert_same_weights(run, before)


def test_resuming_with_other_settings_is_refused(uninterrupted, trine, tmp_path):
    run = uninterrupted("adamw")
    (run / "result.json").rename(tmp_path / "result.json")
    try:
        said = trine(*fit("adamw", run), "--resume", "--set", "epochs=3")
    finally:
        (tmp_path / "result.json").rename(run / "result.json")
    assert said.status == 1
    assert "was started with another recipe (epochs=1.0, now 3.0)" in said.err


def test_a_finished_run_is_left_as_it_is(uninterrupted, trine):
    run = uninterrupted("adamw")
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    said = trine(*fit("adamw", run), "--resume")
    assert said.status == 0
    assert "complete already" in said.err
    said = trine(*fit("adamw", run))
    assert said.status == 1
    assert "holds a run: add --resume" in said.err
    assert before == {path: path.stat().st_mtime_ns for path in run.rglob("*")}
