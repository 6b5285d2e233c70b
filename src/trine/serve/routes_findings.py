"""Routes: findings of a detector at work, as a list and as they come, and what they were."""

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from trine.live.finding import LiveFinding
from trine.live.store import Store
from trine.serve.refusals import Refusal
from trine.serve.service import PROBLEMS, Service, Strict, answer

LOOK = 0.5
"""Seconds between two looks into the store."""
HEARTBEAT = 15.0
"""Seconds without a finding after which a stream says that it lives."""
AT_ONCE = 200
"""Findings that are read from the store together."""
FindingId = Annotated[str, Path(description="Id of a finding, or its beginning", min_length=1, max_length=64)]


class FindingLine(BaseModel):
    """A line of a log that counts."""

    file: str
    line: int
    time: float | None
    text: str
    event: str
    surprisal: float
    expected: list[tuple[str, float]]


class StoredFinding(BaseModel):
    """A finding in its present state."""

    id: str
    model: str
    entity: str
    source: str
    p_value: float
    first_time: float | None = Field(description="Seconds since 1970")
    last_time: float | None
    events: int
    status: Literal["open", "closed"]
    lines: list[FindingLine] = Field(description="The lines that count, the most important first")
    members: dict[str, float]
    revision: int
    feedback: Literal["benign", "breach"] | None


class Findings(BaseModel):
    """Findings, those with the latest events first."""

    findings: list[StoredFinding]


class Feedback(Strict):
    """What a finding was."""

    verdict: Literal["benign", "breach"]


def router(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/findings", tags=["findings"], responses={**PROBLEMS})
    _add_list(routes, service)
    _add_stream(routes, service)  # before /{finding}: routes are tried in turn
    _add_one(routes, service)
    return routes


def _add_list(routes: APIRouter, service: Service) -> None:
    @routes.get("", response_model=Findings, summary="Findings, those with the latest events first")
    async def findings(
        status: Annotated[Literal["open", "closed"] | None, Query()] = None,
        entity: Annotated[str | None, Query(max_length=4000)] = None,
        source: Annotated[str | None, Query(max_length=4000)] = None,
        since: Annotated[
            float | None, Query(description="With an event at this time or later, in seconds since 1970")
        ] = None,
        most: Annotated[int, Query(ge=1, le=10_000)] = 200,
    ) -> Response:
        known = _store(service)
        found = await service.readers.run(
            lambda: known.findings(status=status, entity=entity, source=source, since=since, most=most)
        )
        verdicts = await service.readers.run(known.feedback)
        return answer({"findings": [_json(each, verdicts) for each in found]})


def _add_stream(routes: APIRouter, service: Service) -> None:
    open_streams = [0]

    @routes.get(
        "/events",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
        summary="Findings as they come: server-sent events named `finding`",
    )
    async def events(
        last_event_id: Annotated[str | None, Header(description="Goes on after this event")] = None,
        most: Annotated[int | None, Query(ge=0, le=10_000, description="End after so many; without, never")] = None,
    ) -> StreamingResponse:
        known = _store(service)
        if open_streams[0] >= service.settings.limits.streams:
            raise Refusal.busy(10)
        if last_event_id is not None and not (
            last_event_id.isascii() and last_event_id.isdigit() and len(last_event_id) < 16
        ):
            raise Refusal(422, "Last-Event-ID: no event of this stream")
        after = int(last_event_id) if last_event_id else await service.readers.run(known.last_change)

        async def stream() -> AsyncIterator[str]:
            open_streams[0] += 1
            try:
                async for part in _stream(service, known, after, most):
                    yield part
            finally:
                open_streams[0] -= 1

        return StreamingResponse(stream(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


def _add_one(routes: APIRouter, service: Service) -> None:
    @routes.get("/{finding}", response_model=StoredFinding, summary="One finding with its lines")
    async def one(finding: FindingId) -> Response:
        known = _store(service)
        found = await service.readers.run(lambda: _one(known, finding))
        return answer(_json(found, await service.readers.run(known.feedback)))

    @routes.post("/{finding}/feedback", response_model=StoredFinding, summary="Say what a finding was")
    async def feedback(finding: FindingId, given: Feedback) -> Response:
        known = _store(service)

        def keep() -> LiveFinding:
            meant = _one(known, finding)
            known.give_feedback(meant.id, given.verdict)
            return meant

        return answer(_json(await service.readers.run(keep), await service.readers.run(known.feedback)))


def _store(service: Service) -> Store:
    """The store. Raises `Refusal` (404) where there is none."""
    if service.store is None:
        raise Refusal(404, "no findings are shown here: start with `trine serve MODEL --store FILE`")
    return service.store


async def _stream(service: Service, store: Store, after: int, most: int | None) -> AsyncIterator[str]:
    """Findings that are new or have changed, as events; a comment where there is none for long."""
    sent, silent, last = 0, 0.0, after
    yield ": findings\n\n"
    while not service.stopping.is_set() and (most is None or sent < most):
        changed = await service.readers.run(partial(store.changes, last, AT_ONCE))
        verdicts = await service.readers.run(store.feedback) if changed else {}
        for last, finding in changed:
            yield f"id: {last}\nevent: finding\ndata: {json.dumps(_json(finding, verdicts))}\n\n"
            sent, silent = sent + 1, 0.0
            if most is not None and sent >= most:
                return
        if len(changed) < AT_ONCE:
            await asyncio.sleep(LOOK)
            silent += LOOK
        if silent >= HEARTBEAT:
            yield ": none\n\n"
            silent = 0.0


def _one(store: Store, start: str) -> LiveFinding:
    found = store.beginning_with(start)
    if len(found) != 1:
        many = "more than one finding has an id that begins" if found else "no finding has an id that begins"
        raise Refusal(404, f"{many} with {start!r:.70}")
    return found[0]


def _json(finding: LiveFinding, verdicts: Any) -> dict[str, Any]:
    return finding.as_json() | {"feedback": verdicts.get(finding.id)}
