"""Routes of generators: the directions of the latent space that matter, and its map in two dimensions."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from trine.generate.arguments import LARGEST_SEED
from trine.serve.latent_space import LatentSpace, LatentSpaces
from trine.serve.latents import latents_of
from trine.serve.refusals import Refusal
from trine.serve.service import PROBLEMS, ArrayJson, ModelName, Service, array_json

MAPPED, MOST_MAPPED = 256, 1024
"""Pictures on a map, unless the request says how many, and at most."""
Axis = Annotated[int | None, Query(ge=0, description="Place of a direction in /directions")]


class Direction(BaseModel):
    """A direction of the latent space."""

    name: str = Field(examples=["direction 1"])
    share: float | None = Field(
        description="Share of the variance of the training pictures' latents; null for a single number"
    )
    nats: float | None = Field(description="Of a single number: mean KL divergence; null for a principal direction")
    moves: float = Field(
        description="Root mean square change of the pixels from one standard deviation below to one above, in parts of "
        "the full range"
    )


class Unit(BaseModel):
    """A number of the latent vector."""

    unit: int
    nats: float = Field(description="Mean KL divergence: its information about a picture")


class DirectionsJson(BaseModel):
    """The principal directions, those with the largest variance first.

    Models of former versions have none: single numbers of the latent vector take their place.
    """

    directions: list[Direction]
    centre: ArrayJson = Field(description="Mean of the training pictures' latents")
    steps: ArrayJson = Field(description="Directions × latent: one standard deviation along each")
    units: list[Unit] = Field(description="The numbers of the latent vector, the most informative first")


class LatentMap(BaseModel):
    """New pictures in the plane of two directions."""

    axes: list[Direction] = Field(description="Across, then up")
    points: list[tuple[float, float]] = Field(description="Standard deviations along both")
    labels: list[str | None]
    latents: ArrayJson = Field(description="Mean of each picture's latent vector")
    pictures: ArrayJson


def router(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/models/{model}", tags=["generate"], responses={**PROBLEMS})
    spaces = LatentSpaces(service)

    @routes.get("/directions", response_model=DirectionsJson, summary="The directions of the latent space that matter")
    async def directions(model: ModelName, request: Request) -> Response:
        served = service.models.get(model, "generate")
        loaded = served.loaded
        space, along = LatentSpace(latents_of(loaded)), await spaces.directions(served, loaded, request)

        def compute() -> dict[str, Any]:
            arrays = {"centre": array_json(space.directions.centre), "steps": array_json(space.directions.steps)}
            return {"directions": along, **arrays, "units": space.units()}

        return await service.respond(served, compute, request)

    @routes.get("/map", response_model=LatentMap, summary="The latent space in two dimensions")
    async def latent_map(
        model: ModelName,
        request: Request,
        n: Annotated[int, Query(ge=1, le=MOST_MAPPED, description="Number of pictures")] = MAPPED,
        across: Axis = None,
        up: Axis = None,
        seed: Annotated[int, Query(ge=0, le=LARGEST_SEED, description="The same seed gives the same pictures")] = 0,
    ) -> Response:
        served = service.models.get(model, "generate")
        loaded = served.loaded
        space = LatentSpace(latents_of(loaded))
        chosen = _plane(len(space.directions.steps), across, up)
        along = await spaces.directions(served, loaded, request)
        drawn = await spaces.drawn(served, loaded, n, seed, request)

        def compute() -> dict[str, Any]:
            return {
                "axes": [along[index] for index in chosen],
                "points": space.directions.at(drawn.means)[:, chosen].tolist(),
                "labels": drawn.labels,
                "latents": array_json(drawn.means),
                "pictures": array_json(drawn.pictures),
            }

        return await service.respond(served, compute, request)

    return routes


def _plane(count: int, across: int | None, up: int | None) -> list[int]:
    """The two directions of a map; without a wish, the first two. Raises `Refusal`."""
    for index in (across, up):
        if index is not None and index >= count:
            raise Refusal(422, f"no direction {index}: the model has {count}, from 0")
    first = 0 if across is None else across
    others = [index for index in range(count) if index != first] or [first]
    return [first, others[0] if up is None else up]
