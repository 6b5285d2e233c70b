"""`Partition`: one partition of a topic at work: its sessions, their state, and the right to go on with them.

Whoever opens a partition takes its transactional id: a process that had it before can commit nothing any more, and what
it had begun is decided. Then the offset of the group and the state topic say where the partition stands. The store of
this process is a copy of the state topic, which is read from where the copy ends. There is no other way to begin:
after a start, a rebalance, a crash, or a transaction that failed, a partition is opened.

A batch is one transaction: the states that it changed, its findings, and its offset. All of it counts, or none.
"""

import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from trine.detect.scorer import Scorer
from trine.errors import StoreError
from trine.live.engine import Engine, Limits
from trine.live.kafka_brokers import PATIENCE, Topic
from trine.live.kafka_sink import KafkaSink
from trine.live.kafka_source import PartitionSource
from trine.live.reader import SourceFormat
from trine.live.source import log
from trine.live.state_topic import SOURCE, Mark, Replay, StateRecord, records
from trine.live.store import Changes, Store

if TYPE_CHECKING:
    from confluent_kafka import Consumer, Message

AT_ONCE: Final = 5_000
"""States that are copied from the topic in one step."""


@dataclass(frozen=True)
class Stream:
    """A topic, and what is made of it."""

    topic: Topic
    folder: Path
    """Stores of this process."""
    scorer: Scorer
    model: str
    """Fingerprint of the model."""
    sinks: Sequence[KafkaSink] = ()
    """Topics of the same brokers that get the findings, each once."""


