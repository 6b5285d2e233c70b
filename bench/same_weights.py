"""Whether the present code trains the same weights as another commit, bit for bit. Cost on two cores: 5 min per code.

usage: python -m bench.same_weights COMMIT [--all]
       python -m bench.same_weights --baseline FOLDER [--all]

The commit is checked out into a temporary folder. Both codes run the same commands with the same libraries and the same
number of threads. The sha256 of every tensor of their bundles is compared by name.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file

from bench.support import record
from bench.support.claim import Cells, Claim
from trine.bundle import WEIGHTS, locate


class Training(NamedTuple):
    """One training of a preset `quick`."""

    task: str
    data: str
    seed: int

    @property
    def name(self) -> str:
        """Name of its run folder."""
        return f"{self.task[0]}-{self.data}-{self.seed}"

    @property
    def words(self) -> list[str]:
        """Its command line, without the run folder."""
        return ["trine", self.task, "fit", self.data, "--seed", str(self.seed)]


SHORT = [
    Training(task, data, seed)
    for task, data in (("classify", "digits28"), ("detect", "hostlab"), ("generate", "digits28"))
    for seed in (0, 1)
]
LONG = Training("classify", "cifar10", 0)
"""Trained with `--all`: 6 minutes per code."""


def cells(figures: dict[str, Any]) -> Cells:
    """Number of identical tensors, and the parts of the models whose tensors differ."""
    count = f"{figures['identical']} of {figures['tensors']} tensors"
    return Cells(f"{count}; different: {', '.join(figures['different_parts']) or 'none'}")


CLAIMS = [
    Claim(
        "weights of the present code and of the code before its restructuring: bit-identical tensors",
        "same-weights",
        cells,
        "Same libraries and number of threads. The flow prior (`priors.flow`) of a generator is expected to differ: it "
        "is now trained by the training loop, which draws other random numbers.",
    )
]


@contextmanager
def checked_out(commit: str, repository: Path = record.ROOT) -> Iterator[Path]:
    """The source folder of a commit, in a temporary worktree of the repository."""
    with TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        git(repository, "worktree", "add", "--quiet", "--detach", str(tree), commit)
        try:
            yield tree / "src"
        finally:
            git(repository, "worktree", "remove", "--force", str(tree))


def git(repository: Path, *words: str) -> str:
    """Output of a git command in a repository."""
    done = subprocess.run(["git", "-C", str(repository), *words], check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout.strip()


def train(trainings: list[Training], source: Path, folder: Path, threads: int) -> None:
    """Run all trainings with the package in `source`; each run folder is below `folder`."""
    environment = {**os.environ, "PYTHONPATH": str(source), "OMP_NUM_THREADS": str(threads)}
    for training in trainings:
        print(f"{source}: {' '.join(training.words)}", flush=True)
        line = [sys.executable, "-m", *training.words, "--out", str(folder / training.name)]
        subprocess.run(line, check=True, cwd=folder, env=environment, stdout=subprocess.DEVNULL)


def digests(run: Path) -> dict[str, str]:
    """sha256 of every tensor of a run's bundle, by name; element type and shape are part of it."""
    return {name: digest(value) for name, value in load_file(locate(run) / WEIGHTS).items()}


def digest(value: torch.Tensor) -> str:
    """sha256 of a tensor: its element type, its shape and its bytes."""
    content = value.contiguous().flatten().view(torch.uint8).numpy().tobytes()
    return hashlib.sha256(f"{value.dtype} {list(value.shape)}".encode() + content).hexdigest()


def compared(now: dict[str, str], before: dict[str, str]) -> dict[str, list[str]]:
    """Names of the tensors that are identical, that differ, and that only one of the two models has."""
    both = sorted(now.keys() & before.keys())
    return {
        "identical": [name for name in both if now[name] == before[name]],
        "different": [name for name in both if now[name] != before[name]],
        "only_now": sorted(now.keys() - before.keys()),
        "only_before": sorted(before.keys() - now.keys()),
    }


def summary(rows: dict[str, dict[str, list[str]]]) -> dict[str, Any]:
    """Numbers of tensors over all trainings, and the first two words of the names of those that are not identical."""
    other = [name for row in rows.values() for kind, names in row.items() if kind != "identical" for name in names]
    identical = sum(len(row["identical"]) for row in rows.values())
    parts = sorted({".".join(name.split(".")[:2]) for name in other})
    return {"tensors": identical + len(other), "identical": identical, "different_parts": parts}


def stated(run: Path) -> dict[str, Any]:
    """The content of a run's result.json."""
    return json.loads((run / "result.json").read_text())


def measure(trainings: list[Training], baseline: Path, before: str, threads: int) -> dict[str, Any]:
    """Train with the present code, and compare with the runs in `baseline`."""
    with TemporaryDirectory() as folder:
        train(trainings, record.ROOT / "src", Path(folder), threads)
        rows = {
            " ".join(training.words): compared(digests(Path(folder) / training.name), digests(baseline / training.name))
            for training in trainings
        }
    now = git(record.ROOT, "describe", "--always", "--dirty")
    return {"now": now, "before": before, "threads": threads, **summary(rows), "trainings": rows}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("commit", nargs="?", help="the commit to compare with")
    parser.add_argument("--baseline", type=Path, metavar="FOLDER", help="existing runs, instead of a commit's training")
    parser.add_argument("--all", action="store_true", help="also train cifar10, 6 minutes per code")
    options = parser.parse_args()
    if (options.commit is None) == (options.baseline is None):
        parser.error("give a commit, or --baseline with the folder of existing runs")
    trainings = [*SHORT, *[LONG] * options.all]
    words = f"{options.commit or '--baseline FOLDER'}{' --all' * options.all}"
    if options.baseline:
        first = stated(options.baseline / trainings[0].name)
        before, threads = f"existing runs of version {first['versions']['trine']}", first["machine"]["threads"]
        figures = measure(trainings, options.baseline.resolve(), before, threads)
    else:
        with checked_out(options.commit) as source, TemporaryDirectory() as folder:
            train(trainings, source, Path(folder), torch.get_num_threads())
            before = git(record.ROOT, "rev-parse", "--short", options.commit)
            figures = measure(trainings, Path(folder), before, torch.get_num_threads())
    record.keep("same-weights", f"python -m bench.same_weights {words}", figures)


if __name__ == "__main__":
    main()
