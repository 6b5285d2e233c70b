"""Routes of detectors: sessions of a pasted log, sequences, an edited session, and the gates."""

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field, ValidationError

from trine.serve.refusals import Refusal
from trine.serve.service import PROBLEMS, ArrayJson, ModelName, Service, Strict
from trine.serve.sessions import GivenSequence, judged_log, judged_sequence, judged_sequences, table_of

Event = Annotated[str, Field(min_length=1, max_length=4000)]
Seconds = Annotated[float, Field(ge=-1e11, le=1e11, allow_inf_nan=False)]
MOST_POSITIONS = 200
"""Positions at which one request can ask what was expected."""
Positions = Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=MOST_POSITIONS)]


class Log(Strict):
    """A log, as it was pasted."""

    log: str = Field(description="Its lines", examples=["Oct 10 13:00:00 host sshd[1]: Accepted publickey for ann"])
    most: int = Field(100, ge=1, le=1000, description="Sessions that are listed with their events")


class SequenceJson(Strict):
    """A sequence of events."""

    events: list[Event] = Field(min_length=1, examples=[["open", "read", "close"]])
    times: list[Seconds | None] | None = Field(None, description="Seconds, one per event; they do not decrease")
    attributes: dict[str, list[str]] = Field({}, description="Further columns, one value per event")
    name: str = Field("", max_length=1000)


class Sequences(Strict):
    """Sequences to be judged."""

    sequences: list[SequenceJson] = Field(min_length=1)


class EditedSequence(SequenceJson):
    """A sequence to be judged in full."""

    expected: Positions = Field([], description="Positions, from 0, at which the most probable events are named")


class FindingJson(BaseModel):
    """The judgement of one sequence."""

    name: str
    p_value: float = Field(description="Share of held-out normal sequences that are at least as strange")
    score: float
    flagged: bool
    loudest: str = Field(description="The member with the smallest p-value")
    members: dict[str, float] = Field(description="Each member's p-value")
    length: int
    entity: str
    source: str
    first_time: str | None
    last_time: str | None
    never_seen: int = Field(description="Events that no normal sequence of the training has")


class Judged(BaseModel):
    """Judgements in the order of the sequences."""

    findings: list[FindingJson]


class SessionEvent(BaseModel):
    """An event of a session."""

    event: str
    surprisal: float = Field(description="−ln p given the events before it, in nats")
    never_seen: bool
    line: int | None = Field(description="Number of its line in the log")
    text: str | None = Field(description="Its record in the log")


class Session(FindingJson):
    """A session with its events."""

    events: list[SessionEvent]
    times: list[float | None] | None = Field(description="Seconds since 1970")
    attributes: dict[str, list[str]]


class JudgedLog(BaseModel):
    """The sessions of a log."""

    reading: dict[str, Any] | None = Field(description="What became of its lines")
    remarks: list[str]
    sessions: int
    events: int
    flagged: int
    share: float = Field(description="The share of normal sessions that may be flagged")
    listed: list[Session] = Field(description="The strangest first")


class ExpectedEvents(BaseModel):
    """What was expected at a position."""

    position: int
    events: list[tuple[str, float]] = Field(description="The most probable events with their probabilities")


class JudgedSequence(FindingJson):
    """A sequence in full."""

    surprisals: list[float]
    never_seen_at: list[int]
    expected: list[ExpectedEvents]


class LayerGates(BaseModel):
    """One layer over the events."""

    layer: int
    values: dict[str, ArrayJson] = Field(description="Gates, cell state and output: events × units")


class Gates(BaseModel):
    """The inside of the network over a sequence."""

    cell: str
    layers: list[LayerGates]


class ReachedSequence(SequenceJson):
    """A sequence with one of its events."""

    position: int = Field(ge=0, description="From 0")


class Reach(BaseModel):
    """How far back the network looks from an event."""

    position: int
    reach: list[float] = Field(
        description="Norm of ∂ surprisal of this event / ∂ the event k before it, k = 1, 2, … up to 100"
    )