class Partition:
    """One partition. `open` before anything else, also again after an error; `close` at the end."""

    def __init__(self, stream: Stream, number: int, limits: Limits) -> None:
        self.stream, self.topic, self.number, self.limits = stream, stream.topic, number, limits
        self.is_at_end = False
        """Whether everything that has arrived so far is read."""
        self._producer: Any = None
        self._stale: set[str] = set()
        """Sessions that the state topic still has, although they begin anew."""

    @property
    def path(self) -> Path:
        """Its store."""
        return self.stream.folder / f"{self.topic.name}-{self.number}.db"

    def open(self, consumer: "Consumer") -> int:
        """Take the partition and go on; the offset to read from. Raises `KafkaException`, `StoreError`."""
        from confluent_kafka import OFFSET_BEGINNING

        name = f"trine/{self.topic.group}/{self.topic.name}/{self.number}"
        self._producer = self.topic.brokers.producer(transactional_id=name, linger_ms=5)
        self._producer.init_transactions(PATIENCE)
        self._stale = set()
        place = self._place()
        committed = consumer.committed([place], PATIENCE)[0].offset
        self.is_at_end = False
        self.source = PartitionSource(self.topic.name, self.number)
        offset = self._restore(committed if committed >= 0 else None)
        self.engine = Engine(self.stream.scorer, self.store, [self.source], self.limits, self.stream.model)
        self.store.aim(self.limits.threshold, self.engine.judge.running.calibrated_on)
        if offset is None and self.topic.from_now:
            _, offset = consumer.get_watermark_offsets(place, timeout=PATIENCE)
            self.commit(Changes(), consumer, offset)
        self.source.next = offset
        return OFFSET_BEGINNING if offset is None else int(offset)

    def close(self) -> None:
        """Let it go; another process may have it already."""
        self._producer = None
        with suppress(AttributeError):
            self.store.close()

    @property
    def of(self) -> SourceFormat:
        """Its source with the format of its lines."""
        return self.engine.formats[0]

    def commit(self, changes: Changes, consumer: "Consumer", offset: int | None = None) -> None:
        """Commit a batch at the brokers, then in the store. Raises `KafkaException`: open it again.

        offset   of the next message; None: that behind the last one that the source gave
        """
        at = self.source.next if offset is None else offset
        assert at is not None, "nothing was read yet"
        stale = [key for key in self._stale if key not in changes.entities]
        told = replace(changes, forgotten=[*changes.forgotten, *stale])
        mark = Mark.after(changes, self.store, self.source.name, at, self.stream.model)
        read = self._transaction(told, mark, consumer)
        self._stale = set()
        positions = {**changes.positions, SOURCE: {"read": read, "offset": at}}
        self.store.commit(replace(changes, findings=(), positions=positions))

    def _transaction(self, changes: Changes, mark: Mark, consumer: "Consumer") -> int:
        """Commit at the brokers; the offset behind the mark in the state topic."""
        from confluent_kafka import KafkaError, KafkaException

        written: list[int] = []

        def delivered(error: "KafkaError | None", message: "Message") -> None:
            if error is None:
                written.append(message.offset() or 0)

        topic = self.topic.state_topic
        self._producer.begin_transaction()
        for key, value, at in records(changes, mark):
            headers = StateRecord(key, value, at).headers
            self._produce(topic=topic, partition=self.number, key=key, value=value, headers=headers, callback=delivered)
        for sink in self.stream.sinks:
            for finding in changes.findings:
                self._produce(**sink.message(finding))
        if self._producer.flush(PATIENCE) or not written:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "no answer of the brokers"))
        behind = [self._place(mark.offset)]
        self._producer.send_offsets_to_transaction(behind, consumer.consumer_group_metadata(), PATIENCE)
        self._producer.commit_transaction(PATIENCE)
        return max(written) + 1

    def _produce(self, **message: Any) -> None:
        while True:
            try:
                self._producer.produce(**message)
            except BufferError:  # the queue is full: wait for answers
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return

    def _place(self, offset: int | None = None) -> Any:
        from confluent_kafka import TopicPartition

        topic = self.topic.name
        return TopicPartition(topic, self.number) if offset is None else TopicPartition(topic, self.number, offset)

    # ---- the state

    def _restore(self, committed: int | None) -> int | None:
        """Bring the store to where the group is; the offset to go on at, None: the beginning. Raises `StoreError`."""
        self.store = Store.own(self.path, self.stream.model)
        try:
            for again in (False, True):
                if again or SOURCE not in self.store.positions():
                    self._empty()
                offset = self._copied(committed)
                if committed is None or offset == committed:
                    return offset
            assert committed is not None, "it is the one that no state belongs to"
            return self._anew(committed)
        except BaseException:
            self.store.close()
            raise

    def _copied(self, committed: int | None) -> int | None:
        """Copy what the topic has and the store has not; the offset that it belongs to."""
        known: dict[str, int] = self.store.positions().get(SOURCE, {})
        replay = Replay(committed)
        read = self._replay(replay, known.get("read"))
        if replay.mark is None:
            return known.get("offset")
        if replay.mark.model != self.stream.model:
            raise StoreError(f"group {self.topic.group}: another model is at work there; give another --group")
        states, rest = replay.changed(), replay.mark.changes(self.store, self.source.name)
        positions = {**rest.positions, SOURCE: {"read": read, "offset": replay.mark.offset}}
        self.store.commit(replace(rest, entities=states.entities, forgotten=states.forgotten, positions=positions))
        return replay.mark.offset

    def _replay(self, replay: Replay, start: int | None) -> int:
        """Read the state topic to its end; the offset there."""
        from confluent_kafka import KafkaError, KafkaException, TopicPartition

        topic, place = self.topic.state_topic, TopicPartition(self.topic.state_topic, self.number, start or 0)
        settings = {"group_id": self.topic.group, "auto_offset_reset": "earliest", "fetch_wait_max_ms": 10}
        with closing(self.topic.brokers.consumer(**settings)) as reader:
            reader.assign([place])
            patient_until = time.monotonic() + PATIENCE
            while time.monotonic() < patient_until:
                for message in reader.consume(AT_ONCE, 0.05):
                    patient_until = time.monotonic() + PATIENCE
                    error = message.error()
                    if error is None:
                        replay.add(StateRecord.read(message.key(), message.value(), message.headers()))
                    elif error.code() == KafkaError._PARTITION_EOF:
                        return message.offset() or 0
                    else:
                        raise KafkaException(error)
                if replay.waiting >= AT_ONCE:
                    self.store.commit(replay.changed())
        raise KafkaException(KafkaError(KafkaError._TIMED_OUT, f"{topic}: no answer of the brokers"))

    def _empty(self) -> None:
        """Begin with an empty store: it is only a copy."""
        self.store.close()
        for path in self.path.parent.glob(f"{self.path.name}*"):
            if not path.name.endswith(".lock"):
                path.unlink()
        self.store = Store.own(self.path, self.stream.model)

    def _anew(self, committed: int) -> int:
        """The offset of the group was set by hand, or the state topic was removed: all sessions begin anew."""
        log.warning("%s: no state belongs to the group's offset %d: sessions begin anew", self.source.name, committed)
        self._empty()
        everything = Replay(None)
        self._replay(everything, None)
        self.store.commit(everything.changed())
        while keys := set(self.store.some_entities(AT_ONCE)):
            self._stale |= keys
            self.store.commit(Changes(forgotten=list(keys)))
        self._empty()
        return committed
