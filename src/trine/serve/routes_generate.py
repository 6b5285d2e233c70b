"""Routes of generators: new pictures, and latents of given ones."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, File, Query, Request, Response, UploadFile
from pydantic import BaseModel, Field

from trine.generate.arguments import LARGEST_SEED, check_sample, label_index
from trine.generate.interpolation import slerp
from trine.serve.batching import Task
from trine.serve.latent_space import in_blocks
from trine.serve.latents import Latents, latents_of
from trine.serve.models import ServedModel
from trine.serve.refusals import Refusal
from trine.serve.service import PROBLEMS, ArrayJson, ModelName, Service, Strict, answer, array_json
from trine.serve.signatures import decode_task
from trine.serve.uploads import all_decoded, contents

Pictures = Annotated[list[UploadFile], File(description="Pictures")]
Label = Annotated[
    str | None, Query(max_length=1000, description="The pictures' class, for a model trained with labels")
]
MOST_STEPS = 64
"""Pictures of an interpolation."""
MOST_ENCODED = 64
"""Pictures that one request can have encoded."""


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


def router(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/models/{model}", tags=["generate"], responses={**PROBLEMS})
    _add_new_pictures(routes, service)
    _add_given_pictures(routes, service)
    return routes


def _add_new_pictures(routes: APIRouter, service: Service) -> None:
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
        made: list[np.ndarray] = []

        def make(blocks: Iterator[np.ndarray]) -> None:
            made.append(next(blocks))

        blocks = in_blocks(given.n, partial(generator.sample_stream, **options))
        await service.in_turn(served, (Task.alone(partial(make, of), rows) for of, rows in blocks), request)
        return await service.respond(served, lambda: {"pictures": array_json(np.concatenate(made))}, request)

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


def _add_given_pictures(routes: APIRouter, service: Service) -> None:
    def known(model: str, label: str | None) -> tuple[ServedModel, Latents]:
        served = service.models.get(model, "generate")
        latents = latents_of(served.loaded)
        label_index(label, latents.classes)
        return served, latents

    @routes.post("/encode", response_model=Encoded, summary="Pictures as latents: mean and variance")
    async def encode(model: ModelName, pictures: Pictures, request: Request, label: Label = None) -> Response:
        served, latents = known(model, label)
        images = await _read(service, latents, pictures, MOST_ENCODED)
        return await service.respond(served, lambda: _encoded(latents, images, label), request, len(images))

    @routes.post("/reconstruct", response_model=Reconstructed, summary="Pictures encoded and decoded again")
    async def reconstruct(model: ModelName, pictures: Pictures, request: Request, label: Label = None) -> Response:
        served, latents = known(model, label)
        images = await _read(service, latents, pictures, MOST_ENCODED)
        return await service.respond(
            served, lambda: _reconstructed(served, latents, images, label), request, len(images)
        )

    @routes.post("/interpolate", response_model=PicturesJson, summary="From one picture to another")
    async def interpolate(
        model: ModelName,
        pictures: Pictures,
        request: Request,
        steps: Annotated[int, Query(ge=2, le=MOST_STEPS)] = 10,
        label: Label = None,
    ) -> Response:
        served, latents = known(model, label)
        if len(pictures) != 2:
            raise Refusal(422, f"{len(pictures)} pictures to interpolate between: give two")
        images = await _read(service, latents, pictures, 2)

        def compute() -> dict[str, Any]:
            means = latents.encode(images, label).mean
            between = latents.decode([slerp(mean[:1], mean[1:], steps) for mean in means], label)
            return {"pictures": array_json(between)}

        return await service.respond(served, compute, request, steps)


async def _read(service: Service, latents: Latents, pictures: Sequence[UploadFile], most: int) -> np.ndarray:
    """Uploaded pictures at the model's size."""
    given = await contents(pictures, service.settings.limits, most)
    limits = service.settings.limits
    return await service.readers.run(
        lambda: all_decoded(given, latents.size, latents.channels, latents.reading, limits)
    )


def _encoded(latents: Latents, images: np.ndarray, label: str | None) -> dict[str, Any]:
    posterior = latents.encode(images, label)
    groups = [
        {"shape": list(shape), "mean": array_json(mean), "variance": array_json(variance)}
        for shape, mean, variance in zip(latents.shapes, posterior.mean, posterior.variance, strict=True)
    ]
    return {"pictures": array_json(images), "groups": groups, "kl_nats": latents.kl(posterior)}


def _reconstructed(served: ServedModel, latents: Latents, images: np.ndarray, label: str | None) -> dict[str, Any]:
    posterior = latents.encode(images, label)
    found = latents.decode(posterior.mean, label)
    error = np.square((images.astype(np.float64) - found) / 255).mean((1, 2, 3))
    kl, nats = latents.kl(posterior), None
    try:
        full = served.full("the likelihood of a picture")
    except Refusal:
        pass  # without torch: null, as the schema says
    else:
        from trine.serve.inside_generate import bound_of_each

        kl, nats = bound_of_each(full, images, label)
    return {
        "pictures": array_json(images),
        "reconstructions": array_json(found),
        "kl_nats": kl,
        "reconstruction_nats": nats,
        "squared_error": error.tolist(),
    }