def router(service: Service) -> APIRouter:
    """The routes."""
    routes = APIRouter(prefix="/api/models/{model}", tags=["detect"], responses={**PROBLEMS})
    _add_logs(routes, service)
    _add_sequences(routes, service)
    _add_inside(routes, service)
    return routes


def _add_logs(routes: APIRouter, service: Service) -> None:
    limit = service.settings.limits.events
    as_text = {"text/plain": {"schema": {"type": "string"}, "example": "Oct 10 13:00:00 host sshd[1]: Accepted …"}}
    as_json = {"application/json": {"schema": Log.model_json_schema(ref_template="#/components/schemas/{model}")}}
    body = {"requestBody": {"required": True, "content": as_json | as_text}}

    @routes.post(
        "/sessions", response_model=JudgedLog, openapi_extra=body, summary="A log as sessions, the strangest first"
    )
    async def sessions(model: ModelName, request: Request) -> Response:
        served = service.models.get(model, "detect")
        log, detector = await _log(request), served.loaded.model
        if log.log.count("\n") >= limit:
            raise Refusal(413, f"the log has more than {limit:,} lines: send a part of it")
        return await service.respond(served, lambda: judged_log(detector, log.log, log.most), request)


def _add_sequences(routes: APIRouter, service: Service) -> None:
    limit = service.settings.limits.events

    @routes.post("/score", response_model=Judged, summary="Sequences of events, judged")
    async def score(model: ModelName, given: Sequences, request: Request) -> Response:
        served = service.models.get(model, "detect")
        _within(sum(len(each.events) for each in given.sequences), limit)
        detector, sequences = served.loaded.model, [_sequence(each) for each in given.sequences]
        return await service.respond(served, lambda: {"findings": judged_sequences(detector, sequences)}, request)

    @routes.post("/sequence", response_model=JudgedSequence, summary="One sequence, event by event, perhaps edited")
    async def sequence(model: ModelName, given: EditedSequence, request: Request) -> Response:
        served = service.models.get(model, "detect")
        _within(len(given.events), limit)
        detector, read = served.loaded.model, _sequence(given)
        return await service.respond(served, lambda: judged_sequence(detector, read, given.expected), request)


def _add_inside(routes: APIRouter, service: Service) -> None:
    limit = service.settings.limits.events

    @routes.post("/gates", response_model=Gates, summary="Gates and cell state over a sequence")
    async def gates(model: ModelName, given: SequenceJson, request: Request) -> Response:
        served = service.models.get(model, "detect")
        _within(len(given.events), limit // 10)

        def compute() -> dict[str, Any]:
            full = served.full("the inside of the network")
            from trine.serve.inside_detect import gates

            return gates(full, table_of([_sequence(given)]))

        return await service.respond(served, compute, request)

    @routes.post("/reach", response_model=Reach, summary="How far back the network looks from an event")
    async def reach(model: ModelName, given: ReachedSequence, request: Request) -> Response:
        served = service.models.get(model, "detect")
        _within(len(given.events), limit // 10)

        def compute() -> dict[str, Any]:
            full = served.full("the inside of the network")
            from trine.serve.inside_detect import reach

            return reach(full, table_of([_sequence(given)]), given.position)

        return await service.respond(served, compute, request)


async def _log(request: Request) -> Log:
    """The log of a request. Raises `Refusal`."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await request.body()
    if kind == "text/plain":
        return Log(log=body.decode("utf-8", "replace"), most=100)
    if kind != "application/json":
        raise Refusal(415, f"Content-Type {kind:.80}: give application/json or text/plain")
    try:
        return Log.model_validate_json(body)
    except ValidationError as problem:
        first = problem.errors()[0]
        raise Refusal(422, f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None


def _sequence(given: SequenceJson) -> GivenSequence:
    return GivenSequence(given.events, given.times, given.attributes, given.name)


def _within(events: int, limit: int) -> None:
    if events > limit:
        raise Refusal(413, f"{events:,} events in one request: the limit is {limit:,}")
