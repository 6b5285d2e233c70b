"""Routes of classifiers: what pictures show, and what the network does with one."""

from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, File, Query, Request, Response, UploadFile
from pydantic import BaseModel, Field

from trine.errors import DataError
from trine.serve.models import Loaded
from trine.serve.refusals import Refusal
from trine.serve.service import PROBLEMS, ArrayJson, ModelName, Service, answer, array_json
from trine.serve.signatures import answers_task
from trine.serve.uploads import all_decoded, contents, decoded

Pictures = Annotated[list[UploadFile], File(description="Pictures: PNG, JPEG, WebP, GIF, TIFF and others")]
Picture = Annotated[UploadFile, File(description="One picture")]
MOST_PROBABLE = 5
"""Classes that an answer names."""
SHOWN = 16
"""Maps per layer that are given unless a layer is named: the strongest."""


class ClassifiedPicture(BaseModel):
    """The answer to one picture, or why there is none."""

    path: str = Field(description="Name of the file", examples=["cat.jpg"])
    label: str | None = Field(None, examples=["cat"])
    probability: float | None = Field(None, description="Calibrated probability of the label", examples=[0.93])
    top: list[tuple[str, float]] | None = Field(None, description="The most probable classes")
    typicality: float | None = Field(
        None, description="p-value among held-out training pictures: small means unlike them"
    )
    abstain: bool | None = Field(None, description="Whether the answer should not be used")
    words: str | None = Field(None, description="The answer as a sentence")
    error: str | None = Field(None, description="Why the picture cannot be read")


class Classified(BaseModel):
    """Answers in the order of the pictures."""

    pictures: list[ClassifiedPicture]


class LayerMapsJson(BaseModel):
    """Feature maps of a layer."""

    name: str = Field(examples=["block 1, convolution 1"])
    shape: list[int] = Field(description="Maps, rows, columns")
    shown: list[int] = Field(description="Indices of the maps that are given, the strongest first")
    maps: ArrayJson


class PictureMaps(BaseModel):
    """A picture's way through the network."""

    picture: ArrayJson
    layers: list[LayerMapsJson]


class Evidence(BaseModel):
    """Where in a picture the evidence for a class is."""

    label: str
    probability: float
    picture: ArrayJson
    heat: ArrayJson = Field(
        description="Per cell of the map, rows × columns: its part of the log-odds that a decision needs"
    )
    evidence: float = Field(
        description="Log-odds of the class, over those that the decision needs: from 1 on it is decided"
    )
    layer: str = Field(description="The layer whose maps are weighed")
    features: ArrayJson = Field(description="Inputs of the last layer")
    weights: ArrayJson = Field(description="Weights of the last layer for this class")
    logits: list[float]


class LayerFilters(BaseModel):
    """What a layer computes from the maps before it, step by step."""

    layer: str
    before: str | None = Field(description="The layer whose maps come in; null: the picture")
    steps: list[dict[str, Any]] = Field(
        description="normalise, convolution (weights, bias, stride, padding), pool, activate"
    )


