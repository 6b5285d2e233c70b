"""Routes: runs that are finished or going on, with their curves."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field, StringConstraints

from trine.serve.service import PROBLEMS, Service, answer

RunName = Annotated[str, Path(description="Name of a run", max_length=300)]

Since = Annotated[str, StringConstraints(pattern=r"^(\w{1,80}:)?(-1|[0-9]{1,15})$")]


class Run(BaseModel):
    """A run in the list."""

    name: str = Field(examples=["classify-photos"])
    task: str
    data: str
    finished: bool
    changed: float = Field(description="When its curves were last written, in seconds since 1970")
    step: int | None = Field(description="Its last step so far")
    steps: int | None = Field(description="Steps in all, where they are known")
    metrics: dict[str, float | bool] = Field(description="Figures of its evaluation")
    compute: dict[str, Any] | None


class RunList(BaseModel):
    """All runs."""

    runs: list[Run]


class RunDetails(Run):
    """A run with its curves."""

    recipe: dict[str, Any]
    plan: dict[str, Any]
    result: dict[str, Any] | None
    curves: dict[str, list[dict[str, Any]]] = Field(
        description='By stage, "" for the training itself: entries of metrics.jsonl'
    )
    pictures: list[str]


def router(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/runs", tags=["runs"], responses={**PROBLEMS})

    @routes.get("", response_model=RunList, summary="All runs, the last to be written first")
    async def runs() -> Response:
        return answer({"runs": await service.readers.run(service.runs.listed)})

    @routes.get("/{run}", response_model=RunDetails, summary="One run with its curves")
    async def details(
        run: RunName,
        since: Annotated[
            list[Since],
            Query(
                max_length=20,
                description="Only entries after this step, to follow a run that goes on: STEP of the training itself, "
                "STAGE:STEP of another stage",
                examples=[["120", "flow:30"]],
            ),
        ] = [],  # noqa: B006  (FastAPI copies it)
    ) -> Response:
        known = dict(_stage_and_step(word) for word in since)
        return answer(await service.readers.run(lambda: service.runs.details(run, known)))

    @routes.get(
        "/{run}/pictures/{picture}",
        response_class=Response,
        responses={200: {"content": {"image/png": {}}}},
        summary="A picture of a run",
    )
    async def picture(run: RunName, picture: Annotated[str, Path(max_length=100)]) -> Response:
        content = await service.readers.run(lambda: service.runs.picture(run, picture))
        return Response(content, media_type="image/png")

    return routes


def _stage_and_step(word: str) -> tuple[str, int]:
    """Stage, "" for the training itself, and step."""
    stage, _, step = word.rpartition(":")
    return stage, int(step)
