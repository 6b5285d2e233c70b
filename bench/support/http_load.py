"""A client that loads an HTTP service: one request over and over, on many connections."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

GRACE = 40.0
"""Seconds to wait for the last answers."""


@dataclass
class Answers:
    """Statuses and times of all answers; 0 stands for a connection that was lost."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    """Of answers with 200."""

    def add(self, status: int, seconds: float) -> None:
        self.statuses[status] += 1
        if status == 200:
            self.seconds.append(seconds)


class Connection(asyncio.Protocol):
    """One kept-alive connection, on which one request is under way at a time."""

    def __init__(self, answers: Answers, idle: Callable[["Connection"], None]) -> None:
        self.answers, self.idle = answers, idle
        self.transport: asyncio.Transport | None = None
        self.begun = 0.0
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def send(self, request: bytes) -> None:
        assert self.transport is not None
        self.begun = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, _ = self._received.partition(b"\r\n\r\n")
        if not found:
            return
        length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        if len(self._received) < len(head) + 4 + length:
            return
        status, begun, self.begun = int(head[9:12]), self.begun, 0.0
        self._received.clear()
        self.answers.add(status, time.perf_counter() - begun)
        self.idle(self)

    def connection_lost(self, _: Exception | None) -> None:
        if self.begun:
            self.answers.add(0, 0.0)


async def closed_loop(port: int, request: bytes, connections: int, seconds: float) -> Answers:
    """Every connection sends the next request as soon as it has its answer."""
    answers, end = Answers(), time.perf_counter() + seconds

    def again(connection: Connection) -> None:
        if time.perf_counter() < end:
            connection.send(request)

    opened = [await _connected(port, answers, again) for _ in range(connections)]
    for each in opened:
        each.send(request)
    await asyncio.sleep(seconds)
    await _settled(opened)
    return answers


async def open_loop(port: int, request: bytes, rate: float, seconds: float, most: int) -> tuple[Answers, int]:
    """Requests at a rate, whatever the answers; the number that found all `most` connections taken is returned."""
    answers, idle, skipped = Answers(), list[Connection](), 0
    opened = [await _connected(port, answers, idle.append) for _ in range(most)]
    idle.extend(opened)
    begin, sent = time.perf_counter(), 0
    while (passed := time.perf_counter() - begin) < seconds:
        due = int(passed * rate)
        for _ in range(due - sent):
            if idle:
                idle.pop().send(request)
            else:
                skipped += 1
        sent = due
        await asyncio.sleep(0.002)
    await _settled(opened)
    return answers, skipped


async def _connected(port: int, answers: Answers, idle: Callable[[Connection], None]) -> Connection:
    loop = asyncio.get_running_loop()
    return (await loop.create_connection(lambda: Connection(answers, idle), "127.0.0.1", port))[1]


async def _settled(opened: list[Connection]) -> None:
    """Wait for the last answers, then close the connections."""
    end = time.perf_counter() + GRACE
    while any(each.begun for each in opened) and time.perf_counter() < end:
        await asyncio.sleep(0.05)
    for each in opened:
        if each.transport is not None:
            each.transport.close()
