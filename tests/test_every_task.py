"""The contract that every task keeps. A new task is held to it by being listed in `trine.tasks` and in `CASES`."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import trine
from trine.errors import BundleError, DataError, UsageError
from trine.files import sha256
from trine.result import Result
from trine.tasks import TASKS


def write_pictures(folder: Path) -> Path:
    """48 noisy pictures of 12 pixels: dark ones in one class, bright ones in the other."""
    draw = np.random.default_rng(0)
    for name, level in (("dark", 60), ("bright", 180)):
        (folder / name).mkdir(parents=True)
        for number in range(24):
            levels = draw.normal(level, 30, (12, 12, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(levels).save(folder / name / f"{number}.png")
    return folder


def write_sequences(folder: Path) -> Path:
    """A table of 60 normal sequences: loops of two programs with a repeated event now and then."""
    draw, rows = np.random.default_rng(0), []
    for number in range(60):
        events = [("open", "read", "close"), ("fork", "exec", "wait")][number % 2] * int(draw.integers(3, 7))
        events = list(events)
        events.insert(int(draw.integers(len(events))), events[0])
        rows.append({"events": events, "name": f"run{number}"})
    folder.mkdir(parents=True)
    (folder / "runs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "runs.jsonl"


def classified(model: Any, data: Path) -> Any:
    return model.predict(sorted(data.rglob("*.png"))[:8])


def detected(model: Any, data: Path) -> Any:
    return model.score(data)


def generated(model: Any, data: Path) -> Any:
    pictures = model.sample(5, seed=3)
    return [pictures.tolist(), *(values.tolist() for values in model.encode(pictures, seed=3).sample)]


@dataclass(frozen=True)
class Case:
    """One task's smallest training, and a use of its model whose answers can be compared."""

    write: Callable[[Path], Path]
    settings: dict[str, Any]
    use: Callable[[Any, Path], Any]
    in_a_process: str
    """The same use as code, with `model` and `data` given."""


CASES = {
    "classify": Case(
        write_pictures,
        {"widths": [4, 4], "depth": 1, "epochs": 1, "least_steps": 12},
        classified,
        "model.predict(sorted(data.rglob('*.png'))[:2])",
    ),
    "detect": Case(
        write_sequences,
        {"embedding": 4, "hidden": 4, "folds": 2, "epochs": 1, "least_steps": 12, "steps": 8, "batch_size": 4},
        detected,
        "model.score(data)",
    ),
    "generate": Case(
        write_pictures,
        {"widths": [4], "latent": 3, "epochs": 1, "least_steps": 12, "flow_steps": 12, "flow_width": 8}
        | {"mixture_components": 2},
        generated,
        "model.sample(2)",
    ),
}

pytestmark = pytest.mark.parametrize("task", sorted(TASKS))


def words(task: str, data: Path, out: Path, **settings: Any) -> list[str]:
    """A command line that trains the case."""
    chosen = {**CASES[task].settings, **settings}
    options = [word for name, value in chosen.items() for word in ("--set", f"{name}={json.dumps(value)}")]
    return [task, "fit", str(data), "--out", str(out), *options]


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Callable[[str], Path]:
    """A case's data, written once."""
    written: dict[str, Path] = {}

    def make(task: str) -> Path:
        if task not in written:
            written[task] = CASES[task].write(tmp_path_factory.mktemp(task) / "data")
        return written[task]

    return make


@pytest.fixture(scope="module")
def run(data, tmp_path_factory) -> Callable[[str], Path]:
    """The folder of a case's run, trained once in a process of its own."""
    runs: dict[str, Path] = {}

    def make(task: str) -> Path:
        if task not in runs:
            folder = tmp_path_factory.mktemp(task) / "run"
            done = subprocess.run(
                [sys.executable, "-m", "trine", *words(task, data(task), folder), "--json"],
                capture_output=True,
                text=True,
                check=True,
            )
            (folder.parent / "stdout.json").write_text(done.stdout)
            runs[task] = folder
        return runs[task]

    return make


def test_every_task_has_a_case(task):
    assert set(CASES) == set(TASKS)


def test_fit_prints_one_result_in_the_common_schema(task, run):
    printed = json.loads((run(task).parent / "stdout.json").read_text())
    kept = json.loads((run(task) / "result.json").read_text())
    assert printed == kept
    result = Result.model_validate(printed)
    assert result.task == task
    assert result.data.n > 0
    assert result.metrics
    assert result.compute.train_pflop > 0
    assert result.compute.steps >= 12
    assert {"python", "torch", "trine"} <= set(result.versions)


def test_a_run_holds_what_a_person_looks_for(task, run):
    names = {path.name for path in run(task).iterdir()}
    assert {"recipe.json", "plan.json", "metrics.jsonl", "result.json", "curves.png", "bundle", "checkpoints"} <= names
    report = (run(task) / "report.html").read_text()
    assert f'<section id="{task}">' in report
    assert "<img " in report
    assert {"trine.json", "model.safetensors", "README.md"} <= {path.name for path in (run(task) / "bundle").iterdir()}


