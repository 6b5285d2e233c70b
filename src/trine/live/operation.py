"""What an operator looks at: metrics for Prometheus, a health check, and a log of JSON lines on stderr.

Metrics and health are served on this machine alone by the small server of the standard library: it answers GET for two
paths, to Prometheus and to whoever watches the service.
"""

import json
import logging
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from trine.annotations import override
from trine.datasets.lines import encodable
from trine.errors import DataError, StoreError, UsageError
from trine.live.delivery import Delivery
from trine.live.source import Source, log
from trine.live.store import BEGAN, Store

if TYPE_CHECKING:
    from prometheus_client.core import Metric

STALLED: Final = 60.0
"""Seconds without a beat after which the service is not healthy."""


class PerPartition(NamedTuple):
    """A figure of every partition that is read."""

    help: str
    counts: bool
    """Whether it is a counter."""
    values: dict[str, float]
    """By the number of the partition."""


class Operation:
    """The state of a service, as others see it.

    The service calls `beat` each time it has looked at its sources, sets `figures`, and calls `close`.
    """

    def __init__(self, sources: Sequence[Source], store: Store, delivery: Delivery) -> None:
        self.figures: dict[str, tuple[str, float]] = {}
        """Help and value of further gauges by their names, such as `{"entities": ("Entities in memory", 7.0)}`."""
        self.per_partition: dict[str, PerPartition] = {}
        """Figures of partitions by their names."""
        self.sources = list(sources)
        """Those that are read at present."""
        self.problem = ""
        """Why nothing can be read at present; empty: everything is well."""
        self._store, self._delivery = store, delivery
        self._last_beat = time.monotonic()
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    def beat(self) -> None:
        """The service is alive."""
        self._last_beat = time.monotonic()

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Whether the service reads and detects, and details. Sinks that are down do not change it: findings wait."""
        silent = time.monotonic() - self._last_beat
        reasons = [problem for problem in (self._store.problem, self.problem) if problem]
        reasons += [f"no look at the sources for {silent:.0f} s"] if silent > STALLED else []
        details = {
            "status": "failing" if reasons else "ok",
            "reasons": reasons,
            "sinks_down": dict(self._delivery.down),
            "sources": {source.name: "ended" if source.ended else "open" for source in self.sources},
        }
        return not reasons, details

    def metrics(self) -> bytes:
        """The metrics as text for Prometheus. Raises `UsageError` if the extra `live` is not installed."""
        try:
            from prometheus_client import CollectorRegistry, generate_latest
        except ImportError:
            raise UsageError("metrics need the extra `live`: pip install 'trine[live]'") from None
        registry = CollectorRegistry()
        registry.register(self)
        text: bytes = generate_latest(registry)
        return text

    def collect(self) -> "Iterator[Metric]":
        """The metrics, as Prometheus' client asks for them."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        def labelled(kind: Any, name: str, text: str, label: str, values: Mapping[str, float]) -> "Metric":
            family = kind(f"trine_{name}", text, labels=[label])
            for value, number in values.items():
                family.add_metric([encodable(value)], number)
            metric: Metric = family
            return metric

        healthy, _ = self.health()
        yield GaugeMetricFamily("trine_healthy", "Whether the service reads and detects", float(healthy))
        for name, number in self._stored(self._store.counters).items():
            if name != BEGAN:
                yield CounterMetricFamily(f"trine_{name}", f"Number of {name.replace('_', ' ')}", number)
        for name, (text, value) in self.figures.items():
            yield GaugeMetricFamily(f"trine_{name}", text, value)
        for name, (text, counts, values) in self.per_partition.items():
            yield labelled(CounterMetricFamily if counts else GaugeMetricFamily, name, text, "partition", values)
        for name, (text, value) in self._realised().items():
            yield GaugeMetricFamily(f"trine_{name}", text, value)
        repaired = CounterMetricFamily(
            "trine_input_repaired", "What was repaired, cut or left out of the input", labels=["source", "reason"]
        )
        for source in self.sources:
            for reason, number in source.skips.counts().items():
                repaired.add_metric([encodable(source.name), reason], number)
        yield repaired
        sent, waiting = self._delivery.sent, self._stored(self._store.waiting)
        yield labelled(CounterMetricFamily, "findings_sent", "Findings and their changes, sent", "sink", sent)
        yield labelled(GaugeMetricFamily, "findings_waiting", "Findings that are still to be sent", "sink", waiting)
        up = {name: float(name not in self._delivery.down) for name in sent}
        yield labelled(GaugeMetricFamily, "sink_up", "Whether the sink takes findings", "sink", up)
        yield GaugeMetricFamily("trine_dead_letters", "Findings that a sink refused for good", self._dead_letters())

    def serve(self, port: int, host: str = "127.0.0.1") -> int:
        """Serve `/metrics` and `/health`; returns the port. Raises `DataError` if it cannot listen there."""
        self.metrics()
        operation = self

        class Handler(_Handler):
            service = operation

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as problem:
            raise DataError(
                f"metrics: cannot listen at {host}:{port} ({problem.strerror}); give another port"
            ) from None
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics", daemon=True)
        self._thread.start()
        return int(self._server.server_address[1])

    def close(self) -> None:
        """Stop serving."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join(5)
            self._server.server_close()

    def _stored(self, read: Any) -> dict[str, int]:
        try:
            found: dict[str, int] = read()
        except StoreError as problem:
            log.warning("metrics: %s", problem)
            return {}
        return found

    def _realised(self) -> dict[str, tuple[str, float]]:
        """What the sessions that have ended say of the calibration."""
        try:
            realised = self._store.realised()
        except StoreError as problem:
            log.warning("metrics: %s", problem)
            return {}
        if realised is None:
            return {}
        return {
            "target_share": ("Share of normal sessions that may have a finding", realised.target),
            "realised_share": ("Share of the ended sessions with a finding", realised.share),
            "p_values_distance": ("Distance of the p-values of ended sessions to uniform ones", realised.distance),
            "p_values_distance_p": ("Probability of such a distance by chance", realised.p_value),
        }

    def _dead_letters(self) -> float:
        return float(len(self._stored(lambda: {f"{sink} {of}": 1 for sink, of, _ in self._store.dead_letters()})))


class _Handler(BaseHTTPRequestHandler):
    """Answers GET for the metrics and the health of a service."""

    service: Operation
    timeout = 10

    def do_GET(self) -> None:
        """Answer."""
        status, kind, body = HTTPStatus.NOT_FOUND, "text/plain", b"/metrics, /health\n"
        path = self.path.partition("?")[0]
        if path == "/metrics":
            status, kind = HTTPStatus.OK, "text/plain; version=0.0.4; charset=utf-8"
            body = self.service.metrics()
        elif path == "/health":
            healthy, details = self.service.health()
            status, kind = HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE, "application/json"
            body = json.dumps(details).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, format: str, *args: Any) -> None:
        """Requests are not logged."""


class JsonLines(logging.Formatter):
    """A record of the log as one line of JSON."""

    @override
    def format(self, record: logging.LogRecord) -> str:
        """Time, level, what happened, and where an exception came from."""
        document = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            document["exception"] = self.formatException(record.exc_info)
        return encodable(json.dumps(document, ensure_ascii=False))


def log_as_json(level: int = logging.INFO) -> logging.Handler:
    """Write this room's log, and warnings of the libraries below it, to stderr as lines of JSON.

    Returns the handler, for `logging.getLogger().removeHandler`.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.getLogger().addHandler(handler)
    log.setLevel(level)
    return handler
