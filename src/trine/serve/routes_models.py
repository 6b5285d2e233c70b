"""Routes: which models there are, and what is known about each."""

from typing import Any

from fastapi import APIRouter, Response
from pydantic import BaseModel, Field

from trine import bundle
from trine.sequences.vocabulary import EVENT
from trine.serve.latents import latents_of
from trine.serve.models import ServedModel
from trine.serve.service import PROBLEMS, ModelName, Service, answer

OWN_PATTERN = "lines by the pattern of its training"
"""What a detector reads whose log has no format of a name."""
EXAMPLE = 4
"""Events of a detector that are named as an example."""


class Model(BaseModel):
    """A model in the list."""

    name: str = Field(examples=["cats"])
    task: str = Field(examples=["classify"])
    engine: str = Field(description="What computes: onnxruntime or torch")
    version: str = Field(description="Changes with the weights")
    classes: list[str] = []
    size: int | list[int] | None = Field(None, description="Side of its pictures in pixels, or height and width")
    channels: int | None = Field(None, description="1: grey, 3: colour, 4: colour and opacity")
    data: str = Field("", description="Name of the training data")


class ModelList(BaseModel):
    """All models."""

    models: list[Model]
    store: bool = Field(description="Whether findings of a detector at work are shown")


class ModelDetails(Model):
    """A model with all that its bundle says."""

    about: dict[str, Any] = Field(description="What the task needs: thresholds, members, shapes of latents")
    recipe: dict[str, Any]
    figures: dict[str, Any] = Field(description="Result of the evaluation, as in result.json")
    card: str = Field(description="The model card, in Markdown")


def router(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/models", tags=["models"], responses={**PROBLEMS})

    @routes.get("", response_model=ModelList, summary="All models")
    async def models() -> Response:
        short = [_short(model) for model in service.models.by_name.values()]
        return answer({"models": short, "store": service.store is not None})

    @routes.get("/{model}", response_model=ModelDetails, summary="One model with its figures")
    async def details(model: ModelName) -> Response:
        served = service.models.get(model)
        loaded = served.loaded
        card = loaded.folder / bundle.CARD
        return answer(
            {
                **_short(served),
                "about": _about(served),
                "recipe": loaded.manifest.recipe,
                "figures": loaded.manifest.figures,
                "card": card.read_text(encoding="utf-8", errors="replace") if card.is_file() else "",
            }
        )

    return routes


def _short(served: ServedModel) -> dict[str, Any]:
    loaded = served.loaded
    content = loaded.manifest.content
    return {
        "name": served.name,
        "task": loaded.manifest.task,
        "engine": loaded.engine,
        "version": loaded.version,
        "classes": content.get("classes", []),
        "size": content.get("size"),
        "channels": content.get("channels"),
        "data": str(loaded.manifest.data.get("name", "")),
    }


def _about(served: ServedModel) -> dict[str, Any]:
    loaded = served.loaded
    model: Any = loaded.model
    if loaded.manifest.task == "classify":
        return {"threshold": model.threshold, "unlike": model.unlike}
    if loaded.manifest.task == "detect":
        return {
            "share": model.share,
            "log_format": model.log_format or (OWN_PATTERN if model.log_settings.pattern else None),
            "members": list(model.ensemble.names),
            "cell": loaded.manifest.recipe.get("cell"),
            "columns": list(model.vocabulary.values),
            "events": model.vocabulary.sizes[EVENT],
            "example": list(model.vocabulary.values[EVENT][:EXAMPLE]),
        }
    return {
        "shapes": [list(shape) for shape in latents_of(loaded).shapes],
        "prior": loaded.manifest.recipe.get("prior"),
    }
