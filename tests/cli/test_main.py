"""What every command keeps: exit status, one line an error, one document on stdout."""

import importlib
import json
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest

from trine.tasks import TASKS, Task

ROOT = Path(__file__).parent.parent.parent

SMALL = ("--network", "classic", "--set", "widths=[8]", "--set", "epochs=1", "--set", "least_steps=1")


@dataclass(frozen=True)
class Finished:
    """A run, and what its training printed."""

    folder: Path
    out: str
    err: str


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A small training, made once."""
    from trine.cli import main

    folder = tmp_path_factory.mktemp("finished") / "run"
    line = ("classify", "fit", "digits", *SMALL, "--out", str(folder), "--json", "--device", "cpu")
    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err, pytest.raises(SystemExit) as ended:
        main(line)
    assert not ended.value.code, err.getvalue()
    return Finished(folder, out.getvalue(), err.getvalue())


def test_fit_prints_one_json_document_and_everything_else_on_stderr(finished):
    run = finished.folder
    result = json.loads(finished.out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert result.keys() == {"task", "data", "seed", "metrics", "compute", "machine", "versions"}
    assert result == json.loads((run / "result.json").read_text())
    assert result["data"]["split"] == "test"
    assert "step 32/32" in finished.err
    assert f"model: {run / 'bundle'}" in finished.err
    assert (run / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert len((run / "metrics.jsonl").read_text().splitlines()) == 32 + 8


def test_without_a_terminal_a_result_is_tab_separated_tables_below_header_lines(trine, tmp_path):
    run = tmp_path / "run"
    said = trine("classify", "fit", "digits", *SMALL, "--out", run, "--no-test", "--device", "cpu")
    rows = [line.split("\t") for line in said.out.splitlines()]
    assert rows[0] == ["# figure", "value"]
    assert rows[1] == ["measured on", "144 pictures (validation)"]
    assert not {"accuracy_tta", "nll", "ece"} & {row[0] for row in rows}
    assert 0 <= float(dict(row for row in rows if len(row) == 2)["accuracy"]) <= 1
    (header,) = [index for index, row in enumerate(rows) if row[0] == "# class"]
    assert [row[0] for row in rows[header + 1 :]] == [str(digit) for digit in range(10)]
    assert {len(row) for row in rows[header:]} == {len(rows[header])}
    assert json.loads((run / "result.json").read_text())["data"]["split"] == "validation"


@pytest.mark.parametrize(
    ("words", "said", "status"),
    [
        (("clasify", "fit", "x"), "classify", 2),
        (("classify", "ft", "digits"), "fit", 2),
        (("classify", "fit", "digits", "--minuts", "3"), "--minutes", 2),
        (("classify", "fit", "digits", "--set", "epoch=3"), "'epochs'", 2),
        (("detect", "fit", "hostlob"), "'hostlab'", 1),
        (("classify", "fit", "cifar-10"), "'cifar10'", 1),
        (("data", "fetch", "cifar-10"), "'cifar10'", 2),
    ],
)
def test_what_is_not_known_is_answered_with_the_nearest_name(trine, words, said, status):
    found = trine(*words)
    assert found.status == status
    assert found.out == ""
    assert len(found.err.splitlines()) == 1
    assert "did you mean" in found.err.lower()
    assert said in found.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--minutes", "0"), "--minutes 0: give a time above 0"),
        (("--minutes", "soon"), "--minutes"),
        (("--network", "deep"), "--network"),
        (("--effort", "most"), "--effort"),
        (("--set", "epochs"), "write it as name=value"),
        (("--set", "epochs=-1"), "setting epochs=-1 is out of its range"),
        (("--recipe", "nothing.json"), "nothing.json: not a readable recipe"),
        (("--recipe", "nothing.json", "--effort", "good"), "the recipe has its own, give one"),
        (("--device", "tpu"), "--device"),
    ],
)
def test_wrong_use_is_one_line_exits_with_2_and_leaves_nothing_behind(trine, tmp_path, words, said):
    found = trine("classify", "fit", "digits", "--out", tmp_path / "run", *words)
    assert found.status == 2
    assert said in found.err
    assert len(found.err.splitlines()) == 1
    assert found.out == ""
    assert not (tmp_path / "run").exists()


def test_work_that_fails_is_one_line_and_exits_with_1(trine, tmp_path):
    (tmp_path / "empty").mkdir()
    found = trine("classify", "fit", tmp_path / "empty", "--out", tmp_path / "run")
    assert found.status == 1
    assert found.err.startswith("trine: ")
    assert len(found.err.splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_traceback_shows_where_it_failed(trine, tmp_path):
    found = trine("show", tmp_path / "nothing", "--traceback")
    assert found.status == 1
    assert "Traceback" in found.err
    assert found.err.splitlines()[-1].startswith("trine: ")


def test_a_seed_goes_with_a_recipe(trine, finished, tmp_path):
    recipe = finished.folder / "recipe.json"
    found = trine("classify", "fit", "digits", "--recipe", recipe, "--seed", 5, "--out", tmp_path / "run", "--json")
    assert json.loads(found.out)["seed"] == 5


def test_help_groups_by_job_with_an_example_each(trine):
    found = trine("--help")
    assert found.status == 0
    for name, task in TASKS.items():
        group = found.out[found.out.index(task.job) :].partition("╰")[0]
        assert task.example in group
        assert f"│ {name} " in group


def test_help_names_every_command(trine):
    assert {*TASKS, "data", "show", "demo", "completion"} <= set(trine("--help").out.split())


@pytest.mark.parametrize("command", ["demo", "export", "serve", "show"])
def test_the_help_of_a_command_says_more_than_its_line_in_the_list(trine, command):
    said = trine(command, "--help").out
    assert f"trine {command}" in said.split("Parameters")[0].removeprefix(f"Usage: trine {command}")


def test_help_does_not_wait_for_torch():
    line = (
        "import sys; from trine.cli import app; app.help_print(['classify', 'fit']); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", line], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_a_reader_that_leaves_early_is_no_error_to_talk_about(finished):
    """`trine … | head -1`."""
    line = [sys.executable, "-m", "trine", "show", str(finished.folder)]
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("words", [("data", "list", "--json"), ("--help",), ("completion", "bash")])
def test_an_output_that_takes_nothing_is_one_line(words, unbuffered):
    line = [sys.executable, "-m", "trine", *words]
    with open("/dev/full", "w") as full:  # noqa: PTH123
        environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        done = subprocess.run(line, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=environment)
    assert done.returncode == 1
    assert done.stderr == "trine: the output cannot be written (No space left on device): send it elsewhere\n"


def test_a_closed_output_is_no_traceback():
    line = f"{sys.executable} -m trine data list >&-"
    done = subprocess.run(["bash", "-c", line], stderr=subprocess.PIPE, text=True, check=False)
    assert done.stderr == ""


@pytest.mark.parametrize("module", ["cyclopts", "trine.tasks", "trine.classify.recipe", "torch"])
def test_a_program_stopped_while_it_is_loaded_says_so_in_one_line(tmp_path, module):
    code = f"""
