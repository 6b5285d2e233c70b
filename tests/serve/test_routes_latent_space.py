"""Routes of a generator's latent space: directions that matter, and a map, beside other requests."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest

import trine
from tests.serve.models import made
from tests.serve.test_routes_classify import array
from trine import runtime
from trine.generate.directions import Directions
from trine.serve.latent_space import STARTS, LatentSpace
from trine.serve.latents import Latents

DIRECTIONS, MAP = "/api/models/drawings/directions", "/api/models/drawings/map"


@pytest.fixture(scope="module")
def model():
    return runtime.load(made("drawings"))


@pytest.fixture(scope="module")
def found(service):
    return service.get(DIRECTIONS).json()


def test_the_directions_are_those_of_the_trained_model(found):
    full = trine.load(made("drawings")).directions
    assert array(found["steps"]) == pytest.approx(full.steps)
    assert array(found["centre"]) == pytest.approx(full.centre)
    assert [each["share"] for each in found["directions"]] == pytest.approx(full.shares.tolist())
    assert [each["name"] for each in found["directions"]] == [f"direction {i + 1}" for i in range(len(full.steps))]
    nats = [each["nats"] for each in found["units"]]
    assert nats == sorted(nats, reverse=True)


def test_a_direction_says_how_far_new_pictures_move_along_it(found, model):
    centre, step = array(found["centre"]), array(found["steps"])[0]
    latents = model.encode(model.sample(STARTS)).mean[0]
    own = (latents - centre) @ step / (step @ step)
    below, above = (
        model.decode([(latents + (place - own)[:, None] * step).astype(np.float32)]).astype(float) for place in (-1, 1)
    )
    expected = np.sqrt(np.square((above - below) / 255).mean((1, 2, 3))).mean()
    assert found["directions"][0]["moves"] == pytest.approx(expected, rel=0.02)
    assert 0 < found["directions"][0]["moves"] < 1


def test_the_map_has_the_two_directions_in_which_pictures_differ_most_and_pictures_of_every_class(
    service, found, model
):
    drawn = service.get(MAP, params={"n": 20}).json()
    assert drawn["axes"] == found["directions"][:2]
    latents, steps = array(drawn["latents"]), array(found["steps"])[:2]
    back = array(found["centre"]) + np.array(drawn["points"]) @ steps
    flat = (latents - back) @ steps.T  # what is left of each latent is at right angles to both directions
    assert np.abs(flat).max() < 1e-4 * np.abs(latents).max() + 1e-4
    assert sorted(drawn["labels"]) == sorted(2 * list(model.classes))
    assert array(drawn["pictures"]).shape == (20, 8, 8, 1)
    turned = service.get(MAP, params={"n": 20, "across": 1, "up": 0}).json()
    assert turned["axes"] == found["directions"][1::-1]
    assert [point[::-1] for point in turned["points"]] == drawn["points"]


def test_a_direction_that_the_model_does_not_have_is_refused(service):
    answer = service.get(MAP, params={"across": 99})
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("no direction 99: the model has ")


def test_maps_leave_room_for_other_requests_of_the_model(serve, service):
    busy = serve(f"drawings={made('drawings')}", "--max-queue", 160)
    latent = {"latents": [[0.0] * len(array(service.get(DIRECTIONS).json()["centre"]))]}

    def drawn(seed):
        return busy.get(MAP, params={"n": 1000, "seed": seed}).status_code

    with ThreadPoolExecutor(6) as people:
        maps = [people.submit(drawn, seed) for seed in range(4)]
        decoded = [busy.post("/api/models/drawings/decode", json=latent).status_code for _ in range(40)]
        many = busy.post("/api/models/drawings/sample", json={"n": 256}).status_code
    assert set(decoded) == {200}
    assert many == 200
    statuses = [each.result() for each in maps]
    assert set(statuses) <= {200, 429}
    assert statuses.count(200) >= 2


def test_a_model_that_keeps_no_directions_has_its_numbers_of_most_information_in_their_place():
    full = trine.load(made("drawings"))
    former = full.replaced(directions=Directions.of({"information": full.information.numpy()}))
    shapes = tuple(map(tuple, full.network.vae.shapes))
    space = LatentSpace(Latents(former, True, shapes, full.size, full.channels, full.classes, full.reading))
    best = [each["unit"] for each in space.units()]
    assert [space.named(i)["name"] for i in range(len(best))] == [f"number {unit}" for unit in best]
    assert space.named(0) == {"name": f"number {best[0]}", "share": None, "nats": float(full.information.max())}
    starts = np.zeros((2, len(best)), np.float32)
    assert space.moved(starts, 0) > 0
    assert replace(space, latents=replace(space.latents, model=full)).named(0)["name"] == "direction 1"
