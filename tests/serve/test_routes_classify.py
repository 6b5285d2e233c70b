"""Routes of a classifier: answers as those of the full model, and the way of a picture through the network."""

import base64

import numpy as np
import pytest

import trine
from tests.serve.models import made


def array(document):
    return np.frombuffer(base64.b64decode(document["base64"]), document["dtype"]).reshape(document["shape"])


@pytest.fixture(scope="module")
def full():
    return trine.load(made("photos"))


def test_pictures_are_classified_as_by_the_full_model(service, full, photo):
    files = [photo(70), photo(180, (60, 30), "JPEG"), photo(120, seed=5)]
    answer = service.post(
        "/api/models/photos/classify", files=[("pictures", (f"{n}.png", f)) for n, f in enumerate(files)]
    )
    assert answer.status_code == 200
    for found, expected in zip(answer.json()["pictures"], full.predict(files), strict=True):
        assert (found["label"], found["abstain"]) == (expected.label, expected.abstain)
        assert found["probability"] == pytest.approx(expected.probability, abs=1e-5)
        assert dict(map(tuple, found["top"])) == pytest.approx(dict(expected.top), abs=1e-5)
    assert [each["path"] for each in answer.json()["pictures"]] == ["0.png", "1.png", "2.png"]


def test_a_picture_that_cannot_be_read_does_not_spoil_the_others(service, photo):
    files = [
        ("pictures", ("a.png", photo())),
        ("pictures", ("../b\x00.png", photo()[:60])),
        ("pictures", ("c.txt", b"hello")),
    ]
    good, cut, text = service.post("/api/models/photos/classify", files=files).json()["pictures"]
    assert good["label"] in ("dark", "light")
    assert cut["error"].startswith(("truncated: b", "unreadable: b"))
    assert text["error"] == "unreadable: c.txt (not a picture, or of an unknown format)"


def test_the_answer_is_said_in_words(service, photo):
    files = [("pictures", ("noise.png", photo(level))) for level in (70, 180)]
    for found in service.post("/api/models/photos/classify", files=files).json()["pictures"]:
        if not found["abstain"]:
            assert found["words"].startswith(f"{found['label']}, ")
        else:
            assert found["words"].startswith(("Not sure", "Unlike the training pictures"))


def test_the_maps_shrink_from_layer_to_layer_and_are_those_of_the_network(service, full, photo):
    found = service.post("/api/models/photos/maps", files={"picture": photo()}).json()
    assert array(found["picture"]).shape == (24, 24, 3)
    assert [layer["name"] for layer in found["layers"]] == list(full.network.layers())
    sides = [layer["shape"][1] for layer in found["layers"]]
    assert sides == sorted(sides, reverse=True)
    import torch

    from trine.classify.explain import feature_maps

    expected = feature_maps(full.network, torch.from_numpy(array(found["picture"]).copy())[None])
    for layer in found["layers"]:
        assert array(layer["maps"]) == pytest.approx(expected[layer["name"]].numpy()[layer["shown"]], abs=1e-3)


def test_one_layer_is_given_with_all_its_maps(service, full, photo):
    name = list(full.network.layers())[-1]
    (layer,) = service.post("/api/models/photos/maps", files={"picture": photo()}, params={"layer": name}).json()[
        "layers"
    ]
    assert sorted(layer["shown"]) == list(range(layer["shape"][0]))
    answer = service.post("/api/models/photos/maps", files={"picture": photo()}, params={"layer": "none"})
    assert (answer.status_code, answer.json()["error"].partition(":")[0]) == (404, "no layer 'none'")


def test_the_maps_of_a_layer_follow_from_those_before_it_by_the_steps_that_are_given(service, full, photo):
    """A visitor can compute the second layer by hand: convolution, pooling, normalisation, activation."""
    import torch
    import torch.nn.functional as F  # noqa: N812

    first, second = list(full.network.layers())[:2]
    maps = {
        name: array(layer["maps"])[np.argsort(layer["shown"])]
        for name in (first, second)
        for layer in service.post("/api/models/photos/maps", files={"picture": photo()}, params={"layer": name}).json()[
            "layers"
        ]
    }
    described = service.get("/api/models/photos/filters", params={"layer": second}).json()
    assert described["before"] == first
    values = torch.from_numpy(maps[first].copy())[None]
    for step in described["steps"]:
        if step["kind"] == "convolution":
            bias = None if step["bias"] is None else torch.tensor(step["bias"])
            weights = torch.from_numpy(array(step["weights"]).copy())
            values = F.conv2d(values, weights, bias, stride=step["stride"], padding=step["padding"])
        elif step["kind"] == "pool":
            values = F.max_pool2d(values, step["size"])
        elif step["kind"] == "normalise maps":
            values = values * torch.tensor(step["scale"])[:, None, None] + torch.tensor(step["shift"])[:, None, None]
        else:
            values = getattr(torch.nn, step["function"])()(values)
    assert values[0].numpy() == pytest.approx(maps[second], abs=1e-3)


def test_one_filter_can_be_asked_for_alone(service, full):
    step = service.get("/api/models/photos/filters", params={"filter": 1}).json()["steps"][-1]
    assert array(step["weights"])[0] == pytest.approx(full.network.stem.filters[1].numpy(), abs=1e-6)
    assert service.get("/api/models/photos/filters", params={"filter": 9999}).status_code == 404


def test_evidence_has_one_scale_for_all_pictures(service, full, photo):
    """It is one where the log-odds of the class are those of the threshold, less those of chance."""
    answer = service.post("/api/models/photos/explain", files={"picture": photo(180)}, params={"label": "light"}).json()
    logits = np.array(answer["logits"])
    odds = logits[full.classes.index("light")] - logits[full.classes.index("dark")]
    needed = max(0.5, np.log(full.threshold / (1 - full.threshold)))
    assert answer["evidence"] == pytest.approx(odds / needed, abs=1e-4)
    assert answer["probability"] == pytest.approx(1 / (1 + np.exp(-odds)), abs=1e-4)
    heat = array(answer["heat"])
    assert heat.ndim == 2
    assert (heat >= 0).all()
    other = service.post("/api/models/photos/explain", files={"picture": photo(180)}, params={"label": "dark"}).json()
    assert other["evidence"] == pytest.approx(-answer["evidence"], abs=1e-4)
    assert (
        service.post("/api/models/photos/explain", files={"picture": photo()}, params={"label": "cat"}).status_code
        == 422
    )


def test_the_figures_and_the_card_of_a_model_are_shown(service):
    details = service.get("/api/models/photos").json()
    assert details["classes"] == ["dark", "light"]
    assert 0 < details["about"]["threshold"] < 1
    assert details["card"].startswith("---")
    listed = service.get("/api/models").json()
    assert {each["task"] for each in listed["models"]} == {"classify", "detect", "generate"}
    assert listed["store"] is True


@pytest.mark.parametrize(
    ("path", "status", "says"),
    [
        ("/api/models/dogs/maps", 404, "no model 'dogs'"),
        ("/api/models/programs/maps", 422, "for detect, not for classify"),
    ],
)
def test_a_model_that_is_absent_or_of_another_task_is_named(service, photo, path, status, says):
    answer = service.post(path, files={"picture": photo()})
    assert answer.status_code == status
    assert says in answer.json()["error"]
