"""The application: all routes behind the guard."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from trine.errors import TrineError
from trine.serve import (
    oip,
    reload,
    routes_classify,
    routes_detect,
    routes_findings,
    routes_generate,
    routes_latent_space,
    routes_models,
    routes_runs,
)
from trine.serve.guard import Guard
from trine.serve.refusals import ClientGone, Refusal
from trine.serve.service import VERSION, Service

STATIC = Path(__file__).parent / "static"
"""The page."""
GONE = 499
"""Status in log and metrics where the client left before its answer."""
NOT_SENT: Any = {"auto_configure": False, "tracing": False, "metrics": False, "logs": False}
"""FastAPI would send traces to wherever the environment says; nothing is sent from here."""
ROOMS = (
    oip,
    routes_models,
    routes_classify,
    routes_detect,
    routes_generate,
    routes_latent_space,
    routes_runs,
    routes_findings,
)


def application(service: Service) -> Guard:
    """The application of a service; its lifespan watches the models on disk."""
    app = FastAPI(
        title="Trine",
        version=VERSION,
        summary="Classify pictures, judge event sequences, make pictures",
        docs_url=None,
        redoc_url=None,
        telemetry=NOT_SENT,
        lifespan=_lifespan(service),
        generate_unique_id_function=lambda route: f"{route.name}-{route.path_format}",
    )
    for room in ROOMS:
        app.include_router(room.router(service))

    @app.get("/metrics", response_class=Response, include_in_schema=False)
    async def metrics() -> Response:
        return Response(service.metrics.text(), media_type="text/plain; version=0.0.4")

    for kind, handler in HANDLERS.items():
        app.add_exception_handler(kind, handler)
    app.mount("/", StaticFiles(directory=STATIC, html=True), name="page")
    return Guard(app, service.settings, service.metrics.ended)


def _lifespan(service: Service) -> Any:
    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        models = service.models.by_name.values()
        watchers = [asyncio.create_task(reload.watch(each, service.settings, service.metrics)) for each in models]
        watchers.append(asyncio.create_task(_look(service)))
        yield
        for watcher in watchers:
            watcher.cancel()
        for watcher in watchers:
            with suppress(asyncio.CancelledError):
                await watcher
        service.readers.close()
        await asyncio.to_thread(service.models.close)

    return lifespan


async def _look(service: Service) -> None:
    """Note what waits, for whichever worker is asked for the metrics."""
    while True:
        service.metrics.look()
        await asyncio.sleep(1)


async def _refused(_: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Refusal)
    return JSONResponse({"error": refusal.message}, refusal.status, refusal.headers)


async def _failed(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, TrineError)
    return await _refused(request, Refusal.of(problem))


async def _gone(_: Request, __: Exception) -> Response:
    return Response(status_code=GONE)


async def _unexpected(request: Request, _: Exception) -> Response:
    """The guard logs the error; the client is told its number alone."""
    number = request.scope.get("trine.request", "")
    return JSONResponse({"error": f"an error of the service: its log says more under {number}"}, 500)


async def _invalid(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, RequestValidationError)
    first = problem.errors()[0]
    kind = first.get("type", "")
    place = ".".join(str(part) for part in first["loc"])
    message = "the body is not JSON" if kind == "json_invalid" else f"{place}: {first['msg']}"
    return JSONResponse({"error": message[:500]}, 422)


async def _http(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)
    return JSONResponse({"error": str(problem.detail)}, problem.status_code, problem.headers)


HANDLERS: dict[type[Exception], Any] = {
    Refusal: _refused,
    TrineError: _failed,
    ClientGone: _gone,
    RequestValidationError: _invalid,
    HTTPException: _http,
    Exception: _unexpected,
}
