"""One thread, a cache of our own, shapes and types enforced; commands run in this process or in one of their own."""

import atexit
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Self

import numpy as np
import pytest
from beartype import BeartypeConf, FrozenDict, beartype
from hypothesis import settings
from jaxtyping import install_import_hook

os.environ["OMP_NUM_THREADS"] = "1"
if "PYTEST_XDIST_WORKER" not in os.environ:  # workers share the folder of the process that started them
    os.environ["TRINE_CACHE"] = tempfile.mkdtemp(prefix="trine-cache-")
    atexit.register(shutil.rmtree, os.environ["TRINE_CACHE"], ignore_errors=True)

ROOT = Path(__file__).parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
UNPACK = ROOT.parent / "shared" / "tools" / "unpack_datasets.py"
if "TRINE_DATA" not in os.environ and UNPACK.is_file():  # the big sets are at hand: lay them out once
    os.environ["TRINE_DATA"] = str(ROOT / ".data")
    subprocess.run([sys.executable, UNPACK, ROOT / ".data"], check=True, stdout=subprocess.DEVNULL)

# beartype knows what Self is in classes, but not in methods on their own; an int is as good as a float.
check = beartype(conf=BeartypeConf(is_pep484_tower=True, hint_overrides=FrozenDict({Self: Any})))


def enforce(function: Any) -> Any:
    """The function with its annotations checked at every call; names that only mypy imports are left to mypy."""
    known = {*getattr(function, "__globals__", {}), *function.__qualname__.split("."), "Any"}
    quoted = [hint for hint in getattr(function, "__annotations__", {}).values() if isinstance(hint, str)]
    return check(function) if all(hint.split("[")[0].split(".")[0] in known for hint in quoted) else function


checker = ModuleType("trine_tests_checker")
checker.enforce = enforce
sys.modules[checker.__name__] = checker
SHAPED = ("classify", "detect", "generate", "measures", "nn", "pictures", "runtime", "sequences", "train")
"""Rooms whose signatures have shapes; in the others, checks of every call would say what mypy says."""
install_import_hook([f"trine.{room}" for room in SHAPED], f"{checker.__name__}.enforce")


LONGEST = (
    "docs",
    "serve",
    "export",
    "demo",
    "generate",
    "cli",
    "train",
    "examples",
    "test_every_task.py",
    "detect",
    "classify",
    "nn",
)
"""Folders and files of long tests: begun first, so that none is left to a single worker at the end."""
COSTLY = {"serve", "site", "make_exported"}
"""Fixtures of tests that are long together: a service with trained models, a page of it, models as graphs."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if isinstance(item, pytest.Function) and COSTLY.intersection(item.fixturenames):
            item.add_marker(pytest.mark.long)
        if needed := item.get_closest_marker("cuda"):
            _skip_without_cuda(item, *needed.args)

    def place(item: pytest.Item) -> int:
        name = item.path.relative_to(ROOT / "tests").parts[0]
        return LONGEST.index(name) if name in LONGEST else len(LONGEST)

    items.sort(key=place)


def _skip_without_cuda(item: pytest.Item, devices: int = 1) -> None:
    import torch

    if (found := torch.cuda.device_count()) < devices:
        item.add_marker(pytest.mark.skip(reason=f"needs {devices} CUDA devices, and {found} are here"))


settings.register_profile("trine", deadline=None, max_examples=50)
settings.load_profile("trine")


@pytest.fixture(scope="module")
def browser():
    """A real browser, for pages that are looked at as a reader does."""
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit status."""

    status: int
    out: str
    err: str


Command = Callable[..., Said]


@pytest.fixture
def trine(capfd: pytest.CaptureFixture[str]) -> Command:
    """Run a `trine` command line in this process."""
    from trine.cli import main

    def run(*words: object) -> Said:
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        captured = capfd.readouterr()
        return Said(int(ended.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture
def start_trine(tmp_path: Path) -> Callable[..., "subprocess.Popen[str]"]:
    """Start a `trine` command line in a process of its own."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: object, program: tuple[str, ...] = (sys.executable, "-m", "trine")) -> "subprocess.Popen[str]":
        line = [*program, *(str(word) for word in words)]
        process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def small_disk(tmp_path: Path) -> Callable[..., Path]:
    """Mount a small disk of its own; skipped where that is not allowed."""
    mounted: list[Path] = []

    def mount(size: str, name: str = "disk") -> Path:
        folder = tmp_path / name
        folder.mkdir()
        words = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
        if os.geteuid() != 0 or subprocess.run(words, capture_output=True, check=False).returncode:
            pytest.skip("mounting a small disk needs root")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=False)


class Heard:
    """A reporter that keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, line: str) -> None:
        self.notes.append(line)

    def advance(self, step: int, total: int, figures: dict[str, float]) -> None: ...

    def validated(self, progress: float, score: float) -> None: ...

    def working(self, what: str) -> AbstractContextManager[None]:
        return nullcontext()

    def close(self) -> None: ...


@pytest.fixture
def heard() -> Heard:
    """For `fit(report=heard)`."""
    return Heard()


MakePicture = Callable[..., Path]
MakeFolder = Callable[..., Path]


@pytest.fixture
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own."""
    cache = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("TRINE_CACHE", str(cache))
    return cache


@pytest.fixture
def make_picture() -> MakePicture:
    """A file of noise, the same for the same name."""

    from PIL import Image

    def make(path: Path, size: tuple[int, int] = (12, 12), mode: str = "RGB") -> Path:
        rng = np.random.default_rng(zlib.crc32(path.name.encode()))
        levels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(levels).convert(mode).save(path)
        return path

    return make


@pytest.fixture
def make_folder(tmp_path: Path, make_picture: MakePicture) -> MakeFolder:
    """A folder of class folders: `make_folder({"cat": 4, "test/dog": 2})`."""

    def make(counts: dict[str, int], name: str = "photos", **picture: object) -> Path:
        for folder, count in counts.items():
            for i in range(count):
                make_picture(tmp_path / name / folder / f"{folder.replace('/', '-')}{i}.png", **picture)
        return tmp_path / name

    return make


@pytest.fixture
def make_table(tmp_path: Path) -> Callable[..., Any]:
    """Sequences as a table that was read from a file; further columns have one value per sequence."""
    from trine.sequences.readers import open_sequences

    def make(*sequences: Any, **columns: Any) -> Any:
        rows = [
            {"events": list(events), **{name: values[i] for name, values in columns.items()}}
            for i, events in enumerate(sequences)
        ]
        path = tmp_path / "table.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return open_sequences(path)

    return make
