"""Trine where only a part of its libraries is installed."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import trine
from trine.extras import EXTRAS, installed

ROOMS = ("datasets", "log_formats", "logs", "sequences", "pictures", "runtime")
NEED_MORE = {"trine.pictures.batches", "trine.pictures.check"}
"""Modules of these rooms that serve trainings and the command line."""
OF_MODELS = {
    "classify": ("predictor",),
    "detect": (
        "evidence",
        "findings",
        "members",
        "ngrams",
        "padding",
        "profiles",
        "running",
        "scorer",
        "scoring",
        "states",
    ),
    "generate": ("noise",),
    "measures": ("conformal",),
}
BLOCKED = """
import sys, importlib
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {absent}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
{code}
"""


def without(extras: tuple[str, ...], code: str) -> "subprocess.CompletedProcess[str]":
    """Run a program in a process that finds no module of these extras."""
    return without_modules({module for extra in extras for module in EXTRAS[extra]}, code)


def without_modules(absent: set[str], code: str) -> "subprocess.CompletedProcess[str]":
    """Run a program in a process that finds none of these modules."""
    line = [sys.executable, "-c", BLOCKED.format(absent=absent, code=code)]
    return subprocess.run(line, capture_output=True, text=True, check=False, timeout=120)


def modules() -> list[str]:
    source = Path(trine.__file__).parent
    in_rooms = [path for room in ROOMS for path in (source / room).glob("*.py")]
    chosen = [source / room / f"{name}.py" for room, names in OF_MODELS.items() for name in names]
    names = [".".join(path.relative_to(source.parent).with_suffix("").parts) for path in in_rooms + chosen]
    return [
        *(name.removesuffix(".__init__") for name in names if name not in NEED_MORE),
        "trine.bundle",
        "trine.graphs",
    ]


def test_what_reads_bundles_logs_and_pictures_and_scores_needs_numpy_and_pillow_alone():
    code = f"for name in {modules()}: importlib.import_module(name)"
    done = without(tuple(EXTRAS), code)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("extra", EXTRAS)
def test_the_packages_of_an_extra_are_those_of_the_project(extra):
    pyproject = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text())
    wanted = pyproject["project"]["optional-dependencies"][extra]
    packages = {re.match(r"[\w-]+", each)[0].replace("_", "-").lower() for each in wanted} - {"trine"}
    brought = packages_distributions()
    assert packages == {brought[module][0].replace("_", "-").lower() for module in EXTRAS[extra]}


@pytest.mark.parametrize("name", ["Classifier", "Detector", "Generator"])
def test_a_class_that_needs_torch_says_in_a_line_what_to_install(name):
    done = without(("train",), f"from trine import {name}")
    assert done.stderr.splitlines()[-1].endswith("is not installed: pip install 'trine[train]' brings it")
    assert done.stderr.splitlines()[-1].startswith("trine.errors.UsageError: ")


def test_loading_a_model_without_torch_says_what_to_install(tmp_path):
    done = without(("train",), f"import trine; trine.load({str(tmp_path)!r})")
    assert done.stderr.splitlines()[-1].endswith("is not installed: pip install 'trine[train]' brings it")


@pytest.mark.parametrize("words", [[], ["--help"], ["classify", "fit", "digits"], ["show", "runs"]])
def test_the_command_without_its_libraries_is_one_line(words):
    done = without(("train",), f"sys.argv = ['trine', *{words}]; from trine.__main__ import main; main()")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "trine: cyclopts is not installed: pip install 'trine[train]' brings it\n"


@pytest.mark.parametrize("words", [["classify", "fit", "digits"], ["show", "runs"]])
def test_a_command_without_torch_is_one_line_too(words):
    done = without_modules({"torch"}, f"sys.argv = ['trine', *{words}]; from trine.__main__ import main; main()")
    assert done.returncode == 2
    assert done.stderr == "trine: torch is not installed: pip install 'trine[train]' brings it\n"


def test_a_module_that_no_extra_brings_is_an_error_of_the_program():
    with pytest.raises(ModuleNotFoundError), installed():
        import trine.there_is_none  # noqa: F401
