"""Metrics for Prometheus, and the access log: one line of JSON per request, without its query and its body."""

import json
import logging
import os
from datetime import UTC, datetime
from typing import Any

from trine.serve.guard import Exchange
from trine.serve.models import Models

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Bounds of the buckets of times."""
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256)
"""Bounds of the buckets of batch sizes."""
SUMMED = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable with the folder in which Prometheus' client adds up the metrics of several processes."""
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
access = logging.getLogger("trine.access")
"""Its messages are whole lines of JSON."""


class Metrics:
    """All metrics of a service, in a registry of its own."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.registry = CollectorRegistry()
        kept: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter("trine_requests", "Requests by route and status", ["route", "method", "status"], **kept)
        self.seconds = Histogram(
            "trine_request_seconds", "Time to the end of the answer", ["route"], buckets=SECONDS, **kept
        )
        self.rows = Histogram(
            "trine_batch_rows", "Pictures, events or latents computed together", ["model"], buckets=ROWS, **kept
        )
        self.computed = Counter("trine_batch_seconds", "Time of computing", ["model"], **kept)
        self.reloads = Counter(
            "trine_model_reloads", "Models replaced on disk, by outcome", ["model", "outcome"], **kept
        )

        self._waiting = Gauge(
            "trine_queue_rows",
            "Pictures, events or latents that wait",
            ["model"],
            multiprocess_mode="livesum",
            **kept,
        )
        self._models = Models(())

    def watch(self, models: Models) -> None:
        """Show the queues of these models."""
        self._models = models

    def look(self) -> None:
        """Note how much waits at present."""
        for name, model in self._models.by_name.items():
            self._waiting.labels(name).set(model.worker.waiting)

    def batch(self, model: str, rows: int, seconds: float) -> None:
        """A batch was computed."""
        self.rows.labels(model).observe(rows)
        self.computed.labels(model).inc(seconds)

    def ended(self, exchange: Exchange) -> None:
        """A request has ended: count it, and write its line."""
        scope = exchange.scope
        route = _route(exchange)
        method = scope["method"] if scope["method"] in METHODS else "other"
        self.requests.labels(route, method, str(exchange.status)).inc()
        self.seconds.labels(route).observe(exchange.seconds)
        if access.isEnabledFor(logging.INFO):
            access.info(json.dumps(_line(exchange, route)))

    def text(self) -> bytes:
        """The metrics as Prometheus reads them; of several workers, their sums."""
        from prometheus_client import CollectorRegistry, generate_latest, multiprocess

        self.look()
        registry = self.registry
        if SUMMED in os.environ:
            registry = CollectorRegistry()
            summed: Any = multiprocess.MultiProcessCollector
            summed(registry)
        return bytes(generate_latest(registry))


def _route(exchange: Exchange) -> str:
    """The path of the route, with names in place of values: few different ones, whatever is asked for."""
    route = exchange.scope.get("route")
    return str(getattr(route, "path", "")) or ("refused" if exchange.status >= 400 else "page")


def _line(exchange: Exchange, route: str) -> dict[str, Any]:
    client = exchange.scope.get("client")
    return {
        "time": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "request": exchange.id,
        "client": client[0] if client else None,
        "method": exchange.scope["method"],
        "path": exchange.scope["path"],
        "route": route,
        "status": exchange.status,
        "milliseconds": round(1000 * exchange.seconds, 2),
        "bytes_in": exchange.received,
        "bytes_out": exchange.sent,
    }
