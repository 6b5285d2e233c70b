"""A service as a process: it listens, answers until a signal, finishes what it has begun, and ends."""

import asyncio
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from PIL import Image

from trine.errors import DataError, UsageError
from trine.live.operation import JsonLines
from trine.live.store import Store
from trine.serve.app import application
from trine.serve.metrics import Metrics
from trine.serve.metrics import access as access_log
from trine.serve.models import Models, named_paths, opened
from trine.serve.runs import Runs
from trine.serve.service import Service
from trine.serve.settings import Settings

STOPPING = (signal.SIGINT, signal.SIGTERM)
GRACE = 10
"""Seconds for requests that have begun when the service is told to end."""
CONNECTIONS = 2_000
"""Connections at the same time; more are answered with 503."""
log = logging.getLogger("trine.serve")


def serve(
    words: Sequence[str],
    settings: Settings,
    *,
    store: Path | None = None,
    runs: Path | None = None,
    workers: int = 1,
    say: Callable[[str], None],
) -> None:
    """Serve models until SIGINT or SIGTERM. Raises `BundleError`, `UsageError`, `StoreError`, `DataError`.

    words     `NAME=PATH` or paths of bundles and run folders
    store     findings of a detector at work that are shown
    runs      folder of the runs that are shown; without, those of the models
    workers   processes that answer
    say       prints a line for whoever starts it
    """
    if runs is not None and not runs.is_dir():
        raise UsageError(f"--runs {runs}: no such folder: give a folder of runs")
    with closing(_bound(settings.host, settings.port)) as listening:
        shown = Shown(named_paths(words, say), settings, store, runs)
        if workers > 1:
            from trine.serve.workers import supervise

            supervise(workers, shown, listening, say)
        else:
            shown.serve(listening, say, lambda service: _told(service, listening, say))
    say("stopped")


@dataclass(frozen=True)
class Shown:
    """What a service answers about, and how."""

    paths: Mapping[str, Path]
    """Bundles and run folders of the models, by name."""
    settings: Settings
    store: Path | None
    runs: Path | None

    def serve(self, listening: socket.socket, say: Callable[[str], None], started: Callable[[Service], None]) -> None:
        """Answer at a socket that listens, until SIGINT or SIGTERM; `started` is called once it answers."""
        looked = Store.look(self.store) if self.store is not None else None
        try:
            Image.MAX_IMAGE_PIXELS = self.settings.limits.pixels  # what is nested in a picture is limited too
            service = self._service(looked, say)
            with _logged(), asyncio.Runner(loop_factory=_loop_factory()) as runner:
                runner.run(_serve(service, listening, started))
        finally:
            if looked is not None:
                looked.close()

    def _service(self, looked: Store | None, say: Callable[[str], None]) -> Service:
        metrics, paths, settings = Metrics(), self.paths, self.settings
        models = Models(opened(name, path, settings, say, partial(metrics.batch, name)) for name, path in paths.items())
        metrics.watch(models)
        runs = [self.runs] if self.runs is not None else [run for path in paths.values() for run in _run_of(path)]
        return Service(settings, models, metrics, Runs(runs), looked)


async def _serve(service: Service, listening: socket.socket, started: Callable[[Service], None]) -> None:
    config = uvicorn.Config(
        application(service),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS,
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=30,
        lifespan="on",
    )
    server = _Server(config)
    loop = asyncio.get_running_loop()

    def stop() -> None:
        service.stopping.set()
        server.should_exit = True

    for number in STOPPING:
        loop.add_signal_handler(number, stop)
    started(service)
    await server.serve(sockets=[listening])


def _told(service: Service, listening: socket.socket, say: Callable[[str], None]) -> None:
    for line in service.models.lines():
        say(line)
    say(where(listening, service.settings))


def where(listening: socket.socket, settings: Settings) -> str:
    """The address of a service, for whoever started it."""
    host, port = listening.getsockname()[:2]
    address = f"http://{f'[{host}]' if ':' in host else host}:{port}/"
    return f"serving at {address}" + ("" if settings.is_loopback else "; not encrypted: put a proxy with TLS before it")


class _Server(uvicorn.Server):
    """uvicorn's server, with signals left to us: it would end the process by the signal itself."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Nothing."""
        yield


def _bound(host: str, port: int) -> socket.socket:
    """A socket that listens at an address. Raises `DataError` where it cannot be had.

    It listens from the start: a port that is only bound can be taken by another while the models are opened.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = socket.socket(family, kind, protocol)  # asyncio sends at once only where the protocol is named
        try:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            bound.bind(address)
            bound.listen(CONNECTIONS)
        except OSError:
            bound.close()
            raise
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise DataError(f"cannot listen at {host}:{port} ({reason}): give another --host or --port") from None
    return bound


def _loop_factory() -> Any:
    """uvloop's, which takes less time per request, where there is one."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _run_of(path: Path) -> list[Path]:
    """The run that a model is of, if any."""
    return [folder for folder in (path, path.absolute().parent) if (folder / "recipe.json").is_file()][:1]


@contextmanager
def _logged() -> Iterator[None]:
    """The access log and the service's own log as lines of JSON on stderr."""
    own, access = logging.StreamHandler(sys.stderr), logging.StreamHandler(sys.stderr)
    own.setFormatter(JsonLines())
    access.setFormatter(logging.Formatter("%(message)s"))
    handlers = [(log, own), (access_log, access), (logging.getLogger("uvicorn.error"), own)]
    for logger, handler in handlers:
        logger.addHandler(handler)
        logger.propagate = False
    log.setLevel(logging.INFO)
    access_log.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, handler in handlers:
            logger.removeHandler(handler)
            logger.propagate = True
