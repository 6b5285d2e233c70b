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
TOOLS = ("run", "summary", "tables")
"""Scripts beside them that measure nothing."""
SHORT = ("classify.start", "classify.airbench")
"""Scripts that run when none is named: they take minutes."""


def scripts() -> dict[str, Path]:
    """The scripts that measure, by name: those of the tasks, then those that are about no single task."""
    of_tasks = [path for task in TASKS for path in sorted((BENCH / task).glob("*.py"))]
    of_all = [path for path in sorted(BENCH.glob("*.py")) if path.stem not in TOOLS]
    return {f"{path.parent.name}.{path.stem}": path for path in of_tasks} | {path.stem: path for path in of_all}


def first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=SHORT, metavar="NAME", help="such as detect.templates")
    names = parser.parse_args().names
    for name, path in scripts().items():
        print(f"{name:28} {first_line(path)}")
    for name in names:
        print(f"\n== {name}", flush=True)
        if subprocess.run([sys.executable, "-m", f"bench.{name}"], cwd=BENCH.parent, check=False).returncode:
            sys.exit(f"bench.{name} failed")
