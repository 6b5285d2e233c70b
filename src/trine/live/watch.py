"""`Watch`: reads its sources, judges what arrives, commits it, and has findings delivered, until it is stopped."""

import gc
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event
from typing import Final

from trine.detect.scorer import Scorer
from trine.live.delivery import Delivery
from trine.live.engine import Engine, Limits
from trine.live.operation import Operation
from trine.live.reader import SourceFormat
from trine.live.sinks import Sink
from trine.live.source import Source
from trine.live.store import Changes, Store
from trine.plurals import quantity

PAUSE: Final = 0.05
"""Seconds between two looks at sources from which nothing came."""


class Watch:
    """A detector at work: `run` until `stopping` is set, or until all sources have ended."""

    def __init__(
        self, scorer: Scorer, model: str, store: Store, sources: Sequence[Source], sinks: Sequence[Sink], limits: Limits
    ) -> None:
        """model   fingerprint of the model"""
        self.store, self.stopping = store, Event()
        self.engine = Engine(scorer, store, sources, limits, model)
        store.aim(limits.threshold, self.engine.judge.running.calibrated_on)
        self.delivery = Delivery(store, sinks)
        self.operation = Operation(sources, store, self.delivery)
        self._finished: set[str] = set()

    def serve(self, port: int) -> int:
        """Serve metrics and health on this machine; returns the port. Raises `DataError`, `UsageError`."""
        return self.operation.serve(port)

    def summary(self) -> str:
        """What has been done, over all starts, in a line."""
        counted, findings = self.store.counters(), len(self.store.findings())
        lines, sessions = counted.get("lines", 0), counted.get("sessions", 0)
        unparsed = f" ({counted['unparsed']:,} without the format)" if counted.get("unparsed") else ""
        read = f"{quantity(lines, 'line')}{unparsed}, {quantity(sessions, 'session')}"
        told = f"{read}, {quantity(findings, 'finding')} in {self.store.path}"
        told += "".join(f"; {number:,} still to be sent to {sink}" for sink, number in self.store.waiting().items())
        realised = self.store.realised()
        return told + (f"; {realised.line()}" if realised else "")

    def run(self) -> None:
        """Read and judge. Raises `StoreError` when the store cannot be written."""
        try:
            with collecting_seldom():
                self._run()
        finally:
            self.delivery.stop()
            self.operation.close()
            for of in self.engine.formats:
                of.source.close()

    def _run(self) -> None:
        while not self.stopping.is_set():
            arrived = [self._read(of) for of in self.engine.formats]
            self._show()
            if len(self._finished) == len(self.engine.formats):
                self._end()
                return
            if not any(arrived):
                self.stopping.wait(PAUSE)

    def _read(self, of: SourceFormat) -> bool:
        """Judge what has arrived from a source; returns whether there was anything."""
        if of.source.name in self._finished:
            return False
        batches = of.source.poll(self.engine.lines_at_once)
        if batches and self._commit(self.engine.batch(of, batches)):
            for batch in batches:
                batch.durable()
        if not batches and of.source.ended:
            self._commit(self.engine.finish(of))
            self._finished.add(of.source.name)
        return bool(batches)

    def _end(self) -> None:
        while (changes := self.engine.end_some()) and self._commit(changes):
            self._show()

    def _show(self) -> None:
        """The state for metrics and health."""
        self.operation.beat()
        self.operation.figures = {
            "sessions_in_memory": ("Open sessions in memory", float(len(self.engine.going))),
            "threshold": ("Largest p-value of a finding", self.engine.threshold),
        }

    def _commit(self, changes: Changes) -> bool:
        committed = self.store.commit_or_wait(changes, self.stopping.is_set)
        if committed and changes.findings:
            self.delivery.wake()
        return committed


@contextmanager
def collecting_seldom() -> Iterator[None]:
    """Let Python look for cycles of garbage after more objects: events by the thousand live on, and make none."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
