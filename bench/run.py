"""List the scripts with their cost; run the short ones, or those that are named.

A script with options of its own runs as a module, from the root of the repository: python -m bench.classify.cifar10
"""

import argparse
import ast
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parent
TASKS = ("classify", "detect", "generate", "demo")
OF_ALL = (
    "cluster_bulk",
    "cluster_cost",
    "cluster_kafka",
    "cluster_train",
    "export",
    "live_hostlab",
    "live_kills",
    "live_speed",
    "own_pictures",
    "runtime_start",
    "same_weights",
    "serve",
)
"""Scripts that are about no single task."""
SHORT = ("classify.start", "classify.airbench")
"""Scripts that run when none is named: they take minutes."""


def scripts() -> dict[str, str]:
    """Name of each script and the first line of its docstring."""
    paths = [path for task in TASKS for path in sorted((BENCH / task).glob("*.py"))]
    named = {f"{path.parent.name}.{path.stem}": path for path in paths}
    named |= {name: BENCH / f"{name}.py" for name in OF_ALL}
    return {name: first_line(path) for name, path in named.items()}


def first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=SHORT, metavar="NAME", help="such as detect.templates")
    names = parser.parse_args().names
    for name, line in scripts().items():
        print(f"{name:28} {line}")
    for name in names:
        print(f"\n== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"bench.{name}"], cwd=BENCH.parent, check=False).returncode:
            sys.exit(f"bench.{name} failed")