@pytest.mark.long
def test_a_killed_training_resumes_to_the_same_weights(task, data, run, trine, start_trine, tmp_path):
    line = words(task, data(task), tmp_path / "run", checkpoint_seconds=0)
    started = start_trine(*line)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and started.poll() is None:
        if any(int(path.stem) >= 2 for path in (tmp_path / "run" / "checkpoints").glob("*.json")):
            break
        time.sleep(0.01)
    started.send_signal(signal.SIGKILL)
    started.wait()
    assert started.returncode == -signal.SIGKILL, "it was killed, and had not ended by itself"
    assert trine(*line, "--resume").status == 0
    assert sha256(tmp_path / "run" / "bundle" / "model.safetensors") == sha256(run(task) / "bundle/model.safetensors")


def test_a_loaded_model_answers_like_the_one_that_was_saved(task, data, run, tmp_path):
    model, use = trine.load(run(task)), CASES[task].use
    model.save(tmp_path / "copy")
    again = trine.load(tmp_path / "copy")
    assert type(again) is TASKS[task].model_class()
    assert use(again, data(task)) == use(model, data(task))
    assert sha256(tmp_path / "copy" / "model.safetensors") == sha256(run(task) / "bundle" / "model.safetensors")


def test_using_a_model_imports_nothing_of_training(task, data, run):
    code = (
        "import sys, trine; from pathlib import Path\n"
        f"model, data = trine.load({str(run(task))!r}), Path({str(data(task))!r})\n"
        f"{CASES[task].in_a_process}\n"
        "print(sorted(name for name in sys.modules if name.startswith('trine.train') or name.endswith('.training')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_eight_threads_get_the_answers_that_one_gets_alone(task, data, run):
    model, use = trine.load(run(task)), CASES[task].use
    alone = use(model, data(task))
    with ThreadPoolExecutor(8) as pool:
        assert all(answers == alone for answers in pool.map(lambda _: use(model, data(task)), range(24)))


def test_a_model_does_not_change(task, run):
    model = trine.load(run(task))
    for name in vars(model):
        with pytest.raises(AttributeError, match="a model does not change"):
            setattr(model, name, None)


def test_using_and_evaluating_leave_torchs_random_numbers_alone(task, data, run):
    model = trine.load(run(task))
    before = torch.get_rng_state()
    CASES[task].use(model, data(task))
    model.evaluate(data(task))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.long
def test_an_exported_model_has_its_proofs_and_is_the_same_model(task, data, run, tmp_path):
    model, before = trine.load(run(task)), torch.get_rng_state()
    answers = CASES[task].use(model, data(task))
    document = model.export(tmp_path / "exported")
    assert torch.equal(torch.get_rng_state(), before)
    assert document["graphs"]
    for graph in document["graphs"].values():
        assert (tmp_path / "exported" / graph["file"]).is_file()
        proof = graph["proof"]
        assert proof["largest_difference"].keys() <= proof["tolerance"].keys()
        assert all(found <= proof["tolerance"][name] for name, found in proof["largest_difference"].items())
    assert CASES[task].use(model, data(task)) == answers
    assert CASES[task].use(trine.load(tmp_path / "exported"), data(task)) == answers


@pytest.mark.parametrize("name", ["trine.json", "model.safetensors", "README.md"])
@pytest.mark.parametrize("harm", ["flip", "truncate", "remove"])
def test_an_altered_bundle_is_refused_in_one_line(task, run, tmp_path, name, harm):
    folder = tmp_path / "bundle"
    shutil.copytree(run(task) / "bundle", folder)
    content = (folder / name).read_bytes()
    if harm == "flip":
        middle = len(content) // 2
        (folder / name).write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    elif harm == "truncate":
        (folder / name).write_bytes(content[: len(content) // 2])
    else:
        (folder / name).unlink()
    with pytest.raises(BundleError) as problem:
        trine.load(folder)
    assert "\n" not in str(problem.value)


def test_a_path_that_does_not_exist_is_the_same_error_everywhere(task, run, trine, tmp_path):
    missing = tmp_path / "nothing"
    for line in ((task, "fit", missing, "--out", tmp_path / "run"), (task, "evaluate", run(task), missing)):
        refused = trine(*line)
        assert refused.status == DataError.exit_status == 1
        assert f"{missing}: no such file or folder" in refused.err
        assert refused.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_an_unknown_setting_is_wrong_use(task, data, trine, tmp_path):
    refused = trine(task, "fit", data(task), "--out", tmp_path / "run", "--set", "epochz=3")
    assert refused.status == UsageError.exit_status == 2
    assert "setting 'epochz' is not known: did you mean 'epochs'?" in refused.err


def test_settings_beside_a_recipe_are_refused(task):
    model, recipe = TASKS[task].model_class(), TASKS[task].recipe_class()()
    with pytest.raises(UsageError, match="seed: the recipe has its own"):
        model(recipe=recipe, seed=3)
    with pytest.raises(UsageError, match="effort: the recipe has its own"):
        model("good", recipe=recipe)
    assert model(recipe=recipe).recipe == recipe


def test_a_model_that_is_not_trained_says_so(task, data):
    with pytest.raises(UsageError, match=r"is not trained yet: call fit\(data\), or load a trained model"):
        CASES[task].use(TASKS[task].model_class()(), data(task))


def test_help_has_an_example_that_names_the_task(task, trine):
    assert f"trine {task} fit" in trine("--help").out
    assert trine(task, "--help").status == 0
