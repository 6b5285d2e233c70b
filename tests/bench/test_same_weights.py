import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

ROOT = Path(__file__).parents[2]


@pytest.fixture
def same_weights(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT))
    from bench import same_weights

    return same_weights


@pytest.fixture
def write_run(tmp_path):
    """Write the weights of a run's bundle."""

    def write(name: str, **tensors: torch.Tensor) -> Path:
        bundle = tmp_path / name / "bundle"
        bundle.mkdir(parents=True)
        (bundle / "trine.json").touch()
        save_file(
            {key.replace("_", "."): value.clone() for key, value in tensors.items()}, bundle / "model.safetensors"
        )
        return tmp_path / name

    return write


def test_tensors_are_compared_by_name_and_bit_for_bit(same_weights, write_run):
    ones = torch.ones(2, 3)
    now = write_run("now", network_a=ones, priors_flow_b=ones, network_new=torch.tensor(True))
    before = write_run("before", network_a=ones.clone(), priors_flow_b=ones + 1e-7, network_old=torch.zeros(()))
    row = same_weights.compared(same_weights.digests(now), same_weights.digests(before))
    assert row == {
        "identical": ["network.a"],
        "different": ["priors.flow.b"],
        "only_now": ["network.new"],
        "only_before": ["network.old"],
    }
    figures = same_weights.summary({"trine generate fit digits28 --seed 0": row})
    assert (figures["tensors"], figures["identical"]) == (4, 1)
    text = same_weights.cells(figures).trine
    assert text == "1 of 4 tensors; different: network.new, network.old, priors.flow"


def test_type_and_shape_of_a_tensor_are_part_of_its_digest(same_weights):
    zeros = torch.zeros(4)
    others = [zeros.view(2, 2), zeros.int(), torch.zeros(4, dtype=torch.bfloat16), -zeros]
    assert len({same_weights.digest(value) for value in (zeros, *others)}) == 5
    assert same_weights.digest(zeros[::2]) == same_weights.digest(torch.zeros(2))


def test_another_commit_is_checked_out_for_as_long_as_it_is_needed(same_weights, tmp_path):
    def git(*words: str) -> None:
        author = ("-c", "user.name=a", "-c", "user.email=a@b.c")
        subprocess.run(["git", *author, "-C", str(tmp_path), *words], check=True, capture_output=True)

    git("init")
    (tmp_path / "src").mkdir()
    for content in ("first", "second"):
        (tmp_path / "src" / "code.py").write_text(content)
        git("add", ".")
        git("commit", "-m", content)
    with same_weights.checked_out("HEAD~1", tmp_path) as source:
        assert (source / "code.py").read_text() == "first"
    assert not source.exists()
    assert len(same_weights.git(tmp_path, "worktree", "list").splitlines()) == 1
    assert (tmp_path / "src" / "code.py").read_text() == "second"


def test_a_commit_or_a_folder_of_runs_is_required():
    line = [sys.executable, "-m", "bench.same_weights"]
    for words in ([], ["HEAD", "--baseline", "."]):
        done = subprocess.run([*line, *words], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 2
        assert "give a commit, or --baseline" in done.stderr
