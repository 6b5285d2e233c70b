import contextlib
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    from trine.cli import main

    folder = tmp_path_factory.mktemp("shown") / "run"
    words = ["classify", "fit", "digits", "--network", "classic", "--out", str(folder), "--device", "cpu"]
    with pytest.raises(SystemExit):
        main([*words, "--set", "widths=[8]", "--set", "epochs=1", "--set", "least_steps=1"])
    return folder


@pytest.fixture
def unfinished(run, tmp_path):
    shutil.copytree(run, tmp_path / "half", ignore=shutil.ignore_patterns("bundle", "result.json", "*.png"))
    return tmp_path / "half"


def test_a_model_and_its_run_show_the_same(trine, run):
    shown = json.loads(trine("show", run, "--json").out)
    assert shown == json.loads(trine("show", run / "bundle", "--json").out)
    assert shown["task"] == "classify"
    assert shown["data"]["name"] == "digits"
    assert shown["content"]["classes"] == [str(digit) for digit in range(10)]
    assert shown["recipe"]["network"] == "classic"
    assert shown["figures"]["metrics"]["accuracy"] >= 0
    assert shown["parameters"] > 100


def test_a_model_is_shown_for_people(trine, run):
    lines = trine("show", run).out.splitlines()
    assert "task\tclassify" in lines
    assert "widths\t[8]" in lines
    assert any(line.startswith("accuracy\t") for line in lines)
    assert any(line.startswith("training loss\t") for line in lines)
    assert any(line.startswith("validation accuracy\t") for line in lines)


def test_a_terminal_gets_its_curves_drawn(run):
    import pty

    leader, follower = pty.openpty()
    line = [sys.executable, "-m", "trine", "show", str(run)]
    with subprocess.Popen(line, stdout=follower, stderr=subprocess.DEVNULL) as process:
        os.close(follower)
        drawn = b""
        with contextlib.suppress(OSError):  # the terminal is gone when the process is
            while part := os.read(leader, 4096):
                drawn += part
        os.close(leader)
    assert process.returncode == 0
    assert "training loss: " in drawn.decode()
    assert " │" in drawn.decode()


def test_a_run_that_is_not_finished_says_how_far_it_came(trine, unfinished):
    shown = json.loads(trine("show", unfinished, "--json").out)
    assert shown["state"] == "not finished: go on with --resume"
    assert shown["step"] == 32
    assert shown["progress"] == 1
    assert shown["validation"].keys() == {"loss", "accuracy"}
    assert "step\t32" in trine("show", unfinished).out.splitlines()


def test_a_damaged_run_is_one_line(trine, unfinished):
    (unfinished / "plan.json").write_text("{")
    said = trine("show", unfinished)
    assert said.status == 1
    assert "plan.json: damaged" in said.err
    assert len(said.err.splitlines()) == 1


def test_what_is_neither_is_said(trine, tmp_path):
    said = trine("show", tmp_path)
    assert said.status == 1
    assert said.err == f"trine: {tmp_path}: not a model: it has no trine.json: give a bundle or a run folder\n"


def test_a_model_of_another_task_is_refused_by_name(trine, run, tmp_path):
    from trine import bundle
    from trine.bundle import BundleManifest

    manifest = BundleManifest(task="detect", recipe={}, content={}, data={}, figures={}, versions={})
    bundle.save(tmp_path / "model", manifest, {}, "card")
    said = trine("classify", "evaluate", tmp_path / "model", "digits")
    assert said.status == 1
    assert "a model for detect, not for classify: use `trine detect`" in said.err


def test_a_model_of_another_version_is_one_line(trine, run, tmp_path):
    from trine import bundle

    manifest, arrays = bundle.read(run)
    for number, change in enumerate(({"recipe": {"spell": 1}}, {"content": {}}, {"figures": {"metrics": 1}})):
        folder = tmp_path / str(number)
        bundle.save(folder, replace(manifest, **change), arrays, "card")
        said = trine("classify", "evaluate", folder, "digits")
        assert said.status == 1
        assert "made for another version of Trine" in said.err
        assert len(said.err.splitlines()) == 1
