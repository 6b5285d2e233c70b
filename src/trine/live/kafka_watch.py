"""`KafkaWatch`: one process of a group that reads a topic. Each partition is at work in one process at a time.

The brokers divide the partitions among the processes of the group, and anew when one joins, leaves or dies. Between two
looks at the topic no batch is open: a partition that is given away is closed, and one that comes is opened. A process
that was taken for dead and goes on cannot commit: its transaction fails, and what it has in memory is dropped.
"""

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Final

from trine.detect.scorer import Scorer
from trine.errors import DataError, UsageError
from trine.live.delivery import Delivery
from trine.live.engine import Limits
from trine.live.judge import Judge
from trine.live.kafka_brokers import PATIENCE, Topic
from trine.live.kafka_partition import Partition, Stream
from trine.live.kafka_sink import KafkaSink
from trine.live.kafka_source import Message
from trine.live.operation import Operation, PerPartition
from trine.live.sinks import Sink
from trine.live.source import log
from trine.live.store import FOUND, Changes, Store
from trine.live.watch import PAUSE, collecting_seldom
from trine.plurals import quantity

if TYPE_CHECKING:
    from confluent_kafka import Consumer, KafkaError, TopicPartition
    from confluent_kafka import Message as KafkaMessage

MOST_MESSAGES: Final = 20_000
"""Messages of all partitions that are taken at once."""
FAILURES: Final = 10
"""Transactions of a partition that may fail one after the other while the brokers can be reached."""
AGAIN: Final = 1.0
"""Seconds before a partition is opened again whose transaction failed: another process may have it."""
_SHOWN: Final = 1.0
"""Seconds between two looks at the counters for the metrics."""


