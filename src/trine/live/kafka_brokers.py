"""`Brokers`: brokers of Kafka, as the client library reaches them; `Topic`, one of their topics that a group reads.

The library is librdkafka in confluent-kafka's wheel. Whatever it needs to reach the brokers (SASL, TLS, …) stands in a
file of its own properties; what the exactness of the counts rests on is set here, and cannot be set there.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from trine.errors import DataError, UsageError
from trine.live.source import log

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, Producer
    from confluent_kafka.admin import AdminClient

PATIENCE: Final = 20.0
"""Seconds to wait for an answer of the brokers."""
_QUICK: Final = 5.0
"""Seconds to wait for an answer that can be done without."""
_SESSION_TIMEOUT: Final = 45_000
"""Default of session.timeout.ms."""
_BROKER: Final = re.compile(r"([\w.-]+|\[[\da-fA-F:]+\])(:\d{1,5})?")
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}")
_OWN: Final = {
    "bootstrap.servers": "the brokers stand in the address",
    "metadata.broker.list": "the brokers stand in the address",
    "group.id": "give --group",
    **dict.fromkeys(
        (
            "auto.offset.reset",
            "enable.auto.commit",
            "enable.auto.offset.store",
            "enable.idempotence",
            "enable.partition.eof",
            "group.protocol",
            "isolation.level",
            "partition.assignment.strategy",
            "transactional.id",
        ),
        "it is set so that every message counts once",
    ),
}
"""Properties that a file cannot set, and why."""


@dataclass(frozen=True)
class Address:
    """A topic at some brokers: `kafka://HOST:PORT,HOST:PORT/TOPIC`."""

    brokers: str
    topic: str

    @classmethod
    def parse(cls, text: str) -> "Address":
        """The address that a word means. Raises `UsageError`."""
        brokers, _, topic = text.removeprefix("kafka://").partition("/")
        if "@" in brokers:
            raise UsageError("kafka://: names and passwords stand in a file of properties: give --kafka-config FILE")
        if not all(_BROKER.fullmatch(broker) for broker in brokers.split(",")):
            raise UsageError(f"{text}: no brokers; write it as kafka://HOST:9092/TOPIC, several brokers with commas")
        if not _TOPIC.fullmatch(topic):
            raise UsageError(f"{text}: {topic!r} is no name of a topic; write it as kafka://HOST:9092/TOPIC")
        return cls(brokers, topic)


def read_properties(path: Path) -> dict[str, str]:
    """The properties in a file, one `name=value` a line, `#` before a comment. Raises `DataError`, `UsageError`."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as problem:
        raise DataError(f"--kafka-config {path}: cannot be read ({problem}); give a file of name=value lines") from None
    properties: dict[str, str] = {}
    for number, line in enumerate(map(str.strip, lines), 1):
        name, equals, value = (part.strip() for part in line.partition("="))
        if not line or line.startswith("#"):
            continue
        if not equals or not name:
            raise UsageError(f"--kafka-config {path}:{number}: no property; write it as name=value")
        if name in _OWN:
            raise UsageError(f"--kafka-config {path}:{number}: {name} cannot be set: {_OWN[name]}")
        properties[name] = value
    return properties