def router(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/models/{model}", tags=["classify"], responses={**PROBLEMS})
    _add_answers(routes, service)
    _add_maps(routes, service)
    _add_reasons(routes, service)
    return routes


def _add_answers(routes: APIRouter, service: Service) -> None:
    limits = service.settings.limits

    @routes.post("/classify", response_model=Classified, summary="What pictures show")
    async def classify(model: ModelName, pictures: Pictures, request: Request) -> Response:
        served = service.models.get(model, "classify")
        given, loaded = await contents(pictures, limits), served.loaded
        read = await service.readers.run(lambda: [_read(content, name, loaded, service) for name, content in given])
        images = [image for image in read if not isinstance(image, str)]
        answers = iter(())  # type: Any
        if images:
            found = await service.compute(served, answers_task(loaded, np.stack(images)), request)
            answers = iter(_answers(found, loaded))
        listed = [
            {"path": name, "error": image} if isinstance(image, str) else {"path": name, **next(answers)}
            for (name, _), image in zip(given, read, strict=True)
        ]
        return answer({"pictures": listed})


def _add_maps(routes: APIRouter, service: Service) -> None:
    @routes.post("/maps", response_model=PictureMaps, summary="Feature maps, layer by layer")
    async def maps(
        model: ModelName,
        picture: Picture,
        request: Request,
        layer: Annotated[str | None, Query(description="All maps of this layer alone", max_length=100)] = None,
    ) -> Response:
        served = service.models.get(model, "classify")
        loaded = served.loaded
        image = await _one(service, loaded, picture)

        def compute() -> dict[str, Any]:
            found = _maps(loaded, image)
            if layer is not None and layer not in found:
                raise Refusal(404, f"no layer {layer!r:.80}: there are {', '.join(found)}")
            chosen = found if layer is None else {layer: found[layer]}
            layers = [_layer(name, values, None if layer else SHOWN) for name, values in chosen.items()]
            return {"picture": array_json(image), "layers": layers}

        return await service.respond(served, compute, request)


def _add_reasons(routes: APIRouter, service: Service) -> None:
    @routes.post("/explain", response_model=Evidence, summary="Grad-CAM: the evidence for a class, pixel by pixel")
    async def explain(
        model: ModelName,
        picture: Picture,
        request: Request,
        label: Annotated[
            str | None, Query(description="A class; without, the most probable one", max_length=1000)
        ] = None,
    ) -> Response:
        served = service.models.get(model, "classify")
        image = await _one(service, served.loaded, picture)

        def compute() -> dict[str, Any]:
            full = served.full("Grad-CAM")
            from trine.serve.inside_classify import evidence

            return {**evidence(full, image, label), "picture": array_json(image)}

        return await service.respond(served, compute, request)

    @routes.get("/filters", response_model=LayerFilters, summary="What a layer computes: its filters")
    async def filters(
        model: ModelName,
        request: Request,
        layer: Annotated[str | None, Query(description="Without, the first layer", max_length=100)] = None,
        chosen: Annotated[int | None, Query(alias="filter", description="This filter alone", ge=0)] = None,
    ) -> Response:
        served = service.models.get(model, "classify")

        def compute() -> dict[str, Any]:
            full = served.full("the filters of a layer")
            from trine.serve.inside_classify import anatomy

            return anatomy(full, layer, chosen)

        return await service.respond(served, compute, request)


def _read(content: bytes, name: str, loaded: Loaded, service: Service) -> np.ndarray | str:
    """The picture's pixels, or why it cannot be read."""
    model = loaded.model
    try:
        return decoded(content, name, (model.size, model.size), model.channels, model.reading, service.settings.limits)
    except DataError as problem:
        return str(problem)


async def _one(service: Service, loaded: Loaded, picture: UploadFile) -> np.ndarray:
    """One uploaded picture at the model's size."""
    given = await contents([picture], service.settings.limits)
    model = loaded.model
    read = service.readers.run(
        lambda: all_decoded(given, (model.size, model.size), model.channels, model.reading, service.settings.limits)[0]
    )
    image: np.ndarray = await read
    return image


def _answers(found: dict[str, np.ndarray], loaded: Loaded) -> list[dict[str, Any]]:
    model = loaded.model
    answers = []
    for probabilities, typicality, abstain in zip(
        found["probabilities"], found["typicality"], found["abstain"], strict=True
    ):
        order = np.argsort(-probabilities, kind="stable")[:MOST_PROBABLE].tolist()
        top = [(model.classes[index], float(probabilities[index])) for index in order]
        given = {
            "label": top[0][0],
            "probability": top[0][1],
            "top": top,
            "typicality": float(typicality),
            "abstain": bool(abstain),
        }
        answers.append({**given, "words": _words(top, float(typicality), model.threshold, model.unlike)})
    return answers


def _words(top: list[tuple[str, float]], typicality: float, threshold: float, unlike: float) -> str:
    """The answer as a sentence."""
    label, probability = top[0]
    if typicality < unlike:
        rare = f"only {100 * typicality:.2g} % of those are as unusual"
        return f"Unlike the training pictures: {rare}. Do not use the answer."
    if probability < threshold:
        second = f" or {top[1][0]}" if len(top) > 1 else ""
        below = f"{100 * probability:.0f} % is below the {100 * threshold:.0f} % that a decision needs"
        return f"Not sure: perhaps {label}{second}. {below}."
    return f"{label}, {100 * probability:.0f} % sure."


def _maps(loaded: Loaded, image: np.ndarray) -> dict[str, np.ndarray]:
    """The maps of every layer."""
    if loaded.engine == "torch":
        from trine.serve.inside_classify import maps_of

        return maps_of(loaded.model, image)
    found = loaded.graph("maps").run(pictures=image[None])
    prefix = "maps/"
    return {name.removeprefix(prefix): values[0] for name, values in found.items() if name.startswith(prefix)}


def _layer(name: str, values: np.ndarray, most: int | None) -> dict[str, Any]:
    strongest = np.argsort(-values.clip(0).mean((1, 2)), kind="stable")[:most]
    return {
        "name": name,
        "shape": list(values.shape),
        "shown": strongest.tolist(),
        "maps": array_json(values[strongest]),
    }
