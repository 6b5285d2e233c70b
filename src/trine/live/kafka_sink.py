"""`KafkaSink`: findings as messages of a topic, with the entity as key.

Detection on a topic of the same brokers puts its findings into its own transactions (`kafka_partition.py`), where each
counts once. Beside other sources, and at other brokers, the topic is a sink like all others: a finding can arrive
twice, with the same id and revision in its headers.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from trine.datasets.lines import encodable
from trine.live.circumstances import Circumstances
from trine.live.finding import LiveFinding
from trine.live.finding_formats import FORMATS
from trine.live.kafka_brokers import Address, Brokers
from trine.live.sinks import TIMEOUT, Refused, SinkDown

if TYPE_CHECKING:
    from confluent_kafka import Producer

ABSENT: Final = "make it, or give another --sink"


class KafkaSink:
    """A message per finding. Raises `DataError` if there is no such topic, `UsageError` as `Brokers` does."""

    def __init__(
        self, address: Address, properties: Mapping[str, str], formatted: str | None, circumstances: Circumstances
    ) -> None:
        self.address, self.name = address, f"kafka://{address.brokers}/{address.topic}"
        self._brokers, self._circumstances = Brokers(address.brokers, properties), circumstances
        self._brokers.partitions(address.topic, ABSENT)
        self._format = FORMATS[formatted or "json"]
        self._producer: Producer | None = None

    def message(self, finding: LiveFinding) -> dict[str, Any]:
        """What the producer is given of a finding."""
        return {
            "topic": self.address.topic,
            "key": encodable(finding.entity).encode(),
            "value": self._format(finding, self._circumstances).encode(),
            "headers": [("id", finding.id.encode()), ("revision", str(finding.revision).encode())],
        }

    def send(self, findings: Sequence[LiveFinding]) -> None:
        """Send them; the brokers have them when this returns. Raises `SinkDown`, `Refused`."""
        from confluent_kafka import KafkaError, KafkaException

        if self._producer is None:
            self._producer = self._brokers.producer(delivery_timeout_ms=int(1000 * TIMEOUT))
        failed: list[KafkaError | None] = []
        try:
            for finding in findings:
                self._producer.produce(**self.message(finding), on_delivery=lambda error, _: failed.append(error))
            left = self._producer.flush(2 * TIMEOUT)
        except (KafkaException, BufferError) as problem:
            failed, left = [problem.args[0]], 0
        errors = [error for error in failed if error is not None]
        if any(isinstance(error, KafkaError) and error.code() == KafkaError.MSG_SIZE_TOO_LARGE for error in errors):
            raise Refused("larger than the topic takes")
        if errors or left:
            self.close()  # nothing of it is sent later: it is sent again
            raise SinkDown(f"{self.name}: {errors[0] if errors else 'no answer'}")

    def close(self) -> None:
        """Let the connections go."""
        if self._producer is not None:
            self._producer.purge()
            self._producer.poll(0)
        self._producer = None
