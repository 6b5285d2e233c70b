"""Routes of a generator: the same pictures as the full model's, and ways through the latent space."""

import numpy as np
import pytest

import trine
from tests.serve.models import made
from tests.serve.test_routes_classify import array


def files(photo, *levels):
    return [("pictures", (f"{level}.png", photo(level))) for level in levels]


def test_the_same_seed_gives_the_pictures_of_the_full_model(service):
    given = {"n": 5, "seed": 9, "temperature": 0.7, "label": "3"}
    found = array(service.post("/api/models/drawings/sample", json=given).json()["pictures"])
    expected = trine.load(made("drawings")).sample(5, seed=9, temperature=0.7, label="3")
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_latents_that_are_sent_back_are_decoded_to_the_reconstruction(service, photo):
    encoded = service.post("/api/models/drawings/encode", files=files(photo, 70, 180)).json()
    mean = array(encoded["groups"][0]["mean"])
    assert (array(encoded["groups"][0]["variance"]) > 0).all()
    decoded = array(service.post("/api/models/drawings/decode", json={"latents": mean.tolist()}).json()["pictures"])
    again = service.post("/api/models/drawings/reconstruct", files=files(photo, 70, 180)).json()
    assert np.abs(array(again["reconstructions"]).astype(int) - decoded).max() <= 1
    assert array(again["pictures"]).shape == (2, 8, 8, 1)
    error = np.square((array(again["pictures"]).astype(float) - array(again["reconstructions"])) / 255).mean((1, 2, 3))
    assert again["squared_error"] == pytest.approx(error.tolist())


def test_the_divergence_is_that_of_the_posterior_from_the_prior(service, photo):
    encoded = service.post("/api/models/drawings/encode", files=files(photo, 70)).json()
    mean, variance = (array(encoded["groups"][0][name]).astype(float) for name in ("mean", "variance"))
    expected = 0.5 * (mean**2 + variance - 1 - np.log(variance)).sum()
    assert encoded["kl_nats"] == pytest.approx([expected], rel=1e-4)
    again = service.post("/api/models/drawings/reconstruct", files=files(photo, 70)).json()
    assert again["kl_nats"] == pytest.approx([expected], rel=1e-3)
    assert len(again["reconstruction_nats"]) == 1


def test_the_class_of_pictures_is_used_by_all_that_encode(service, photo):
    full, given = trine.load(made("drawings")), files(photo, 70, 180)
    plain = service.post("/api/models/drawings/reconstruct", files=given).json()
    found = service.post("/api/models/drawings/reconstruct", files=given, params={"label": "3"}).json()
    expected = full.reconstruct(array(found["pictures"]), label="3")
    assert np.abs(array(found["reconstructions"]).astype(int) - expected).max() <= 1
    assert found["reconstruction_nats"] != plain["reconstruction_nats"]
    encoded = service.post("/api/models/drawings/encode", files=given, params={"label": "3"}).json()
    mean = full.encode(array(found["pictures"]), label="3").mean[0].numpy()
    assert array(encoded["groups"][0]["mean"]) == pytest.approx(mean, abs=1e-3)
    asked = {"steps": 5, "label": "3"}
    strip = array(service.post("/api/models/drawings/interpolate", files=given, params=asked).json()["pictures"])
    assert np.abs(strip[[0, -1]].astype(int) - expected).max() <= 2
    for route in ("encode", "reconstruct", "interpolate"):
        answer = service.post(f"/api/models/drawings/{route}", files=given, params={"label": "cat"})
        assert (answer.status_code, "label 'cat' is not known" in answer.json()["error"]) == (422, True)


def test_an_interpolation_begins_and_ends_with_the_reconstructions(service, photo):
    both = files(photo, 70, 180)
    strip = array(service.post("/api/models/drawings/interpolate", files=both, params={"steps": 5}).json()["pictures"])
    ends = array(service.post("/api/models/drawings/reconstruct", files=both).json()["reconstructions"])
    assert len(strip) == 5
    assert np.abs(strip[[0, -1]].astype(int) - ends).max() <= 2
    assert service.post("/api/models/drawings/interpolate", files=both[:1]).status_code == 422


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("sample", {"n": 0}, 422, "n"),
        ("sample", {"n": 257}, 413, "the limit is 256"),
        ("sample", {"label": "cat"}, 422, "label 'cat' is not known"),
        ("sample", {"temperature": -1}, 422, "temperature"),
        ("decode", {"latents": []}, 422, "latents"),
        ("decode", {"latents": [[1.0]]}, 422, "a latent vector of 1 numbers: the model's have 4"),
        ("decode", {"latents": [[0, 0, 0, 0]], "label": "cat"}, 422, "label 'cat' is not known"),
    ],
)
def test_what_cannot_be_made_is_refused_in_a_line(service, path, body, status, says):
    answer = service.post(f"/api/models/drawings/{path}", json=body)
    assert answer.status_code == status
    assert says in answer.json()["error"]