class KafkaWatch:
    """A detector at work on a topic: `run` until `stopping` is set, with `once` until the end of the topic."""

    def __init__(
        self, stream: Stream, findings: Store, sinks: Sequence[Sink], limits: Limits, *, once: bool = False
    ) -> None:
        """findings   store of the findings of this process, and of what its sinks still have to get"""
        self.stream, self.topic, self.findings, self.stopping = stream, stream.topic, findings, Event()
        self._state_partitions = stream.topic.partitions
        per_day = None if limits.per_day is None else limits.per_day / self.topic.partitions
        self.limits, self._once = replace(limits, per_day=per_day), once
        self.partitions: dict[int, Partition] = {}
        """Those that are at work in this process."""
        self._dropped: dict[int, float] = {}
        """Those whose transaction failed, and when they are opened again if they are still this process's."""
        self.delivery = Delivery(findings, sinks)
        self.operation = Operation([], findings, self.delivery)
        self._done: Counter[str] = Counter()
        self._failures: Counter[int] = Counter()
        self._problem = ""
        """Why nothing can be committed at present."""
        self._shown_at = 0.0
        self._assigned_at = 0.0
        """When the brokers last gave this process partitions."""

    @classmethod
    @contextmanager
    def opened(
        cls,
        topic: Topic,
        folder: Path,
        scorer: Scorer,
        model: str,
        sinks: Sequence[Sink],
        limits: Limits,
        *,
        once: bool,
    ) -> Iterator["KafkaWatch"]:
        """One whose stores are in a folder, as long as the context lasts. Raises `StoreError`, `UsageError`.

        Sinks that are topics of the same brokers are a part of the transactions.
        """
        topics = [each for each in sinks if isinstance(each, KafkaSink)]
        inside = [each for each in topics if each.address.brokers == topic.brokers.servers]
        if any(each.address.topic == topic.name for each in inside):
            raise UsageError(f"--sink {inside[0].name}: findings would be read as lines; give another topic")
        if folder.is_file():
            raise UsageError(f"--store {folder}: a file; give a folder for what a topic needs")
        Judge(scorer, 1)  # said before anything is written
        topic.brokers.ensure_compacted(topic.state_topic, topic.partitions)
        with closing(Store.own(folder / "findings.db", model)) as findings:
            others = [each for each in sinks if each not in inside]
            yield cls(Stream(topic, folder, scorer, model, inside), findings, others, limits, once=once)

    def serve(self, port: int) -> int:
        """Serve metrics and health on this machine; returns the port. Raises `DataError`, `UsageError`."""
        return self.operation.serve(port)

    def summary(self) -> str:
        """What this process has done, in a line."""
        lines, sessions = quantity(self._done["lines"], "line"), quantity(self._done["sessions"], "session")
        found = quantity(self._done[FOUND], "session")
        return f"{lines} and {sessions} begun by this process; {found} ended with a finding"

    def run(self) -> None:
        """Read and judge. Raises `DataError`, `StoreError` where it cannot go on."""
        from confluent_kafka import KafkaException

        consumer = self.topic.brokers.consumer(
            group_id=self.topic.group,
            partition_assignment_strategy="cooperative-sticky",
            auto_offset_reset="error",
        )
        try:
            with collecting_seldom():
                consumer.subscribe(
                    [self.topic.name],
                    on_assign=self._assigned,
                    on_revoke=self._revoked,
                    on_lost=self._revoked,
                )
                self._run(consumer)
        except KafkaException as problem:
            raise DataError(f"kafka://{self.topic.brokers.servers}: {problem.args[0].str()}; start it again") from None
        finally:
            consumer.close()
            self._close(list(self.partitions))
            self.delivery.stop()
            self.operation.close()

    def _run(self, consumer: "Consumer") -> None:
        begun = False
        while not self.stopping.is_set():
            self._read(consumer, consumer.consume(MOST_MESSAGES, PAUSE))
            self._open_again(consumer)
            begun = begun or bool(self.partitions)
            self._show(consumer)
            is_at_end = not self._dropped and all(partition.is_at_end for partition in self.partitions.values())
            if self._once and begun and is_at_end and self._has_its_share():
                self._end_all(consumer)
                return

    def _has_its_share(self) -> bool:
        """Whether no more partitions will come: the brokers keep those of a process that died for a while."""
        waited = time.monotonic() - self._assigned_at
        return len(self.partitions) >= self.topic.partitions or waited > self.topic.brokers.session_seconds

    def _end_all(self, consumer: "Consumer") -> None:
        """End all sessions of the partitions that this process has, and say which are left."""
        others = self.topic.partitions - len(self.partitions)
        if others > 0:
            which = f"{others} of {quantity(self.topic.partitions, 'partition')}"
            log.warning("%s: other processes of the group have %s: sessions there go on", self.topic.name, which)
        for partition in list(self.partitions.values()):
            self._end(consumer, partition)

    # ---- who has which partition

    def _assigned(self, consumer: "Consumer", places: "list[TopicPartition]") -> None:
        """Open partitions that this process is given, and read each from where it stands."""
        needed = max((place.partition + 1 for place in places), default=0)
        if needed > self._state_partitions:  # the topic was given more of them
            self.topic.brokers.ensure_compacted(self.topic.state_topic, needed)
            self._state_partitions = needed
        for place in places:
            place.offset = self._opened(consumer, place.partition)
        consumer.incremental_assign([place for place in places if place.partition in self.partitions])
        self._assigned_at = time.monotonic()
        self._share_memory()
        self._say("assigned", places)

    def _revoked(self, consumer: "Consumer", places: "list[TopicPartition]") -> None:
        """Close partitions that are another process's now: all that was read of them is committed."""
        self._close([place.partition for place in places])
        self._share_memory()
        self._say("given away", places)

    def _opened(self, consumer: "Consumer", number: int) -> int:
        """Open a partition, and wait for the brokers as long as they are away; the offset to read from."""
        from confluent_kafka import KafkaException

        partition = Partition(self.stream, number, self.limits)
        while True:
            try:
                offset = partition.open(consumer)
            except KafkaException as problem:
                partition.close()
                error: KafkaError = problem.args[0]
                self._failed(number, error)
                if self.stopping.wait(1.0):
                    raise
            else:
                self.partitions[number] = partition
                return offset

    def _close(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            self._dropped.pop(number, None)
            partition = self.partitions.pop(number, None)
            if partition is not None:
                partition.close()

    def _drop(self, number: int, error: "KafkaError") -> None:
        """Drop what was not committed. A moment later the client knows whether the partition is still its own."""
        self._close([number])
        self._dropped[number] = time.monotonic() + AGAIN
        self._failed(number, error)

    def _open_again(self, consumer: "Consumer") -> None:
        """Go on with partitions that were dropped, from their last commit."""
        from confluent_kafka import TopicPartition

        for number in [number for number, due in self._dropped.items() if due <= time.monotonic()]:
            del self._dropped[number]
            if TopicPartition(self.topic.name, number) in consumer.assignment():
                self._go_on_at(consumer, number, self._opened(consumer, number))
                self._share_memory()

    def _go_on_at(self, consumer: "Consumer", number: int, offset: int) -> None:
        """Read a partition that is this process's from another place on."""
        from confluent_kafka import TopicPartition

        consumer.incremental_unassign([TopicPartition(self.topic.name, number)])
        consumer.incremental_assign([TopicPartition(self.topic.name, number, offset)])

    def _failed(self, number: int, error: "KafkaError") -> None:
        """Say it; raise `DataError` where it fails again and again although the brokers answer."""
        name = f"{self.topic.name}/{number}"
        log.warning("%s: %s; going on from the last commit", name, error.str())
        self._problem = self.operation.problem = f"{name}: {error.str()}"
        away = (error._TRANSPORT, error._ALL_BROKERS_DOWN, error._TIMED_OUT)
        self._failures[number] += error.code() not in away
        if self._failures[number] >= FAILURES:
            raise DataError(f"kafka:{name}: {error.str()}, {FAILURES} times; look at the brokers and their limits")

    def _share_memory(self) -> None:
        most = max(1, self.limits.most_sessions // max(1, len(self.partitions)))
        for partition in self.partitions.values():
            partition.engine.limits = replace(self.limits, most_sessions=most)

    def _say(self, what: str, places: "list[TopicPartition]") -> None:
        numbers = ", ".join(str(place.partition) for place in sorted(places, key=lambda place: place.partition))
        if numbers:
            log.info("%s: partitions %s %s; at work on %d", self.topic.name, numbers, what, len(self.partitions))

    # ---- what has arrived

    def _read(self, consumer: "Consumer", messages: "Sequence[KafkaMessage]") -> None:
        """Judge and commit what has arrived, partition by partition."""
        arrived: dict[int, list[Message]] = defaultdict(list)
        ends: dict[int, bool] = {}
        for message in messages:
            number, error = message.partition() or 0, message.error()
            if error is None:
                kind, milliseconds = message.timestamp()
                time_ = milliseconds / 1000 if kind else None
                arrived[number].append(Message(message.offset() or 0, message.value(), time_))
                ends[number] = False
            elif error.code() == error._PARTITION_EOF:
                ends[number] = True
            else:
                self._said(consumer, number, message.offset() or 0, error)
        for number, is_at_end in ends.items():
            partition = self.partitions.get(number)
            if partition is not None:
                partition.source.add(arrived[number])
                self._take(consumer, partition)
                partition.is_at_end = is_at_end

    def _take(self, consumer: "Consumer", partition: Partition) -> None:
        while batches := partition.source.poll(partition.engine.lines_at_once):
            changes = partition.engine.batch(partition.of, batches)
            if not self._commit(consumer, partition, changes):
                return

    def _commit(self, consumer: "Consumer", partition: Partition, changes: Changes) -> bool:
        """Commit a batch; False: it failed, and the partition was dropped.

        Sinks that are no topics of these brokers get their findings first: they may get one twice, but none is lost.
        """
        from confluent_kafka import KafkaException

        if changes.findings:
            own = Changes(findings=changes.findings)
            if not self.findings.commit_or_wait(own, self.stopping.is_set):
                return False
        try:
            partition.commit(changes, consumer)
        except KafkaException as problem:
            self._drop(partition.number, problem.args[0])
            return False
        self._failures[partition.number] = 0
        self._problem = ""
        self._done.update(changes.counters)
        if changes.findings:
            self.delivery.wake()
        return True

    def _end(self, consumer: "Consumer", partition: Partition) -> None:
        """End all sessions of a partition that is read to its end."""
        if partition.source.next is None:
            return
        rest = partition.engine.finish(partition.of)
        rest.positions = {partition.source.name: partition.of.position(partition.source.next)}
        going = self._commit(consumer, partition, rest)
        while going and (changes := partition.engine.end_some()):
            going = self._commit(consumer, partition, changes)

    def _said(self, consumer: "Consumer", number: int, offset: int, error: "KafkaError") -> None:
        """What the client library says of a partition, or of all."""
        from confluent_kafka import OFFSET_BEGINNING

        partition = self.partitions.get(number)
        if error.code() == error._AUTO_OFFSET_RESET and partition is not None:
            log.error("%s: messages from %s on were deleted before they were read", partition.source.name, offset)
            partition.source.skips.add("messages deleted before they were read, left out", f"from offset {offset}")
            self._go_on_at(consumer, number, OFFSET_BEGINNING)
        elif error.code() in (error.UNKNOWN_TOPIC_OR_PART, error._UNKNOWN_TOPIC, error.TOPIC_AUTHORIZATION_FAILED):
            raise DataError(f"kafka://{self.topic.brokers.servers}/{self.topic.name}: {error.str()}")
        else:
            log.warning("%s: %s", self.topic.name, error.str())

    # ---- what an operator sees

    def _show(self, consumer: "Consumer") -> None:
        self.operation.beat()
        if time.monotonic() - self._shown_at < _SHOWN:
            return
        self._shown_at = time.monotonic()
        self.operation.problem = self._problem or self._away(consumer)
        shown: dict[str, PerPartition] = {
            name: PerPartition(text, False, {})
            for name, text in (
                ("partition_sessions_in_memory", "Open sessions in memory"),
                ("partition_threshold", "Largest p-value of a finding"),
                ("partition_lag", "Messages that are not read yet"),
            )
        }
        for number, partition in self.partitions.items():
            label = str(number)
            shown["partition_sessions_in_memory"].values[label] = float(len(partition.engine.going))
            shown["partition_threshold"].values[label] = partition.engine.threshold
            lag = self._lag(consumer, partition)
            if lag is not None:
                shown["partition_lag"].values[label] = lag
            for name, count in partition.store.counters().items():
                text = f"Number of {name.replace('_', ' ')}, by all processes of the group"
                shown.setdefault(f"partition_{name}", PerPartition(text, True, {})).values[label] = float(count)
        self.operation.per_partition = shown
        self.operation.sources = [partition.source for partition in self.partitions.values()]

    def _away(self, consumer: "Consumer") -> str:
        """Why the brokers cannot be reached; empty where they can."""
        from confluent_kafka import KafkaException

        if self.topic.brokers.problem:
            with suppress(KafkaException):
                consumer.list_topics(self.topic.name, timeout=_SHOWN)
                self.topic.brokers.problem = ""
        return self.topic.brokers.problem

    def _lag(self, consumer: "Consumer", partition: Partition) -> float | None:
        """Messages that were written and not read, by the last answer of the brokers; None if it is not known."""
        from confluent_kafka import TopicPartition

        place = TopicPartition(self.topic.name, partition.number)
        known: Any = consumer.get_watermark_offsets(place, timeout=PATIENCE, cached=True)
        if known is None or known[1] < 0 or partition.source.next is None:
            return None
        return float(max(0, known[1] - partition.source.next))
