"""`HttpSource`: an HTTP server that takes logs from the shippers that people run already.

POST /             JSON lines, a JSON array, or plain lines (Vector, Fluent Bit, curl)
POST /v1/logs      OTLP in JSON or protobuf (OpenTelemetry Collector and SDKs)
POST /_bulk        Elasticsearch's bulk format (Filebeat, Logstash, rsyslog); also /INDEX/_bulk

- A sender gets its answer after its batch is committed. If it gets none and sends the batch again, the batch is counted
  once: digests of batches without an answer are a part of the position.
- Full queue: 429 with Retry-After. Bodies are limited, as sent and as unpacked.

The server is uvicorn with Starlette: HTTP that shippers send with chunks, `Expect`, keep-alive and slow connections is
not to be written once more, and the server of the standard library is not meant to face a network.
"""

import asyncio
import hashlib
import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, cast

from trine.datasets.lines import Skips
from trine.errors import UsageError
from trine.live.http_bodies import MAX_BODY, BodyError, bulk, json_lines, otlp_json, otlp_protobuf, unpacked_body
from trine.live.listening import listening
from trine.live.source import Batch, Notes, log
from trine.log_formats.log_event import Line

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

QUEUED: Final = 1 << 26
"""Characters of lines that may wait in the memory: 64 MiB."""
QUEUED_BATCHES: Final = 1000
REMEMBERED: Final = 1000
"""Batches without an answer that are remembered."""
PATIENCE: Final = 60.0
"""Seconds after which a sender whose batch is still not committed is asked to send it again."""
_READERS: Final = 4
"""Bodies that are unpacked and read at once."""
_SENDERS: Final = 500
"""Connections that are served at once; further ones are answered with 503."""
_RETRY: Final = {"Retry-After": "1"}
_KINDS: Final = ("/", "/v1/logs", "/_bulk")
"""Each is a file of the source, as each has a log format of its own."""


@dataclass
class _Waiting:
    """A batch that is not committed yet."""

    kind: int
    digest: str
    texts: list[str]
    committed: asyncio.Event = field(default_factory=asyncio.Event)
    size: int = 0
    """Characters in the memory."""

    def __post_init__(self) -> None:
        self.size = sum(map(len, self.texts))


