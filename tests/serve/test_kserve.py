"""The Open Inference Protocol, as kserve's client speaks it: in an environment of its own."""

import json
import subprocess
import sys

import numpy as np
import pytest

import trine
from tests.serve.models import made

KSERVE = """
import asyncio, json, sys
import numpy as np
from kserve import InferInput, InferRequest, InferenceRESTClient, RESTConfig

async def main(url):
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=30))
    pictures = np.random.default_rng(0).integers(0, 256, (3, 24, 24, 3), dtype=np.uint8)
    given = InferInput("pictures", list(pictures.shape), "UINT8")
    answers = {}
    for kind in (False, True):
        given.set_data_from_numpy(pictures, binary_data=kind)
        request = InferRequest(model_name="photos", infer_inputs=[given], request_id="seven")
        found = await client.infer(url, request, model_name="photos")
        answers[str(kind)] = {each.name: each.as_numpy().tolist() for each in found.outputs if each.name != "label"}
    ready = [await client.is_server_live(url), await client.is_server_ready(url)]
    ready.append(await client.is_model_ready(url, "photos"))
    print(json.dumps({"answers": answers, "ready": ready}))

asyncio.run(main(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def kserve(tmp_path_factory):
    """Python of an environment with kserve's client."""
    folder = tmp_path_factory.mktemp("kserve")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    options = ["--quiet", "--no-compile", "--retries", "1", "--timeout", "20"]
    line = [folder / "bin" / "python", "-m", "pip", "install", *options, "kserve"]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=600)
    if done.returncode:
        pytest.skip(f"kserve cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
    return folder / "bin" / "python"


def test_the_client_of_kserve_gets_the_same_answers(service, kserve, tmp_path):
    (tmp_path / "client.py").write_text(KSERVE)
    line = [kserve, "client.py", service.url]
    done = subprocess.run(line, capture_output=True, text=True, check=False, timeout=120, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["ready"] == [True, True, True]
    pictures = np.random.default_rng(0).integers(0, 256, (3, 24, 24, 3), dtype=np.uint8)
    probabilities, _ = trine.load(made("photos")).answers(pictures)
    for answers in found["answers"].values():
        assert np.array(answers["probabilities"]).reshape(3, 2) == pytest.approx(probabilities, abs=1e-5)
