"""The package as a service installs it: a wheel with the extra `runtime`, in an environment without torch."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from trine import runtime

pytestmark = pytest.mark.long

ROOT = Path(__file__).parent.parent.parent
ANSWERS = """
import json, sys
from pathlib import Path
import numpy as np
from trine import runtime

classifier, photos, detector, table, log_detector, log, generator = map(Path, sys.argv[1:])
pictures = sorted(photos.rglob("*.png"))
predicted = [(a.label, a.probability, a.typicality, a.abstain) for a in runtime.load(classifier).predict(pictures)]
scored = [
    [(f.name, f.p_value, f.score, f.flagged) for f in runtime.load(folder).score(data)]
    for folder, data in ((detector, table), (log_detector, log))
]
(state,), first = runtime.load(detector).step([None], ["open"])
stepped = first + runtime.load(detector).step([state], ["read"])[1]
sampled = runtime.load(generator).sample(9, seed=4, label="3").tolist()
encoded = [m.tolist() for m in runtime.load(generator).encode(np.array(sampled, np.uint8)).mean]
absent = [name for name in ("torch", "pydantic", "scipy", "sklearn", "jaxtyping", "onnx") if name in sys.modules]
print(json.dumps({"predicted": predicted, "scored": scored, "stepped": stepped, "sampled": sampled,
                  "encoded": encoded, "absent": absent, "from": runtime.__file__}))
"""


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> Path:
    """Python of an environment with the wheel and its extra `runtime`, nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    python = folder / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    for words in (("wheel", "--no-deps", "--wheel-dir", folder, ROOT), ("install", wheel(folder))):
        line = [python, "-m", "pip", *words, "--quiet", "--retries", "1", "--timeout", "20"]
        done = subprocess.run(
            [*line, "--constraint", ROOT / "constraints.txt"] if words[0] == "install" else line,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        if done.returncode:
            pytest.skip(f"no package can be installed here: {done.stderr.strip().splitlines()[-1]}")
    return python


def wheel(folder: Path) -> str:
    return f"trine[runtime] @ file://{folder}/trine-0.1.0-py3-none-any.whl"


def installed(python: Path) -> set[str]:
    line = [python, "-m", "pip", "list", "--format", "json"]
    listed = subprocess.run(line, capture_output=True, text=True, check=True, timeout=120).stdout
    return {each["name"].lower() for each in json.loads(listed)}


def test_the_extra_brings_onnxruntime_and_neither_torch_nor_what_trains(environment):
    names = installed(environment)
    assert {"trine", "onnxruntime", "numpy", "pillow", "safetensors"} <= names
    unwanted = {"torch", "pydantic", "scipy", "scikit-learn", "matplotlib", "jaxtyping", "cyclopts", "onnx"}
    assert names & unwanted == set()


def test_without_torch_the_answers_are_those_of_the_full_package(
    environment, classifier, photos, detector, table, log_detector, log, generator, full, tmp_path
):
    (tmp_path / "answers.py").write_text(ANSWERS)
    line = [environment, "-I", "answers.py", classifier, photos, detector, table, log_detector, log, generator]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["absent"] == []
    assert str(environment.parent.parent) in found["from"]

    expected = full(classifier).predict(sorted(photos.rglob("*.png")))
    assert [(label, abstain) for label, _, _, abstain in found["predicted"]] == [
        (answer.label, answer.abstain) for answer in expected
    ]
    assert [p for _, p, _, _ in found["predicted"]] == pytest.approx([e.probability for e in expected], abs=1e-5)
    for scored, folder, data in zip(found["scored"], (detector, log_detector), (table, log), strict=True):
        findings = full(folder).score(data)
        assert [(name, flagged) for name, _, _, flagged in scored] == [(f.name, f.flagged) for f in findings]
        assert [p for _, p, _, _ in scored] == pytest.approx([f.p_value for f in findings], abs=1e-6)
    (state,), first = full(detector).step([None], ["open"])
    assert found["stepped"] == pytest.approx(first + full(detector).step([state], ["read"])[1], abs=1e-4)
    pictures = full(generator).sample(9, seed=4, label="3")
    assert np.abs(np.array(found["sampled"]) - pictures).max() <= 1
    means = runtime.load(generator).encode(np.array(found["sampled"], np.uint8)).mean
    assert np.array(found["encoded"][0]) == pytest.approx(means[0], abs=1e-4)


@pytest.mark.parametrize("program", [("-m", "trine"), ("-c", "from trine import Generator")])
def test_what_needs_torch_says_what_to_install(environment, program, tmp_path):
    line = [environment, "-I", *program]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path)
    assert done.returncode
    assert done.stderr.splitlines()[-1].endswith("is not installed: pip install 'trine[train]' brings it")


def test_without_onnxruntime_a_line_says_what_to_install(environment, classifier, tmp_path):
    code = (
        f"import sys; sys.modules['onnxruntime'] = None; from trine import runtime; runtime.load({str(classifier)!r})"
    )
    done = subprocess.run([environment, "-I", "-c", code], capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "pip install 'trine[runtime]'" in done.stderr.splitlines()[-1]