class HttpSource:
    """The server. `host`: an address of this machine; `port` 0: any that is free.

    Raises `DataError` if it cannot listen there, `UsageError` if the extra `live` is not installed.
    """

    def __init__(self, host: str, port: int) -> None:
        self.name, self.ended = f"http://{host}:{port}", False
        self.files = [self.name + kind for kind in _KINDS]
        self.skips = Skips(self.name)
        self.resent = 0
        """Number of batches that came again and were counted once."""
        self._notes = Notes(self.skips)
        self._numbers = [0] * len(_KINDS)
        self._queue: deque[_Waiting] = deque()
        self._queued = 0
        self._turn = threading.Lock()
        self._in_flight: dict[str, _Waiting] = {}
        """Batches that are not committed, by digest."""
        self._unanswered: OrderedDict[str, None] = OrderedDict()
        """Digests of batches that are committed, or handed out to be, and whose sender has no answer."""
        self._socket = listening(self.name, host, port)
        self._readers = asyncio.Semaphore(_READERS)
        self._loop = asyncio.new_event_loop()
        self._server = _server(self._application())
        self._thread = threading.Thread(target=self._serve, name=self.name, daemon=True)

    @property
    def port(self) -> int:
        """Where it listens."""
        return cast(int, self._socket.getsockname()[1])

    def resume(self, position: Any | None) -> None:
        """Know the batches again whose senders got no answer; begin to listen."""
        if position is not None:
            self._numbers = list(position["lines"])
            self._unanswered = OrderedDict.fromkeys(position["unanswered"])
        self._thread.start()

    def poll(self, most: int) -> list[Batch]:
        """The batches that have arrived. A request is never divided."""
        batches: list[Batch] = []
        count = 0
        while count < most:
            with self._turn:
                if not self._queue:
                    break
                waiting = self._queue.popleft()
                self._queued -= waiting.size
                self._unanswered[waiting.digest] = None
                while len(self._unanswered) > REMEMBERED:
                    self._unanswered.popitem(last=False)
                digests = list(self._unanswered)
            first = self._numbers[waiting.kind] + 1
            lines = [Line(waiting.kind, number, text) for number, text in enumerate(waiting.texts, first)]
            self._numbers[waiting.kind] += len(lines)
            position = {"lines": list(self._numbers), "unanswered": digests}
            batches.append(Batch(lines, position, self._commits(waiting)))
            count += len(lines)
        return batches

    def head(self, file: int) -> list[str]:
        """None: nothing can be read again."""
        return []

    def close(self) -> None:
        """Stop listening. Senders whose batch is not committed are asked to send it again."""
        if self.ended:
            return
        self.ended = True
        self._server.should_exit = True
        if self._thread.ident is not None:
            with self._turn:
                waiting = list(self._in_flight.values())
            for each in waiting:
                self._call(each.committed.set)
            self._thread.join(10)
        else:
            self._loop.close()
        self._socket.close()

    def _commits(self, waiting: _Waiting) -> Callable[[], None]:
        def durable() -> None:
            with self._turn:
                self._in_flight.pop(waiting.digest, None)
            self._call(waiting.committed.set)

        return durable

    def _call(self, function: Callable[[], None]) -> None:
        with suppress(RuntimeError):  # the server has ended
            self._loop.call_soon_threadsafe(function)

    # The server's thread

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._server.serve(sockets=[self._socket]))
        except Exception:  # noqa: BLE001  (the edge of a thread: detection goes on with the other sources)
            log.exception("%s: the HTTP server ended", self.name)
        finally:
            self._loop.close()

    def _application(self) -> "Starlette":
        from starlette.applications import Starlette
        from starlette.routing import Route

        return Starlette(
            routes=[
                Route("/v1/logs", self._otlp, methods=["POST"]),
                Route("/_bulk", self._bulk, methods=["POST", "PUT"]),
                Route("/{index}/_bulk", self._bulk, methods=["POST", "PUT"]),
                Route("/_license", self._license, methods=["GET"]),
                Route("/", self._about, methods=["GET", "HEAD"]),
                Route("/", self._json, methods=["POST"]),
            ]
        )

    async def _json(self, request: "Request") -> "Response":
        from starlette.responses import JSONResponse

        is_json = "json" in request.headers.get("content-type", "").lower()

        def lines(body: bytes) -> list[str]:
            return json_lines(body, self._note(request), is_json=is_json)

        return await self._taken(request, 0, lines, lambda count: JSONResponse({"accepted": count}))

    async def _otlp(self, request: "Request") -> "Response":
        from starlette.responses import Response

        kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
        is_protobuf = kind in ("application/x-protobuf", "application/protobuf")
        read = otlp_protobuf if is_protobuf else otlp_json
        # an empty ExportLogsServiceResponse: everything was taken
        answer = Response(b"" if is_protobuf else b"{}", media_type=kind if is_protobuf else "application/json")
        return await self._taken(request, 1, lambda body: read(body, self._note(request)), lambda count: answer)

    async def _bulk(self, request: "Request") -> "Response":
        from starlette.responses import JSONResponse

        actions: list[str] = []

        def lines(body: bytes) -> list[str]:
            documents, found = bulk(body, self._note(request))
            actions.extend(found)
            return documents

        def answer(count: int) -> "Response":
            index = request.path_params.get("index", "trine")
            items = [{action: {"_index": index, "_id": str(i), "status": 201}} for i, action in enumerate(actions)]
            content = {"took": 0, "errors": False, "items": items}
            return JSONResponse(content, headers=_ELASTIC)

        return await self._taken(request, 2, lines, answer)

    async def _about(self, request: "Request") -> "Response":
        """What Elasticsearch says about itself: its clients ask before they send."""
        from starlette.responses import JSONResponse

        version = {"number": "8.17.0", "build_flavor": "default", "minimum_wire_compatibility_version": "7.17.0"}
        content = {"name": "trine", "cluster_name": "trine", "version": version, "tagline": "You Know, for Search"}
        return JSONResponse(content, headers=_ELASTIC)

    async def _license(self, request: "Request") -> "Response":
        from starlette.responses import JSONResponse

        return JSONResponse({"license": {"status": "active", "type": "basic", "uid": "trine"}}, headers=_ELASTIC)

    async def _taken(
        self,
        request: "Request",
        kind: int,
        lines: Callable[[bytes], list[str]],
        answer: "Callable[[int], Response]",
    ) -> "Response":
        """Take a batch, and answer once it is committed."""
        from starlette.background import BackgroundTask
        from starlette.responses import JSONResponse

        try:
            body = await _body(request)
            encoding = request.headers.get("content-encoding", "")
            async with self._readers:
                texts = await asyncio.to_thread(lambda: lines(unpacked_body(body, encoding)))
        except BodyError as problem:
            self._notes.add(f"refused with {problem.status}, left out", f"{_peer(request)} ({problem})")
            return JSONResponse({"error": str(problem)}, problem.status)
        digest = hashlib.sha256(f"{request.url.path}\n".encode() + body).hexdigest()[:32]
        if not texts:
            return answer(0)
        waiting = self._queued_batch(kind, digest, texts)
        if waiting is None:
            return JSONResponse({"error": "the queue is full: send it again"}, 429, headers=_RETRY)
        if not await _is_set(waiting.committed) or (self.ended and digest in self._in_flight):
            return JSONResponse({"error": "not committed yet: send it again"}, 503, headers=_RETRY)
        if await request.is_disconnected():
            return JSONResponse({}, 503)
        response = answer(len(texts))
        response.background = BackgroundTask(self._answered, digest)
        return response

    def _queued_batch(self, kind: int, digest: str, texts: list[str]) -> _Waiting | None:
        """The batch in the queue; the same one if it came before; None if the queue is full."""
        with self._turn:
            waiting = self._in_flight.get(digest)
            if waiting is not None or digest in self._unanswered:
                self.resent += 1
                if waiting is None:
                    waiting = _Waiting(kind, digest, [])
                    waiting.committed.set()
                return waiting
            waiting = _Waiting(kind, digest, texts)
            if (
                self.ended
                or len(self._queue) >= QUEUED_BATCHES
                or (self._queue and self._queued + waiting.size > QUEUED)
            ):
                return None
            self._queue.append(waiting)
            self._queued += waiting.size
            self._in_flight[digest] = waiting
            return waiting

    def _answered(self, digest: str) -> None:
        with self._turn:
            self._unanswered.pop(digest, None)

    def _note(self, request: "Request") -> Callable[[str], None]:
        return lambda reason: self._notes.add(reason, f"a request of {_peer(request)}")


