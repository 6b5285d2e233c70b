"""The Open Inference Protocol, as the clients that people use speak it."""

import base64

import numpy as np
import pytest

import trine
from tests.serve.models import made, tensor
from trine import runtime

http = pytest.importorskip("tritonclient.http", reason="tritonclient[http] is not installed")


@pytest.fixture
def client(service):
    return http.InferenceServerClient(service.address)


@pytest.fixture
def pictures():
    return np.random.default_rng(0).integers(0, 256, (5, 24, 24, 3), dtype=np.uint8)


def given(name, array, datatype, binary=True):
    made = http.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def texts(*words):
    return np.array([word.encode() for word in words], object)


def test_the_service_and_its_models_are_live_and_ready_and_describe_themselves(client):
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("photos")
    assert not client.is_model_ready("dogs")
    assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
    described = client.get_model_metadata("photos")
    assert [port["name"] for port in described["inputs"]] == ["pictures"]
    assert {port["name"]: port["shape"] for port in described["outputs"]}["probabilities"] == [-1, 2]
    assert {each["name"] for each in client.get_model_repository_index()} == {"photos", "programs", "sshd", "drawings"}


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False])
def test_a_classifier_answers_as_the_full_model(client, pictures, binary_in, binary_out):
    wanted = [
        http.InferRequestedOutput(name, binary_data=binary_out) for name in ("probabilities", "typicality", "label")
    ]
    found = client.infer("photos", [given("pictures", pictures, "UINT8", binary_in)], outputs=wanted, request_id="7")
    probabilities, typicality = trine.load(made("photos")).answers(pictures)
    assert found.as_numpy("probabilities") == pytest.approx(probabilities, abs=1e-5)
    assert found.as_numpy("typicality") == pytest.approx(typicality, abs=0.02)
    labels = [trine.load(made("photos")).classes[i] for i in probabilities.argmax(1)]
    assert [str(label, "utf-8") if binary_out else label for label in found.as_numpy("label")] == labels
    assert found.get_response()["id"] == "7"
    assert {each["name"] for each in found.get_response()["outputs"]} == {"probabilities", "typicality", "label"}


def test_pictures_of_other_sizes_and_grey_ones_are_taken_to_the_size_of_the_model(client):
    grey = np.full((1, 60, 40, 1), 200, np.uint8)
    found = client.infer("photos", [given("pictures", grey, "UINT8")]).as_numpy("probabilities")
    assert found[0].sum() == pytest.approx(1, abs=1e-5)


def test_a_detector_goes_on_from_the_states_that_it_gave(client):
    model = runtime.load(made("programs"))
    states, first = model.step([None, None], ["open", "fork"])
    _, second = model.step(states, ["read", "ptrace"])
    answer = client.infer("programs", [given("events", texts("open", "fork"), "BYTES")])
    assert answer.as_numpy("surprisals") == pytest.approx(first, abs=1e-4)
    inputs = [
        given("events", texts("read", "ptrace"), "BYTES"),
        given("states", answer.as_numpy("states_after"), "BYTES"),
    ]
    assert client.infer("programs", inputs).as_numpy("surprisals") == pytest.approx(second, abs=1e-4)


def test_a_generator_encodes_and_decodes(client):
    model = runtime.load(made("drawings"))
    pictures = model.sample(3, seed=1)
    encoded = client.infer("drawings.encoder", [given("pictures", pictures, "UINT8")])
    mean = encoded.as_numpy("mean.0")
    assert mean == pytest.approx(model.encode(pictures).mean[0], abs=1e-4)
    assert (encoded.as_numpy("variance.0") > 0).all()
    decoded = client.infer("drawings", [given("latent.0", mean, "FP32"), given("label", texts("3"), "BYTES")])
    assert np.abs(decoded.as_numpy("pictures").astype(int) - model.decode([mean], "3")).max() <= 1


@pytest.mark.parametrize(
    ("model", "inputs", "says"),
    [
        ("photos", [tensor("events", "BYTES", [1], ["open"])], "the model takes pictures"),
        ("photos", [], "input pictures: missing"),
        ("photos", [tensor("pictures", "FP32", [1, 1, 1, 1], [0.5])], "datatype 'FP32', not UINT8"),
        ("photos", [tensor("pictures", "UINT8", [1, 2, 2, 3], [0])], "1 values, its shape has 12"),
        ("photos", [tensor("pictures", "UINT8", [1, 1, 1, 1], [256])], "out of the range of UINT8"),
        ("photos", [tensor("pictures", "UINT8", [1, 1, 1, 2], [1, 2])], "1, 3 or 4 channels"),
        ("photos", [tensor("pictures", "UINT8", [0, 24, 24, 3], [])], "no pictures"),
        ("programs", [tensor("events", "BYTES", [1], ["a"]), tensor("states", "BYTES", [1], ["?"])], "no base64"),
        ("programs", [tensor("events", "BYTES", [1], ["a"]), tensor("states", "BYTES", [1], ["AAAA"])], "damaged"),
        ("drawings", [tensor("latent.0", "FP32", [1, 3], [0, 0, 0])], "shape [1, 3], not [-1, 4]"),
    ],
)
def test_what_cannot_be_computed_is_refused_in_a_line(service, model, inputs, says):
    answer = service.post(f"/v2/models/{model}/infer", json={"inputs": inputs})
    assert (answer.status_code, list(answer.json())) == (400, ["error"])
    assert says in answer.json()["error"]


def test_more_than_the_limit_is_refused_with_413(service):
    many = [tensor("events", "BYTES", [257], ["open"] * 257)]
    answer = service.post("/v2/models/programs/infer", json={"inputs": many})
    assert (answer.status_code, answer.json()["error"]) == (413, "257 events in one request: the limit is 256")


def test_versions_are_those_of_the_weights(service, client):
    (version,) = client.get_model_metadata("programs")["versions"]
    events = {"inputs": [tensor("events", "BYTES", [1], ["open"])]}
    assert service.post(f"/v2/models/programs/versions/{version}/infer", json=events).json()["model_version"] == version
    answer = service.post("/v2/models/programs/versions/1/infer", json=events)
    assert (answer.status_code, answer.json()["error"]) == (404, f"programs has no version '1': it has {version}")


def test_a_state_is_text_in_json_too(service):
    events = {"inputs": [tensor("events", "BYTES", [1], ["open"])]}
    outputs = {each["name"]: each for each in service.post("/v2/models/programs/infer", json=events).json()["outputs"]}
    assert base64.b64decode(outputs["states_after"]["data"][0]).startswith(b"TRNS")
