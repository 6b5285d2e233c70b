"""A service as a container installs it: a wheel with the extra `serve`, in an environment without torch."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.serve.models import made, tensor

pytestmark = pytest.mark.long

ROOT = Path(__file__).parent.parent.parent
IMAGE = (ROOT / "docs" / "guides" / "serve.Dockerfile").read_text()
TOKEN = "0123456789abcdef0123"


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """Python of an environment with the wheel and its extra `serve`, made of what the image copies, nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    copied = folder / "copied"
    copied.mkdir()
    for words in re.findall(r"^COPY (.+)$", IMAGE, re.MULTILINE):
        *sources, to = words.split()
        for source in sources:
            target = copied / Path(to).relative_to("/trine") / ("" if (ROOT / source).is_dir() else source)
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / source, target)
    found = folder / "venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    wheel = f"trine[serve] @ file://{folder}/trine-0.1.0-py3-none-any.whl"
    constraints = ["--constraint", copied / "constraints.txt"]
    for words in (["wheel", "--no-deps", "--wheel-dir", folder, copied], ["install", *constraints, wheel]):
        line = [found, "-m", "pip", *words, "--quiet", "--retries", "1", "--timeout", "20"]
        done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=300)
        if done.returncode:
            pytest.skip(f"no package can be installed here: {done.stderr.strip().splitlines()[-1]}")
    return found


@pytest.fixture(scope="module")
def alone(python, serve, store):
    """The service in that environment, started as the container does."""
    models = [f"{name}={made(name)}" for name in ("photos", "sshd", "drawings")]
    env = {"PYTHONPATH": "", "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}"}
    return serve(*models, "--store", store.path, program=(python.parent / "trine",), env=env)


def test_the_extra_brings_neither_torch_nor_what_trains(python):
    line = [python, "-m", "pip", "list", "--format", "json"]
    listed = json.loads(subprocess.run(line, capture_output=True, text=True, check=True, timeout=120).stdout)
    names = {each["name"].lower() for each in listed}
    assert {"trine", "fastapi", "onnxruntime", "uvicorn"} <= names
    assert names & {"torch", "scipy", "scikit-learn", "matplotlib", "jaxtyping", "onnx", "requests"} == set()


def test_without_torch_pictures_logs_and_latents_are_answered(alone, photo):
    pictures = alone.post("/api/models/photos/classify", files={"pictures": ("a.png", photo())}).json()["pictures"]
    assert pictures[0]["label"] in ("dark", "light")
    assert alone.post("/api/models/photos/maps", files={"picture": photo()}).status_code == 200
    log = "Jan  1 00:00:01 host sshd[1]: Connection opened\n"
    assert alone.post("/api/models/sshd/sessions", json={"log": log}).json()["sessions"] == 1
    given = {"events": ["Connection opened"], "expected": [0]}
    assert alone.post("/api/models/sshd/sequence", json=given).json()["expected"][0]["events"]
    assert alone.post("/api/models/drawings/sample", json={"n": 2}).status_code == 200
    found = alone.post("/api/models/drawings/reconstruct", files={"pictures": ("a.png", photo())}).json()
    assert found["reconstruction_nats"] is None
    assert alone.get("/api/models/drawings/directions").json()["directions"][0]["share"] > 0
    assert alone.get("/api/models/drawings/map", params={"n": 4}).status_code == 200
    assert alone.get("/api/findings").json()["findings"]
    assert alone.get("/api/runs").status_code == 200
    assert "<title>" in alone.get("/").text
    event = {"inputs": [tensor("events", "BYTES", [1], ["open"])]}
    assert alone.post("/v2/models/sshd/infer", json=event).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "options"),
    [
        ("post", "/api/models/photos/explain", {"files": "picture"}),
        ("get", "/api/models/photos/filters", {}),
        ("post", "/api/models/sshd/gates", {"json": {"events": ["a", "b"]}}),
        ("post", "/api/models/sshd/reach", {"json": {"events": ["a", "b"], "position": 1}}),
    ],
)
def test_what_needs_torch_says_what_to_install(alone, photo, method, path, options):
    if "files" in options:
        options = {"files": {"picture": photo()}}
    answer = getattr(alone, method)(path, **options)
    assert answer.status_code == 501
    assert answer.json()["error"].endswith("is not installed here: pip install 'trine[train]'")


def test_what_the_image_starts_answers_whoever_has_the_token(python, serve, photo):
    entry, command, health = (
        json.loads(re.search(rf"^{word} (\[.+\])$", IMAGE, re.MULTILINE)[1])
        for word in ("ENTRYPOINT", "CMD", "HEALTHCHECK CMD")
    )
    assert (entry[:2], command) == (["trine", "serve"], ["/models/photos"])
    folder = made("photos")
    env = {"PYTHONPATH": "", "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}", "TRINE_SERVE_TOKEN": TOKEN}
    started = serve(*entry[2:], f"photos={folder}", program=(python.parent / "trine",), env=env)
    assert health[0] == "python"
    asked = [str(word).replace("127.0.0.1:8080", started.address) for word in health[1:]]
    subprocess.run([python, *asked], check=True, timeout=60)
    ask = {"files": {"pictures": ("a.png", photo())}}
    assert started.post("/api/models/photos/classify", **ask).status_code == 401
    given = started.post("/api/models/photos/classify", headers={"Authorization": f"Bearer {TOKEN}"}, **ask)
    assert given.json()["pictures"][0]["label"] in ("dark", "light")


def test_it_takes_little_memory(alone):
    assert alone.memory() < 400 << 20