class Brokers:
    """Some brokers. Raises `UsageError` where the client library is not installed, or does not know a property."""

    def __init__(self, servers: str, properties: Mapping[str, str] | None = None) -> None:
        try:
            import confluent_kafka
        except ImportError:
            raise UsageError("kafka:// needs the client library: pip install 'trine[kafka]' brings it") from None
        self.servers, self.problem = servers, ""
        """`problem`: why the brokers cannot be reached at present; empty: nothing is known to be wrong."""
        self._kafka = confluent_kafka
        self._settings: dict[str, Any] = {
            "log_level": 2,
            "client.id": "trine",
            **(properties or {}),
            "bootstrap.servers": servers,
            "logger": log,
            "error_cb": self._noted,
        }

    @property
    def session_seconds(self) -> float:
        """Time after which the brokers take a process of a group for dead that says nothing."""
        return float(self._settings.get("session.timeout.ms", _SESSION_TIMEOUT)) / 1000

    def consumer(self, **settings: Any) -> "Consumer":
        """A consumer with these properties, written with `_` for `.`, that reads what is committed."""
        own = {"isolation.level": "read_committed", "enable.auto.commit": False, "enable.partition.eof": True}
        consumer: Consumer = self._made(self._kafka.Consumer, own | _dotted(settings))
        return consumer

    def producer(self, **settings: Any) -> "Producer":
        """A producer with these properties that writes each message once and in order."""
        own = {"compression.type": "lz4", **self._settings, "enable.idempotence": True}
        producer: Producer = self._made(self._kafka.Producer, own | _dotted(settings))
        return producer

    def partitions(self, topic: str, advice: str) -> int:
        """The number of partitions of a topic. Raises `DataError` if it is absent or the brokers cannot be reached."""
        found = self._topics().get(topic)
        if not found:
            raise DataError(f"kafka://{self.servers}/{topic}: there is no such topic; {advice}")
        return found

    def ensure_compacted(self, topic: str, partitions: int) -> None:
        """Create a compacted topic, or give it more partitions, unless it has as many. Raises `DataError`."""
        from confluent_kafka.admin import NewPartitions, NewTopic

        admin, found = self._admin(), self._topics().get(topic, 0)
        try:
            if not found:
                made = admin.create_topics([NewTopic(topic, partitions, config={"cleanup.policy": "compact"})])
                made[topic].result(PATIENCE)
                log.info("topic %s created: %d partitions, compacted", topic, partitions)
            elif found < partitions:
                admin.create_partitions([NewPartitions(topic, partitions)])[topic].result(PATIENCE)
            else:
                self._require_compacted(admin, topic)
        except (self._kafka.KafkaException, TimeoutError) as problem:
            error = problem.args[0] if problem.args else None
            if error is None or error.code() != error.TOPIC_ALREADY_EXISTS:  # else another process was faster
                reason = "no answer" if error is None else error.str()
                raise DataError(
                    f"kafka://{self.servers}/{topic}: cannot be made ({reason}); "
                    f"make it with {partitions} partitions and cleanup.policy=compact"
                ) from None

    def _require_compacted(self, admin: "AdminClient", topic: str) -> None:
        """Open sessions would be forgotten by a topic that deletes what is old."""
        from confluent_kafka.admin import ConfigResource, ResourceType

        policy = "compact"
        with suppress(self._kafka.KafkaException, TimeoutError, KeyError):  # where it is not told, it is believed
            asked = admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)])
            policy = next(iter(asked.values())).result(_QUICK)["cleanup.policy"].value or policy
        if "compact" not in policy:
            raise DataError(
                f"kafka://{self.servers}/{topic}: cleanup.policy is {policy}: states of open sessions would be "
                "deleted; set it to compact"
            )

    def _admin(self) -> "AdminClient":
        from confluent_kafka.admin import AdminClient

        admin: AdminClient = self._made(AdminClient, {})
        return admin

    def _topics(self) -> dict[str, int]:
        """Number of partitions of every topic. Raises `DataError`."""
        admin = self._admin()
        try:
            topics = admin.list_topics(timeout=PATIENCE).topics
        except self._kafka.KafkaException as problem:
            admin.poll(0)
            reason = self.problem or problem.args[0].str()
            raise DataError(
                f"kafka://{self.servers}: cannot be reached ({reason}); look at the address, and at --kafka-config"
            ) from None
        self.problem = ""
        return {name: len(topic.partitions) for name, topic in topics.items() if topic.error is None}

    def _made(self, kind: Any, settings: Mapping[str, Any]) -> Any:
        try:
            return kind({**self._settings, **settings})
        except self._kafka.KafkaException as problem:
            raise UsageError(f"--kafka-config: {problem.args[0].str()}") from None

    def _noted(self, error: "KafkaError") -> None:
        """Keep why a connection fails; the first reason says most."""
        if not self.problem and error.code() != self._kafka.KafkaError._ALL_BROKERS_DOWN:
            self.problem = error.str()


def _dotted(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name.replace("_", "."): value for name, value in settings.items()}


@dataclass(frozen=True)
class Topic:
    """A topic that a group of processes reads."""

    brokers: Brokers
    name: str
    partitions: int
    group: str
    from_now: bool
    """Whether a partition that the group has never read is read from its present end."""

    @classmethod
    def found(cls, address: Address, properties: Mapping[str, str], group: str, *, from_now: bool) -> "Topic":
        """The topic at an address. Raises `DataError` if there is none, or the brokers cannot be reached."""
        if not _TOPIC.fullmatch(group):
            raise UsageError(f"--group {group}: give letters, digits, points, - and _ : topics are named after it")
        brokers = Brokers(address.brokers, properties)
        partitions = brokers.partitions(address.topic, "make it first, or look at its name")
        return cls(brokers, address.topic, partitions, group, from_now)

    @property
    def state_topic(self) -> str:
        """Name of the topic with the states of the group."""
        return f"{self.name}.{self.group}.trine-state"
