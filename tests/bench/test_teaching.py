"""The tables of docs/inside hold what was measured."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_tables_inside_the_docs_are_what_the_results_say():
    line = [sys.executable, ROOT / "bench" / "teaching.py", "--check"]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
