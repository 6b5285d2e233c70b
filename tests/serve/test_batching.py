"""The thread of a model: what waits together is one batch, and nothing waits for ever."""

import asyncio
import threading
import time

import pytest

from trine.errors import DataError
from trine.serve.batching import Task, Worker
from trine.serve.refusals import ClientGone, Refusal


class Gate:
    """Computes doubles, and keeps the first batch until it is opened."""

    def __init__(self) -> None:
        self.opened, self.begun = threading.Event(), threading.Event()
        self.batches: list[list[int]] = []

    def double(self, values):
        self.batches.append(list(values))
        self.begun.set()
        assert self.opened.wait(10)
        return [2 * value for value in values]


@pytest.fixture
def gate():
    opened = Gate()
    yield opened
    opened.opened.set()


@pytest.fixture
def make_worker():
    made = []

    def make(most=8, queued=100):
        made.append(Worker("test", most, queued))
        return made[-1]

    yield make
    for worker in made:
        worker.close()


async def begun(gate: Gate) -> None:
    assert await asyncio.to_thread(gate.begun.wait, 10)


def test_tasks_that_wait_are_one_batch_up_to_its_size_and_each_gets_its_own_answer(make_worker, gate):
    worker = make_worker(most=4)

    async def ask():
        first = asyncio.create_task(worker.answer(Task(gate.double, 0, together="x"), 10))
        await begun(gate)
        others = [asyncio.create_task(worker.answer(Task(gate.double, n, together="x"), 10)) for n in range(1, 7)]
        await asyncio.sleep(0.05)
        gate.opened.set()
        return await asyncio.gather(first, *others)

    assert asyncio.run(ask()) == [0, 2, 4, 6, 8, 10, 12]
    assert gate.batches == [[0], [1, 2, 3, 4], [5, 6]]


def test_tasks_of_other_kinds_are_computed_apart_and_in_turn(make_worker, gate):
    worker = make_worker()

    async def ask():
        kinds = ["x", "y", None, None, "x"]
        first = asyncio.create_task(worker.answer(Task(gate.double, 9), 10))
        await begun(gate)
        others = [
            asyncio.create_task(worker.answer(Task(gate.double, n, together=kind), 10)) for n, kind in enumerate(kinds)
        ]
        await asyncio.sleep(0.05)
        gate.opened.set()
        await asyncio.gather(first, *others)

    asyncio.run(ask())
    assert gate.batches == [[9], [0, 4], [1], [2], [3]]


def test_a_full_queue_refuses_with_the_time_to_try_again(make_worker, gate):
    worker = make_worker(queued=5)

    async def ask():
        first = asyncio.create_task(worker.answer(Task(gate.double, 0), 10))
        await begun(gate)
        waiting = asyncio.create_task(worker.answer(Task(gate.double, 1, rows=5), 10))
        await asyncio.sleep(0.05)
        with pytest.raises(Refusal) as refused:
            await worker.answer(Task(gate.double, 2), 10)
        gate.opened.set()
        await asyncio.gather(first, waiting)
        return refused.value

    refusal = asyncio.run(ask())
    assert refusal.status == 429
    assert int(refusal.headers["Retry-After"]) >= 1
    assert worker.waiting == 0


def test_a_task_larger_than_the_queue_is_taken_when_nothing_waits(make_worker, gate):
    worker = make_worker(queued=5)
    gate.opened.set()
    assert asyncio.run(worker.answer(Task(gate.double, 1, rows=50), 10)) == 2


def test_a_task_whose_client_has_left_is_not_computed(make_worker, gate):
    worker = make_worker()

    async def gone():
        return {"type": "http.disconnect"}

    async def ask():
        first = asyncio.create_task(worker.answer(Task(gate.double, 0), 10))
        await begun(gate)
        with pytest.raises(ClientGone):
            await worker.answer(Task(gate.double, 1), 10, gone)
        gate.opened.set()
        await first
        await worker.answer(Task(gate.double, 2), 10)

    asyncio.run(ask())
    assert gate.batches == [[0], [2]]


def test_what_is_not_begun_in_time_may_be_tried_again_and_what_is_begun_is_said_to_be_too_much(make_worker, gate):
    worker = make_worker()

    async def ask():
        slow = asyncio.create_task(worker.answer(Task(gate.double, 0), 0.2))
        await begun(gate)
        statuses = []
        for asked in (worker.answer(Task(gate.double, 1), 0.1), slow):
            with pytest.raises(Refusal) as refused:
                await asked
            statuses.append(refused.value.status)
        return statuses

    assert asyncio.run(ask()) == [429, 504]


def test_one_task_that_fails_does_not_fail_those_beside_it(make_worker, gate):
    worker = make_worker()

    def halves(values):
        if any(value % 2 for value in values):
            raise DataError("odd")
        return [value // 2 for value in values]

    async def ask():
        first = asyncio.create_task(worker.answer(Task(gate.double, 0), 10))
        await begun(gate)
        asked = [asyncio.create_task(worker.answer(Task(halves, n, together="h"), 10)) for n in (2, 3, 4)]
        await asyncio.sleep(0.05)
        gate.opened.set()
        await first
        return await asyncio.gather(*asked, return_exceptions=True)

    two, three, four = asyncio.run(ask())
    assert (two, four) == (1, 2)
    assert isinstance(three, DataError)


def test_a_slow_model_refuses_what_would_wait_for_long(make_worker):
    worker = make_worker(most=1, queued=1000)

    def slow(values):
        time.sleep(0.05)
        return list(values)

    async def ask():
        await worker.answer(Task(slow, 0), 1)
        asked = [asyncio.create_task(worker.answer(Task(slow, n), 1)) for n in range(40)]
        found = await asyncio.gather(*asked, return_exceptions=True)
        return [each.status if isinstance(each, Refusal) else 200 for each in found]

    statuses = asyncio.run(ask())
    assert statuses.count(200) >= 3
    assert set(statuses) == {200, 429}


def test_at_its_end_what_waits_is_computed_and_nothing_more_is_taken(make_worker, gate):
    worker = make_worker()

    async def ask():
        first = asyncio.create_task(worker.answer(Task(gate.double, 0), 10))
        await begun(gate)
        second = asyncio.create_task(worker.answer(Task(gate.double, 1), 10))
        await asyncio.sleep(0.05)
        closing = asyncio.create_task(asyncio.to_thread(worker.close))
        await asyncio.sleep(0.05)
        with pytest.raises(Refusal, match="busy"):
            await worker.answer(Task(gate.double, 2), 10)
        gate.opened.set()
        await closing
        return await asyncio.gather(first, second)

    assert asyncio.run(ask()) == [0, 2]