_ELASTIC: Final = {"X-Elastic-Product": "Elasticsearch"}
"""Without this header, Elasticsearch's clients refuse to send."""


async def _body(request: "Request") -> bytes:
    """The body as sent. Raises `BodyError` if it is too large, or if the sender goes away."""
    from starlette.requests import ClientDisconnect

    parts, size = [], 0
    try:
        async for part in request.stream():
            size += len(part)
            if size > MAX_BODY:
                raise BodyError(f"the body has more than {MAX_BODY:,} bytes: send smaller batches", 413)
            parts.append(part)
    except ClientDisconnect:
        raise BodyError("the sender went away") from None
    return b"".join(parts)


async def _is_set(event: asyncio.Event) -> bool:
    try:
        await asyncio.wait_for(event.wait(), PATIENCE)
    except TimeoutError:
        return False
    return True


def _peer(request: "Request") -> str:
    return request.client.host if request.client else "a sender"


def _server(application: "Starlette") -> Any:
    try:
        import uvicorn
    except ImportError:
        raise UsageError("http sources need the extra `live`: pip install 'trine[live]'") from None
    return uvicorn.Server(
        uvicorn.Config(
            application,
            log_config=None,
            access_log=False,
            lifespan="off",
            limit_concurrency=_SENDERS,
            timeout_graceful_shutdown=5,
        )
    )
