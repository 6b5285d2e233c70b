"""List the scripts with their cost; run the short ones, or those that are named.

usage: python bench/run.py [NAME ...]      python bench/run.py detect.templates classify.start

A script with options of its own runs as a module, from the root of the repository: python -m bench.classify.cifar10
"""

import ast
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parent
TASKS = ("classify", "detect", "generate", "demo")
SHORT = ("classify.start", "classify.airbench")
"""Scripts that run when none is named: they take minutes."""


def scripts() -> dict[str, str]:
    """Name of each script and the first line of its docstring."""
    paths = [path for task in TASKS for path in sorted((BENCH / task).glob("*.py"))]
    return {f"{path.parent.name}.{path.stem}": first_line(path) for path in paths}


def first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()[0]


if __name__ == "__main__":
    for name, line in scripts().items():
        print(f"{name:28} {line}")
    for name in sys.argv[1:] or SHORT:
        print(f"\n== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"bench.{name}"], cwd=BENCH.parent, check=False).returncode:
            sys.exit(f"bench.{name} failed")
