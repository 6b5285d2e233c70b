"""Several processes that answer at one address: started, watched, replaced when one dies, and ended together.

Each is a whole service that takes connections from the same socket; the supervisor answers nothing itself. That of
uvicorn does not fit: it tells why a worker cannot start by an exit status alone, and workers outlive it where it is
killed. Here what keeps a worker from starting is said in a line, and a worker ends with its supervisor.
"""

import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import allow_connection_pickling, get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from tempfile import TemporaryDirectory
from typing import Any, Final

from trine.errors import DataError, TrineError
from trine.processors import threads_each
from trine.serve.metrics import SUMMED
from trine.serve.models import prepared
from trine.serve.server import GRACE, STOPPING, Shown, where

PAUSE: Final = 1.0
"""Seconds before a worker that died is replaced: one that dies at once does not take the whole processor."""
PATIENCE: Final = GRACE + 15
"""Seconds that workers have to end."""
log = logging.getLogger("trine.serve")
_SPAWN: Final = get_context("spawn")


def supervise(count: int, shown: Shown, listening: socket.socket, say: Callable[[str], None]) -> None:
    """Answer by so many processes until SIGINT or SIGTERM. Raises what keeps the first ones from starting."""
    if shown.settings.threads is None:
        shown = replace(shown, settings=replace(shown.settings, threads=threads_each(count)))
    for path in shown.paths.values():
        prepared(path, shown.settings, say)  # graphs are made once, before all workers look for them
    with TemporaryDirectory(prefix="trine-serve-") as metrics:
        before = os.environ.get(SUMMED)
        os.environ[SUMMED] = metrics
        try:
            Supervisor(count, shown, listening, say).run()
        finally:
            os.environ.pop(SUMMED)
            if before is not None:
                os.environ[SUMMED] = before


class WorkerProcess:
    """One of the processes."""

    def __init__(self, shown: Shown, listening: socket.socket) -> None:
        self.line, theirs = _SPAWN.Pipe()
        """What it says: the lines of its models once it answers, or why it cannot."""
        self.process: SpawnProcess = _SPAWN.Process(target=_work, args=(shown, listening, theirs), daemon=False)
        self.process.start()
        theirs.close()
        self.answers = False

    def said(self) -> "list[str] | TrineError | None":
        """What it has said; None: nothing, it died."""
        try:
            said: list[str] | TrineError = self.line.recv()
        except EOFError:
            return None
        return said


class Supervisor:
    """Starts workers, replaces those that die, ends them."""

    def __init__(self, count: int, shown: Shown, listening: socket.socket, say: Callable[[str], None]) -> None:
        self._shown, self._listening, self._say = shown, listening, say
        self._stopping = threading.Event()
        self._told = False
        allow_connection_pickling()
        self._workers = [WorkerProcess(shown, listening) for _ in range(count)]

    def run(self) -> None:
        """Watch them until SIGINT or SIGTERM, then end them."""
        woken, waker = socket.socketpair()
        handlers = {number: signal.signal(number, lambda *_: self._stop(waker)) for number in STOPPING}
        try:
            while not self._stopping.is_set():
                lines = [worker.line for worker in self._workers if not worker.answers]
                wait([woken, *lines, *(worker.process.sentinel for worker in self._workers)])
                self._listen()
                self._replace()
        finally:
            self._end()
            for number, handler in handlers.items():
                signal.signal(number, handler)
            woken.close()
            waker.close()

    def _stop(self, waker: socket.socket) -> None:
        self._stopping.set()
        waker.send(b"!")

    def _listen(self) -> None:
        """Take what workers say that begin; raise what keeps one from it, as long as not all have begun once."""
        for worker in self._workers:
            if worker.answers or not worker.line.poll():
                continue
            said = worker.said()
            if isinstance(said, TrineError):
                if not self._told:
                    raise said
                log.error("worker %s cannot start: %s", worker.process.pid, said)
            elif said is not None:
                worker.answers = True
                if not self._told and all(each.answers for each in self._workers):
                    self._told = True
                    for line in said:
                        self._say(line)
                    self._say(f"{where(self._listening, self._shown.settings)}, {len(self._workers)} workers")

    def _replace(self) -> None:
        for place, worker in enumerate(self._workers):
            if worker.process.is_alive() or self._stopping.is_set():
                continue
            self._forget(worker)
            if not self._told:
                raise DataError(f"a worker ended with status {worker.process.exitcode} before it answered")
            self._say(f"worker {worker.process.pid} ended with status {worker.process.exitcode}: another one begins")
            if not self._stopping.wait(PAUSE):
                self._workers[place] = WorkerProcess(self._shown, self._listening)

    def _forget(self, worker: WorkerProcess) -> None:
        """Its metrics stay in the sums, but for what waits there."""
        from prometheus_client import multiprocess

        worker.process.join()
        worker.line.close()
        forget: Any = multiprocess.mark_process_dead
        forget(worker.process.pid)

    def _end(self) -> None:
        for worker in self._workers:
            if worker.process.is_alive():
                worker.process.terminate()
        until = time.monotonic() + PATIENCE
        for worker in self._workers:
            worker.process.join(max(0.1, until - time.monotonic()))
            if worker.process.is_alive():
                log.error("worker %s does not end: it is killed", worker.process.pid)
                worker.process.kill()
                worker.process.join()
            worker.line.close()


def _work(shown: Shown, listening: socket.socket, line: Connection) -> None:
    """A worker, in its own process."""
    for number in STOPPING:
        signal.signal(number, lambda *_: os._exit(0))  # until it answers, there is nothing to finish
    threading.Thread(target=_with_supervisor, args=(line,), daemon=True).start()
    try:
        shown.serve(listening, log.warning, lambda service: line.send(service.models.lines()))
    except TrineError as problem:
        line.send(problem)


def _with_supervisor(line: Connection) -> None:
    """End when the supervisor is gone: nobody else would end this process."""
    try:
        line.recv()
    except (EOFError, OSError):
        os.kill(os.getpid(), signal.SIGTERM)
