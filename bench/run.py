"""List the scripts of this folder with their cost; run the short ones, or those that are named.

usage: run.py [NAME ...]      python bench/run.py templates classify_start
"""

import ast
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
SHARED = {"run", "record", "tables", "teaching", "peer"}
SHORT = ("classify_start", "classify_airbench")


def scripts() -> dict[str, str]:
    """Each script's name and the first line of its docstring."""
    found = {path.stem: path for path in sorted(HERE.glob("*.py")) if path.stem not in SHARED}
    return {
        name: (ast.get_docstring(ast.parse(path.read_text())) or "").splitlines()[0] for name, path in found.items()
    }


if __name__ == "__main__":
    for name, line in scripts().items():
        print(f"{name:22} {line}")
    for name in sys.argv[1:] or SHORT:
        print(f"\n== {name}", flush=True)
        subprocess.run([sys.executable, HERE / f"{name}.py"], check=True)
