"""Each example runs unchanged from any folder, in less than a minute on a quiet machine."""

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).parent.parent.parent / "examples").glob("*.py"))


def test_there_is_one_for_each_job():
    assert [path.stem.partition("_")[0] for path in EXAMPLES] == ["classify", "detect", "generate"]


@pytest.mark.long
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_it_runs(example, tmp_path):
    line = [sys.executable, "-W", "error", str(example), str(tmp_path / "run")]
    done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=tmp_path, timeout=60 * 5)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 2
    assert (tmp_path / "run" / "result.json").is_file()
