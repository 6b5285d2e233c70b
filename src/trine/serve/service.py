"""What the routes of a service share: its models, limits, readers, findings and runs."""

import base64
import math
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from threading import Event
from typing import Annotated, Any

import numpy as np
from fastapi import Path, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from trine.live.store import Store
from trine.serve.batching import Task
from trine.serve.metrics import Metrics
from trine.serve.models import Models, ServedModel
from trine.serve.refusals import Refusal
from trine.serve.runs import Runs
from trine.serve.settings import Settings
from trine.serve.uploads import Readers

VERSION = version("trine")
ModelName = Annotated[str, Path(description="Name of a model", max_length=64, examples=["cats"])]


@dataclass(eq=False)
class Service:
    """A service at work."""

    settings: Settings
    models: Models
    metrics: Metrics
    runs: Runs
    store: Store | None = None
    """Findings of a detector at work, where they are shown."""
    readers: Readers = field(default_factory=Readers)
    stopping: Event = field(default_factory=Event)
    """Set when the service is about to end: it is not ready any more, and streams end."""

    async def compute(self, model: ServedModel, task: Task, request: Request) -> Any:
        """What a task gives on the model's thread. Raises `Refusal`, `ClientGone`."""
        return await model.worker.answer(task, self.settings.limits.seconds, request.receive)

    async def in_turn(self, model: ServedModel, tasks: Iterable[Task], request: Request) -> None:
        """Compute tasks one after the other, each with its own place in the queue: other requests come in between.

        Raises `Refusal`, 504 where they take longer together than one answer may; `ClientGone`.
        """
        seconds = self.settings.limits.seconds
        end = time.monotonic() + seconds
        for task in tasks:
            if time.monotonic() > end:
                raise Refusal.late(seconds)
            await self.compute(model, task, request)

    async def respond(
        self, model: ServedModel, compute: Callable[[], Any], request: Request, rows: int = 1
    ) -> JSONResponse:
        """The JSON of what `compute` gives, all of it made on the model's thread. Raises `Refusal`, `ClientGone`."""
        made: JSONResponse = await self.compute(model, Task.alone(lambda: answer(compute()), rows), request)
        return made


class Strict(BaseModel):
    """Base of what is sent to the service: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """What is answered in place of a result."""

    error: str = Field(description="What is wrong, in one line", examples=["no model 'dogs': there are cats"])


class ArrayJson(BaseModel):
    """An array: little-endian values in C order, as base64."""

    dtype: str = Field(examples=["uint8", "float32"])
    shape: list[int] = Field(examples=[[64, 28, 28, 1]])
    base64: str


PROBLEMS: Mapping[int | str, dict[str, Any]] = {
    422: {"model": Problem, "description": "What is asked for cannot be done: one line says why"},
    "default": {"model": Problem, "description": "Refused: one line says why. 429 has a Retry-After"},
}
"""Answers that every route can give."""


def array_json(array: np.ndarray) -> dict[str, Any]:
    """An array as `ArrayJson`; numbers with a point as float32."""
    small = array if array.dtype == np.uint8 else array.astype(np.float32)
    content = np.ascontiguousarray(small.astype(small.dtype.newbyteorder("<"), copy=False)).tobytes()
    return {"dtype": small.dtype.name, "shape": list(small.shape), "base64": base64.b64encode(content).decode()}


def answer(content: Any) -> JSONResponse:
    """A JSON answer; numbers that are not finite become null."""
    return JSONResponse(_finite(content))


def _finite(content: Any) -> Any:
    if isinstance(content, float):
        return content if math.isfinite(content) else None
    if isinstance(content, dict):
        return {key: _finite(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_finite(value) for value in content]
    return content
