"""What every request passes before a route sees it, and every answer before it leaves.

- Host: on loopback only its own names, so that no page of another site reaches the service by DNS rebinding.
- Origin: a browser's request from another site is refused.
- Token: compared in constant time; the page's own files and the health checks need none.
- Body: its length is limited, and so is the pause between its parts.
- Answers carry security headers. An unexpected error is logged, and the client is told its number alone.
"""

import asyncio
import hmac
import json
import logging
import time
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from trine.serve.refusals import Refusal
from trine.serve.settings import Settings

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]
log = logging.getLogger("trine.serve")

CONTENT_SECURITY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob: data:",
        "media-src 'self' blob:",
        "connect-src 'self'",
        "font-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(self), geolocation=(), microphone=()",
}
ENCODED_HEADERS = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
OPEN = ("/v2/health/live", "/v2/health/ready")
"""Paths that need no token, beside the page's own files: they say nothing about anybody."""
GUARDED = ("/api", "/v2", "/metrics", "/openapi.json")
"""Beginnings of the paths of the service; all others are files of the page."""


@dataclass
class Exchange:
    """One request and what became of it, for the log and the metrics."""

    scope: Scope
    id: str
    started: float = field(default_factory=time.perf_counter)
    status: int = 0
    received: int = 0
    sent: int = 0
    refused: Refusal | None = None
    """Why the rest of its body is not read."""

    @property
    def answered(self) -> bool:
        """Whether an answer has begun."""
        return self.status != 0

    @property
    def seconds(self) -> float:
        """Time since the request began."""
        return time.perf_counter() - self.started


class Guard:
    """The application behind all checks."""

    def __init__(self, application: Application, settings: Settings, ended: Callable[[Exchange], None]) -> None:
        """ended   is told of every request at its end"""
        self._application, self._settings, self._ended = application, settings, ended
        self._token = None if settings.token is None else settings.token.encode()
        self._hosts = settings.known_hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the lifespan of the service."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._application(scope, receive, send)
            return
        exchange = Exchange(scope, uuid.uuid4().hex[:16])
        scope["trine.request"] = exchange.id
        answer = _Answer(exchange, send, is_private=scope["path"].startswith(GUARDED))
        body = _Body(exchange, receive, self._settings)
        try:
            self._check(scope)
            await self._application(scope, body.receive, answer.send)
        except Refusal as refusal:
            await answer.refuse(refusal)
        except Exception:  # the edge of the process: no inside is shown
            log.exception("request %s failed", exchange.id)
            await answer.refuse(Refusal(500, f"an error of the service: its log says more under {exchange.id}"))
        finally:
            self._ended(exchange)

    def _check(self, scope: Scope) -> None:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if self._hosts is not None and _name(host) not in self._hosts:
            raise Refusal(421, f"Host {host!r:.80}: the service is {', '.join(sorted(self._hosts))}; see --allow-host")
        path = scope["path"]
        origin = headers.get(b"origin")
        if origin is not None and urlsplit(origin.decode("latin-1").lower()).netloc != host:
            raise Refusal(403, "a request from the page of another site")
        if headers.get(b"sec-fetch-site") in (b"cross-site", b"same-site") and path.startswith(GUARDED):
            raise Refusal(403, "a request from the page of another site")
        if self._token is not None and path.startswith(GUARDED) and path not in OPEN:
            scheme, _, given = headers.get(b"authorization", b"").partition(b" ")
            if scheme.lower() != b"bearer" or not hmac.compare_digest(given.strip(), self._token):
                raise Refusal(401, "a token is needed: Authorization: Bearer …", {"WWW-Authenticate": "Bearer"})
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self._settings.limits.body:
            raise _too_large(self._settings)


class _Body:
    """The request's body, counted as it arrives."""

    def __init__(self, exchange: Exchange, receive: Receive, settings: Settings) -> None:
        self._exchange, self._receive, self._settings = exchange, receive, settings
        self._complete = False

    async def receive(self) -> Message:
        """The next part. Raises `Refusal` for a body that is too long, or whose next part does not arrive."""
        if self._complete:
            return await self._receive()
        try:
            async with asyncio.timeout(self._settings.limits.seconds):
                message = await self._receive()
        except TimeoutError:
            self._exchange.refused = Refusal(408, "the body does not arrive", {"Connection": "close"})
            raise self._exchange.refused from None
        if message["type"] == "http.request":
            self._exchange.received += len(message.get("body", b""))
            self._complete = not message.get("more_body", False)
            if self._exchange.received > self._settings.limits.body:
                self._exchange.refused = _too_large(self._settings)
                raise self._exchange.refused
        return message


class _Answer:
    """The way out: headers are added, and what is sent is counted."""

    def __init__(self, exchange: Exchange, send: Send, is_private: bool) -> None:
        self._exchange, self._send, self._is_private = exchange, send, is_private
        self._replaced = False

    async def send(self, message: Message) -> None:
        """One message of the answer."""
        exchange = self._exchange
        if self._replaced:
            return
        if message["type"] == "http.response.start":
            if exchange.refused is not None and message["status"] != exchange.refused.status:
                # a parser of bodies has taken the refusal for a fault of the body
                await self.refuse(exchange.refused)
                self._replaced = True
                return
            exchange.status = message["status"]
            given = {name for name, _ in message.get("headers", ())}
            headers = [*message.get("headers", ()), *(each for each in ENCODED_HEADERS if each[0] not in given)]
            headers.append((b"x-request-id", exchange.id.encode()))
            if self._is_private and b"cache-control" not in given:
                headers.append((b"cache-control", b"no-store"))
            message = {**message, "headers": headers}
        elif message["type"] == "http.response.body":
            exchange.sent += len(message.get("body", b""))
        await self._send(message)

    async def refuse(self, refusal: Refusal) -> None:
        """Send a refusal, where no answer has begun."""
        if self._exchange.answered:
            return
        self._exchange.refused = None
        body = json.dumps({"error": refusal.message}).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        headers += [(name.lower().encode(), value.encode("latin-1")) for name, value in refusal.headers.items()]
        await self.send({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": body})


def _too_large(settings: Settings) -> Refusal:
    return Refusal(413, f"the body has more than {settings.limits.body:,} bytes, or no length", {"Connection": "close"})


def _name(host: str) -> str:
    """The name in a `Host`, without the port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.rpartition(":")[0] if host.count(":") == 1 else host
