"""Routes of generators: new pictures, latents of given ones, and ways through the latent space."""

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, File, Query, Request, Response, UploadFile
from pydantic import BaseModel, Field

from trine.generate.arguments import LARGEST_SEED, check_sample, label_index
from trine.generate.interpolation import slerp
from trine.serve.latents import Latents, latents_of
from trine.serve.models import Loaded, ServedModel
from trine.serve.refusals import Refusal
from trine.serve.service import PROBLEMS, ArrayJson, ModelName, Service, Strict, answer, array_json
from trine.serve.signatures import decode_task
from trine.serve.uploads import all_decoded, contents

Pictures = Annotated[list[UploadFile], File(description="Pictures")]
Seed = Annotated[int, Query(ge=0, le=LARGEST_SEED, description="The same seed gives the same pictures")]
MOST_STEPS = 64
"""Pictures of an interpolation."""
MOST_ENCODED = 64
"""Pictures that one request can have encoded."""
MAPPED = 256
"""Pictures on a map, unless the request says how many."""


class Sample(Strict):
    """What to make."""

    n: int = Field(64, ge=1, description="Number of pictures")
    seed: int = Field(0, ge=0, le=LARGEST_SEED)
    temperature: float = Field(
        1.0, ge=0, le=10, allow_inf_nan=False, description="0: the most typical picture, 1: as learned"
    )
    label: str | None = Field(None, max_length=1000, description="A class, for a model trained with labels")


class LatentsJson(Strict):
    """Latent vectors to decode."""

    latents: list[list[Annotated[float, Field(ge=-1e6, le=1e6)]]] = Field(
        min_length=1, description="One list of numbers per picture"
    )
    label: str | None = Field(None, max_length=1000)


class PicturesJson(BaseModel):
    """Pictures: uint8, of shape (n, height, width, channels)."""

    pictures: ArrayJson


class Group(BaseModel):
    """The posterior of pictures in one group of latents."""

    shape: list[int]
    mean: ArrayJson
    variance: ArrayJson


class Encoded(BaseModel):
    """Pictures in the latent space."""

    pictures: ArrayJson = Field(description="As the model reads them")
    groups: list[Group] = Field(description="The latent vector, then latent maps if there are any")
    kl_nats: list[float] = Field(description="KL divergence of each picture's latent vector from N(0, 1), in nats")


class Reconstructed(BaseModel):
    """Pictures and what the decoder makes of the means of their latents."""

    pictures: ArrayJson
    reconstructions: ArrayJson
    kl_nats: list[float] = Field(description="KL divergence of all latents, in nats; of the vector alone without torch")
    reconstruction_nats: list[float] | None = Field(
        description="−ln p of each picture given its latents; null without torch"
    )
    squared_error: list[float] = Field(description="Mean squared error, with levels from 0 to 1")


class Unit(BaseModel):
    """A number of the latent vector."""

    unit: int
    nats: float = Field(description="Mean KL divergence: its information about a picture")


class Directions(BaseModel):
    """The numbers of the latent vector, the most informative first."""

    units: list[Unit]


class LatentMap(BaseModel):
    """New pictures in the plane of two numbers of the latent vector."""

    axes: list[Unit] = Field(description="Across, then up")
    points: list[tuple[float, float]]
    labels: list[str | None]
    latents: ArrayJson = Field(description="Mean of each picture's latent vector")
    pictures: ArrayJson