import os, signal, sys

signal.signal(signal.SIGINT, signal.default_int_handler)  # a parent in the background leaves it ignored

class Interrupting:
    def find_spec(self, name, path, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

from trine.__main__ import main
sys.meta_path.insert(0, Interrupting())
sys.modules.pop("trine.tasks")
sys.argv = ["trine", "classify", "fit", "digits", "--out", {str(tmp_path / "run")!r}]
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "trine: stopped\n")


@pytest.mark.parametrize("words", [("classify", "fit"), ("generate", "fit"), ("detect", "fit"), ("data", "check")])
def test_an_empty_name_is_wrong_use(trine, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = trine(*words, "")
    assert found.status == 2
    assert "an empty name was given" in found.err
    assert list(tmp_path.iterdir()) == []


def test_arguments_of_wrong_types_are_wrong_use_in_one_line(finished):
    """In a process of its own: within tests, types are checked before."""
    code = f"""
import trine
from trine.errors import UsageError
model = trine.load({str(finished.folder)!r})
generator = trine.load("tests/versions/0.1.0/generate")
detector = trine.load("tests/versions/0.1.0/detect")
calls = [
    lambda: trine.Classifier(recipe=3), lambda: trine.Classifier(effort=3), lambda: trine.load(None),
    lambda: trine.load(""), lambda: trine.Classifier().fit(3), lambda: trine.Detector().fit(3),
    lambda: model.predict(3), lambda: model.predict(None), lambda: detector.score([["a"]]),
    lambda: generator.sample("a"), lambda: generator.sample(1.5), lambda: generator.sample(1, seed=2**70),
    lambda: generator.sample(1, seed="a"), lambda: generator.sample(1, pixel_noise=7.0),
    lambda: generator.sample(1, temperature="hot"),
]
for number, call in enumerate(calls):
    try:
        call()
    except UsageError as problem:
        assert "\\n" not in str(problem), problem
    else:
        raise AssertionError(number)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_the_help_of_a_task_describes_each_of_its_commands(task: Task) -> None:
    app = importlib.import_module(f"trine.cli.{task.name}").app
    names = [name for name in app if not name.startswith("-")]
    assert set(task.verbs.split(", ")) == set(names)
    for name in names:
        function = app[name].default_command
        assert (function.__doc__ or "").splitlines()[0].rstrip(".") in app[name].help, name
