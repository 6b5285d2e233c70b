"""The Open Inference Protocol, version 2: health, metadata, inference with JSON and binary tensors."""

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from trine.errors import TrineError
from trine.serve.models import Loaded, ServedModel
from trine.serve.refusals import Refusal
from trine.serve.service import PROBLEMS, VERSION, ModelName, Service
from trine.serve.signatures import ENCODER, Signature, metadata, signature
from trine.serve.tensors import HEADER_LENGTH, read_request, write_response

CONTENT_TYPES = ("application/json", "application/octet-stream", "application/vnd.kserve.infer+binary")
"""What the body of an inference can be; clients that send tensors as bytes leave it out, or use the second."""
LARGEST_ON_LOOP = 1 << 20
"""Bytes of a request that is read on the loop; the tensors of a larger one are read beside it."""
INFER_BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["inputs"],
                "properties": {
                    "id": {"type": "string"},
                    "inputs": {"type": "array", "items": {"$ref": "#/components/schemas/InferTensor"}},
                    "outputs": {"type": "array", "items": {"type": "object"}},
                    "parameters": {"type": "object"},
                },
            },
            "example": {
                "inputs": [{"name": "events", "datatype": "BYTES", "shape": [2], "data": ["open", "read"]}],
            },
        }
    },
}


class ServerMetadata(BaseModel):
    """What serves."""

    name: str
    version: str
    extensions: list[str]


class PortJson(BaseModel):
    """An input or output."""

    name: str
    datatype: str
    shape: list[int]
    parameters: dict[str, Any] | None = None


class ModelMetadata(BaseModel):
    """What a model takes and gives."""

    name: str
    versions: list[str]
    platform: str
    inputs: list[PortJson]
    outputs: list[PortJson]


class InferTensor(BaseModel):
    """A tensor."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Any] | None = None
    parameters: dict[str, Any] | None = None


class InferResponse(BaseModel):
    """The outputs of a model."""

    model_name: str
    model_version: str
    id: str | None = None
    outputs: list[InferTensor]


class _Infer:
    """An inference, with all that it needs."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._known: dict[str, tuple[Loaded, Signature]] = {}

    def signature(self, name: str) -> tuple[ServedModel, Loaded, Signature]:
        """The model behind a name, its present state, and what that takes. Raises `Refusal` (404)."""
        models = self._service.models
        encoder = name not in models.by_name and name.endswith(ENCODER)
        model = models.get(name.removesuffix(ENCODER) if encoder else name)
        loaded, known = model.loaded, self._known.get(name)
        if known is None or known[0] is not loaded:
            known = self._known[name] = (loaded, signature(loaded, self._service.settings.limits, encoder))
        return model, loaded, known[1]

    async def __call__(self, name: str, version: str | None, request: Request) -> Response:
        """The answer to a request."""
        kind = request.headers.get("content-type", "application/octet-stream").partition(";")[0].strip().lower()
        if kind not in CONTENT_TYPES:
            raise Refusal(415, f"Content-Type {kind:.80}: give {' or '.join(CONTENT_TYPES[:2])}")
        if "content-encoding" in request.headers:
            raise Refusal(415, "compressed requests are not read: send it as it is")
        model, loaded, described = self.signature(name)
        _check_version(name, version, loaded)
        body = await request.body()
        header_length = request.headers.get(HEADER_LENGTH)

        def read() -> Any:
            parsed = read_request(body, header_length, described.inputs)
            return parsed, described.task(parsed.tensors)

        parsed, task = read() if len(body) < LARGEST_ON_LOOP else await self._service.readers.run(read)
        try:
            outputs = await self._service.compute(model, task, request)
        except TrineError as problem:
            raise Refusal(400, str(problem)) from None
        content, head = write_response(parsed, name, loaded.version, outputs)
        if head is None:
            return Response(content, media_type="application/json")
        return Response(content, media_type="application/octet-stream", headers={HEADER_LENGTH: str(head)})


def router(service: Service) -> APIRouter:
    """The routes of the protocol."""
    routes, infer = APIRouter(prefix="/v2", tags=["Open Inference Protocol"], responses={**PROBLEMS}), _Infer(service)
    _add_inference(routes, infer)  # first, as the route that is asked for most: routes are tried in turn
    _add_server(routes, service)
    _add_metadata(routes, infer)
    return routes


def _add_inference(routes: APIRouter, infer: _Infer) -> None:
    described: dict[str, Any] = {
        "response_model": InferResponse,
        "openapi_extra": {"requestBody": INFER_BODY},
        "summary": "Tensors in, tensors out",
    }

    @routes.post("/models/{model}/infer", **described)
    async def infer_model(model: ModelName, request: Request) -> Response:
        return await infer(model, None, request)

    @routes.post("/models/{model}/versions/{version}/infer", **described)
    async def infer_version(model: ModelName, version: str, request: Request) -> Response:
        return await infer(model, version, request)


def _add_server(routes: APIRouter, service: Service) -> None:
    @routes.get("", response_model=ServerMetadata, summary="What serves")
    async def server() -> Any:
        return {"name": "trine", "version": VERSION, "extensions": ["binary_tensor_data"]}

    @routes.get("/health/live", summary="Whether the process lives")
    async def live() -> dict[str, bool]:
        return {"live": True}

    @routes.get(
        "/health/ready", summary="Whether requests are answered", responses={503: {"description": "It is ending"}}
    )
    async def ready() -> JSONResponse:
        is_ready = not service.stopping.is_set()
        return JSONResponse({"ready": is_ready}, 200 if is_ready else 503)

    @routes.post("/repository/index", summary="All models, as Triton lists them")
    async def index() -> list[dict[str, str]]:
        return [
            {"name": name, "version": model.loaded.version, "state": "READY", "reason": ""}
            for name, model in service.models.by_name.items()
        ]


def _add_metadata(routes: APIRouter, infer: _Infer) -> None:
    @routes.get(
        "/models/{model}", response_model=ModelMetadata, response_model_exclude_none=True, summary="Inputs and outputs"
    )
    @routes.get(
        "/models/{model}/versions/{version}",
        response_model=ModelMetadata,
        response_model_exclude_none=True,
        summary="Inputs and outputs",
    )
    async def model_metadata(model: ModelName, version: str | None = None) -> Any:
        _, loaded, takes = infer.signature(model)
        _check_version(model, version, loaded)
        return metadata(model, loaded, takes)

    @routes.get("/models/{model}/ready", summary="Whether a model answers")
    @routes.get("/models/{model}/versions/{version}/ready", summary="Whether a model answers")
    async def model_ready(model: ModelName, version: str | None = None) -> dict[str, Any]:
        _, loaded, _ = infer.signature(model)
        _check_version(model, version, loaded)
        return {"name": model, "ready": True}


def _check_version(name: str, version: str | None, loaded: Loaded) -> None:
    if version is not None and version != loaded.version:
        raise Refusal(404, f"{name} has no version {version!r:.40}: it has {loaded.version}")
