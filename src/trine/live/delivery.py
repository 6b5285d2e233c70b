"""`Delivery`: what the outbox holds is brought to the sinks, each by a thread of its own.

A sink that is down or slow stops neither detection nor another sink. A finding is removed from the outbox after the
sink has taken it: after a crash it may be sent again, with the same id and revision.
"""

import threading
import time
from collections.abc import Sequence
from typing import Final

from trine.errors import StoreError
from trine.live.sinks import Refused, Sink, SinkDown
from trine.live.source import log
from trine.live.store import Store
from trine.plurals import quantity

ATTEMPTS: Final = 8
"""Times that a sink can refuse a finding before it is a dead letter."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds before the second attempt, which double up to the longest."""
_IDLE: Final = 0.25
"""Seconds between two looks into the outbox, unless `wake` is called."""
_AT_ONCE: Final = 50


class Delivery:
    """Sends the findings of a store. `wake` after each commit with findings, `stop` at the end."""

    def __init__(self, store: Store, sinks: Sequence[Sink]) -> None:
        store.sinks = tuple(sink.name for sink in sinks)
        for name, number in store.waiting().items():
            if name not in store.sinks:
                what = quantity(number, "finding")
                log.warning("%s still to be sent to %s: name this --sink again", what, name)
        self._store, self._stopping = store, threading.Event()
        self.sent = dict.fromkeys(store.sinks, 0)
        """Number of findings and changes of findings that each sink took."""
        self.down: dict[str, str] = {}
        """Why a sink is down at present, by its name."""
        self._couriers = [_Courier(self, store, sink) for sink in sinks]
        for courier in self._couriers:
            courier.start()

    def wake(self) -> None:
        """There may be something to send."""
        for courier in self._couriers:
            courier.wake.set()

    def stop(self, patience: float = 5.0) -> None:
        """Send what can be sent within these seconds, then end the threads. The rest is sent after the next start."""
        end = time.monotonic() + patience
        while time.monotonic() < end and any(self._can_send(courier) for courier in self._couriers):
            self.wake()
            time.sleep(0.02)
        self._stopping.set()
        self.wake()
        for courier in self._couriers:
            courier.join(patience)

    @property
    def is_stopping(self) -> bool:
        """Whether the threads are to end."""
        return self._stopping.is_set()

    def _can_send(self, courier: "_Courier") -> bool:
        name = courier.sink.name
        return name not in self.down and bool(self._store.due(name, time.time(), 1))


class _Courier(threading.Thread):
    """Brings findings to one sink."""

    def __init__(self, delivery: Delivery, store: Store, sink: Sink) -> None:
        super().__init__(name=f"to {sink.name}", daemon=True)
        self.sink, self.wake = sink, threading.Event()
        self._delivery, self._store = delivery, store
        self._pause = FIRST_PAUSE

    def run(self) -> None:
        """Send until the delivery stops."""
        while not self._delivery.is_stopping:
            try:
                sent = self._send()
            except StoreError as problem:  # a full disk: what was sent is sent again
                log.error("%s: %s", self.sink.name, problem)
                self._rest(FIRST_PAUSE)
                continue
            if not sent:
                self.wake.wait(_IDLE)
                self.wake.clear()
        self.sink.close()

    def _send(self) -> bool:
        """Send what is due. Returns whether there may be more."""
        name = self.sink.name
        due = self._store.due(name, time.time(), _AT_ONCE)
        for number, (finding, attempts) in enumerate(due):
            try:
                self.sink.send([finding])
            except SinkDown as problem:
                if name not in self._delivery.down:
                    log.warning("sink %s is down (%s): findings wait", name, problem)
                self._delivery.down[name] = str(problem)
                self._rest(max(problem.after or 0.0, self._pause))
                self._pause = min(LONGEST_PAUSE, 2 * self._pause)
                return bool(number)
            except Refused as problem:
                self._refused(finding.id, attempts + 1, str(problem))
            else:
                self._store.sent(name, [finding])
                self._delivery.sent[name] += 1
            self._is_up()
        return bool(due)

    def _is_up(self) -> None:
        self._pause = FIRST_PAUSE
        if self._delivery.down.pop(self.sink.name, None):
            log.info("sink %s is up again", self.sink.name)

    def _refused(self, finding: str, attempts: int, reason: str) -> None:
        if attempts >= ATTEMPTS:
            log.error(
                "sink %s refused finding %s %d times (%s): a dead letter", self.sink.name, finding, attempts, reason
            )
            self._store.bury(self.sink.name, finding, reason)
        else:
            log.warning("sink %s refused finding %s (%s)", self.sink.name, finding, reason)
            pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempts - 1))
            self._store.postpone(self.sink.name, finding, time.time() + pause)

    def _rest(self, seconds: float) -> None:
        """Wait, but not longer than the delivery goes on."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self._delivery.is_stopping:
            time.sleep(min(0.1, seconds))