def router(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/models/{model}", tags=["generate"], responses={**PROBLEMS})
    limits = service.settings.limits

    @routes.post("/sample", response_model=PicturesJson, summary="New pictures")
    async def sample(model: ModelName, given: Sample, request: Request) -> Response:
        served = service.models.get(model, "generate")
        if given.n > limits.batch:
            raise Refusal(413, f"{given.n} pictures in one request: the limit is {limits.batch}")
        generator = served.loaded.model
        check_sample(given.n, given.temperature, given.seed)
        label_index(given.label, generator.classes)
        options: dict[str, Any] = {"label": given.label, "temperature": given.temperature, "seed": given.seed}
        return await service.respond(
            served, lambda: {"pictures": array_json(generator.sample(given.n, **options))}, request, given.n
        )

    @routes.post("/decode", response_model=PicturesJson, summary="Latent vectors as pictures")
    async def decode(model: ModelName, given: LatentsJson, request: Request) -> Response:
        served = service.models.get(model, "generate")
        loaded = served.loaded
        latents = latents_of(loaded)
        width = int(np.prod(latents.shapes[0]))
        if odd := [vector for vector in given.latents if len(vector) != width]:
            raise Refusal(422, f"a latent vector of {len(odd[0])} numbers: the model's have {width}")
        values = np.array(given.latents, np.float32).reshape(-1, *latents.shapes[0])
        found = await service.compute(served, decode_task(loaded, latents, [values], given.label, limits), request)
        return answer({"pictures": array_json(found["pictures"])})

    @routes.post("/encode", response_model=Encoded, summary="Pictures as latents: mean and variance")
    async def encode(model: ModelName, pictures: Pictures, request: Request) -> Response:
        served = service.models.get(model, "generate")
        latents = latents_of(served.loaded)
        images = await _read(service, latents, pictures, MOST_ENCODED)
        return await service.respond(served, lambda: _encoded(latents, images), request, len(images))

    @routes.post("/reconstruct", response_model=Reconstructed, summary="Pictures encoded and decoded again")
    async def reconstruct(model: ModelName, pictures: Pictures, request: Request) -> Response:
        served = service.models.get(model, "generate")
        latents = latents_of(served.loaded)
        images = await _read(service, latents, pictures, MOST_ENCODED)
        return await service.respond(served, lambda: _reconstructed(served, latents, images), request, len(images))

    @routes.post("/interpolate", response_model=PicturesJson, summary="From one picture to another")
    async def interpolate(
        model: ModelName,
        pictures: Pictures,
        request: Request,
        steps: Annotated[int, Query(ge=2, le=MOST_STEPS)] = 10,
    ) -> Response:
        served = service.models.get(model, "generate")
        latents = latents_of(served.loaded)
        if len(pictures) != 2:
            raise Refusal(422, f"{len(pictures)} pictures to interpolate between: give two")
        images = await _read(service, latents, pictures, 2)

        def compute() -> dict[str, Any]:
            means = latents.encode(images).mean
            between = latents.decode([slerp(mean[:1], mean[1:], steps) for mean in means], None)
            return {"pictures": array_json(between)}

        return await service.respond(served, compute, request, steps)

    @routes.get("/directions", response_model=Directions, summary="The numbers of the latent vector that matter")
    async def directions(model: ModelName) -> Response:
        served = service.models.get(model, "generate")
        return answer({"units": _units(served.loaded)})

    @routes.get("/map", response_model=LatentMap, summary="The latent space in two dimensions")
    async def latent_map(
        model: ModelName,
        request: Request,
        n: Annotated[int, Query(ge=1, le=1024, description="Number of pictures")] = MAPPED,
        across: Annotated[
            int | None, Query(ge=0, description="Number of the latent vector; without, the most informative")
        ] = None,
        up: Annotated[int | None, Query(ge=0, description="Without, the second most informative")] = None,
        seed: Seed = 0,
    ) -> Response:
        served = service.models.get(model, "generate")
        loaded = served.loaded
        axes = _axes(_units(loaded), across, up)
        return await service.respond(served, lambda: _map(loaded, axes, n, seed), request, n)

    return routes


async def _read(service: Service, latents: Latents, pictures: Sequence[UploadFile], most: int) -> np.ndarray:
    """Uploaded pictures at the model's size."""
    given = await contents(pictures, service.settings.limits, most)
    limits = service.settings.limits
    return await service.readers.run(
        lambda: all_decoded(given, latents.size, latents.channels, latents.reading, limits)
    )


def _encoded(latents: Latents, images: np.ndarray) -> dict[str, Any]:
    posterior = latents.encode(images)
    groups = [
        {"shape": list(shape), "mean": array_json(mean), "variance": array_json(variance)}
        for shape, mean, variance in zip(latents.shapes, posterior.mean, posterior.variance, strict=True)
    ]
    return {"pictures": array_json(images), "groups": groups, "kl_nats": latents.kl(posterior)}


def _reconstructed(served: ServedModel, latents: Latents, images: np.ndarray) -> dict[str, Any]:
    posterior = latents.encode(images)
    found = latents.decode(posterior.mean, None)
    error = np.square((images.astype(np.float64) - found) / 255).mean((1, 2, 3))
    kl, nats = latents.kl(posterior), None
    try:
        full = served.full("the likelihood of a picture")
    except Refusal:
        pass  # without torch: null, as the schema says
    else:
        from trine.serve.inside_generate import bound_of_each

        kl, nats = bound_of_each(full, images)
    return {
        "pictures": array_json(images),
        "reconstructions": array_json(found),
        "kl_nats": kl,
        "reconstruction_nats": nats,
        "squared_error": error.tolist(),
    }


def _map(loaded: Loaded, axes: Sequence[dict[str, Any]], n: int, seed: int) -> dict[str, Any]:
    labels, pictures = _labelled_samples(loaded, n, seed)
    means = latents_of(loaded).encode(pictures).mean[0].reshape(n, -1)
    return {
        "axes": axes,
        "points": means[:, [axis["unit"] for axis in axes]].tolist(),
        "labels": labels,
        "latents": array_json(means),
        "pictures": array_json(pictures),
    }


def _units(loaded: Loaded) -> list[dict[str, Any]]:
    """The numbers of the latent vector, the most informative first."""
    information = loaded.information
    return [{"unit": int(unit), "nats": float(information[unit])} for unit in np.argsort(-information, kind="stable")]


def _axes(units: list[dict[str, Any]], across: int | None, up: int | None) -> list[dict[str, Any]]:
    by_unit = {each["unit"]: each for each in units}
    for unit in (across, up):
        if unit is not None and unit not in by_unit:
            raise Refusal(422, f"no number {unit} of the latent vector: it has {len(units)}, from 0")
    first = units[0] if across is None else by_unit[across]
    others = [each for each in units if each is not first] or units
    return [first, others[0] if up is None else by_unit[up]]


def _labelled_samples(loaded: Loaded, n: int, seed: int) -> tuple[list[str | None], np.ndarray]:
    """New pictures: of a model with labels, about as many of each class."""
    classes = loaded.model.classes
    if not classes:
        return [None] * n, loaded.model.sample(n, seed=seed)
    counts = [n // len(classes) + (index < n % len(classes)) for index in range(len(classes))]
    pairs = [(name, count) for name, count in zip(classes, counts, strict=True) if count]
    pictures = [loaded.model.sample(count, label=name, seed=seed) for name, count in pairs]
    return [name for name, count in pairs for _ in range(count)], np.concatenate(pictures)
