"""One thread per model computes what many requests ask for: tasks of one kind that wait together are one batch.

- Nothing waits for a batch to fill: while one is computed, the next one gathers.
- The queue is bounded, in rows and in seconds: beyond it a request is refused at once, with the time to try again.
- A task whose client has left, or whose time is over, is dropped before it is computed.
"""

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from trine.serve.refusals import ClientGone, Refusal

Receive = Callable[[], Awaitable[Any]]
PATIENCE = 0.2
"""Share of the time for an answer that a task may be expected to wait; more is refused at once."""
KEPT = 0.8
"""Weight of the rate so far when a new batch is timed."""
FIRST_LOOK = 0.005
"""Seconds before a client is watched for leaving: most answers to idle services are faster."""


@dataclass(eq=False)
class Task:
    """Something to compute."""

    compute: Callable[[Sequence[Any]], Sequence[Any]]
    """From the values of tasks that are computed together to one answer each."""
    value: Any
    rows: int = 1
    """Its size: pictures, events or latents."""
    together: Hashable = None
    """Tasks with the same key are computed together; None: alone."""
    deadline: float = 0.0
    """Time of `time.monotonic` at which nobody waits any more."""
    begun: bool = False
    dropped: bool = False
    future: "asyncio.Future[Any]" = field(init=False)

    @classmethod
    def alone(cls, compute: Callable[[], Any], rows: int = 1) -> "Task":
        """A task that is computed by itself."""
        return cls(lambda _: [compute()], None, rows)


class Worker:
    """The thread of one model, and its queue."""

    def __init__(self, name: str, most: int, queued: int, seen: Callable[[int, float], None] | None = None) -> None:
        """A worker, at work at once.

        most     rows that are computed together
        queued   rows that may wait
        seen     is told rows and seconds of every batch
        """
        self._most, self._queued, self._seen = most, queued, seen
        self._queue: deque[Task] = deque()
        self._waiting = 0
        self._rate = 0.0
        self._closing = False
        self._turn = threading.Condition()
        self._thread = threading.Thread(target=self._work, name=f"model {name}", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Rows that wait."""
        return self._waiting

    def submit(self, task: Task, seconds: float) -> "asyncio.Future[Any]":
        """Queue a task that is to be answered in so many seconds. Raises `Refusal` (429) if too much is waiting."""
        task.future = asyncio.get_running_loop().create_future()
        task.deadline = time.monotonic() + seconds
        with self._turn:
            expected = self._waiting / self._rate if self._rate else 0.0
            if (
                self._closing
                or (self._queue and self._waiting + task.rows > self._queued)
                or expected > PATIENCE * seconds
            ):
                raise Refusal.busy(expected)
            self._queue.append(task)
            self._waiting += task.rows
            self._turn.notify()
        return task.future

    async def answer(self, task: Task, seconds: float, receive: Receive | None = None) -> Any:
        """What a task gives. Raises `Refusal`: 429 if it was not begun in time, 504 if it was not done; `ClientGone`.

        receive   the request's channel, on which a client that leaves is noticed
        """
        future = self.submit(task, seconds)
        done, _ = await asyncio.wait({future}, timeout=min(FIRST_LOOK, seconds))
        gone: asyncio.Task[None] | None = None
        try:
            if not done and receive is not None:
                gone = asyncio.ensure_future(_left(receive))
                waited = {future, gone}
                await asyncio.wait(waited, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            elif not done:
                await asyncio.wait({future}, timeout=seconds)
            if future.done():
                return future.result()
            if gone is not None and gone.done():
                raise ClientGone
            if task.begun:
                raise Refusal.late(seconds)
            raise Refusal.busy(seconds)
        finally:
            task.dropped = True
            if gone is not None:
                gone.cancel()

    def close(self, seconds: float = 10.0) -> None:
        """Compute what waits, take nothing more, and end."""
        with self._turn:
            self._closing = True
            self._turn.notify()
        self._thread.join(seconds)

    # ---- the thread

    def _work(self) -> None:
        while batch := self._next():
            started = time.perf_counter()
            answers = _computed(batch)
            seconds, rows = time.perf_counter() - started, sum(task.rows for task in batch)
            rate = rows / max(seconds, 1e-6)
            self._rate = KEPT * self._rate + (1 - KEPT) * rate if self._rate else rate
            _deliver(batch, answers)
            if self._seen is not None:
                self._seen(rows, seconds)

    def _next(self) -> list[Task]:
        """The oldest task with all that can be computed beside it; empty at the end."""
        with self._turn:
            while True:
                while not self._queue and not self._closing:
                    self._turn.wait()
                if not self._queue:
                    return []
                if batch := self._taken():
                    return batch

    def _taken(self) -> list[Task]:
        now, batch, rows, left = time.monotonic(), list[Task](), 0, deque[Task]()
        while self._queue:
            task = self._queue.popleft()
            if task.dropped or task.deadline < now:
                self._waiting -= task.rows
            elif not batch or (
                task.together is not None and task.together == batch[0].together and rows + task.rows <= self._most
            ):
                batch.append(task)
                rows += task.rows
                task.begun = True
            else:
                left.append(task)
        self._queue = left
        self._waiting -= rows
        return batch


def _computed(batch: Sequence[Task]) -> list[Any]:
    """An answer, or an exception, for each task; tasks that fail together are computed one by one."""
    try:
        return list(batch[0].compute([task.value for task in batch]))
    except Exception as problem:  # noqa: BLE001  (the edge of a thread: whoever waits for the task gets it)
        return [problem] if len(batch) == 1 else [_computed([task])[0] for task in batch]


def _deliver(batch: Sequence[Task], answers: Sequence[Any]) -> None:
    def give() -> None:
        for task, answer in zip(batch, answers, strict=True):
            if task.future.done():
                continue
            if isinstance(answer, Exception):
                task.future.set_exception(answer)
                task.future.exception()  # it counts as seen, also where nobody waits any more
            else:
                task.future.set_result(answer)

    try:
        batch[0].future.get_loop().call_soon_threadsafe(give)
    except RuntimeError:  # the loop has ended, and with it whoever waited
        return


async def _left(receive: Receive) -> None:
    """Returns when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
