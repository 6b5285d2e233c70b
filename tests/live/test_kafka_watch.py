"""`trine detect watch kafka://…` as processes of one group, which are killed, join and leave."""

import json
import signal
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.live import brokers
from tests.live.ssh_log import log_lines
from tests.live.watching import Service, counting_model, service, until
from trine.live.state_topic import Mark, Replay, StateRecord

pytestmark = pytest.mark.long

PARTITIONS = 4
ATTACKS = {7, 20, 41}
ATTACKERS = {"sshd[107]", "sshd[120]", "sshd[141]"}
FAST = "session.timeout.ms=6000\nheartbeat.interval.ms=200\n"


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    brokers.required()
    return counting_model(tmp_path_factory.mktemp("topic"))


@pytest.fixture(scope="module")
def lines() -> list[str]:
    return log_lines(60, 1, ATTACKS)


@pytest.fixture(scope="module")
def expected(model, lines, tmp_path_factory) -> dict[str, Any]:
    """The findings of one process that reads the same lines from a file, by entity."""
    folder = tmp_path_factory.mktemp("file")
    (folder / "auth.log").write_text("".join(f"{line}\n" for line in lines))
    with service(model, folder / "store.db", folder / "auth.log") as watch:
        watch.start("--once")
        _, out, _ = watch.ended()
    return last_states(map(json.loads, out.splitlines()))


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    brokers.required()
    with brokers.broker() as address:
        yield address


class Case:
    """Topics of their own, and processes of one group."""

    def __init__(self, broker: str, name: str, model: Path, folder: Path, stack: ExitStack) -> None:
        self.broker, self.name, self.model, self.folder, self._stack = broker, name, model, folder, stack
        self.group = f"group-{name}"
        (folder / "client.properties").write_text(FAST)

    def process(self, number: int = 0, *words: str) -> Service:
        given = (f"kafka://{self.broker}/{self.name}", "--group", self.group, *words)
        sink = ("--sink", f"kafka://{self.broker}/{self.name}-alerts", "--sink", "stdout#json")
        config = ("--kafka-config", self.folder / "client.properties")
        return self._stack.enter_context(service(self.model, self.folder / f"stores-{number}", *given, *sink, *config))

    def send(self, lines: list[str]) -> None:
        keyed = [(line.split()[4].rstrip(":"), line.encode()) for line in lines]
        brokers.send(self.broker, self.name, keyed)

    def counted(self) -> Counter[str]:
        """What the group has counted: the sums of the last marks of all partitions."""
        total = Counter[str]()
        for mark in self.marks().values():
            total.update(mark.counters)
        return total

    def marks(self) -> dict[int, Mark]:
        replays = {number: Replay(None) for number in range(PARTITIONS)}
        for message in brokers.received(self.broker, f"{self.name}.{self.group}.trine-state", PARTITIONS):
            replays[message.partition()].add(StateRecord.read(message.key(), message.value(), message.headers()))
        return {number: replay.mark for number, replay in replays.items() if replay.mark is not None}

    def found(self) -> dict[str, Any]:
        messages = brokers.received(self.broker, f"{self.name}-alerts")
        return last_states(json.loads(message.value()) for message in messages)


def last_states(documents) -> dict[str, Any]:
    """What must be equal of the last state of every finding."""
    by_id = {document["id"]: document for document in documents}
    kept = ("entity", "events", "status", "first_time", "last_time", "p_value")
    states = [
        {**{name: of[name] for name in kept}, "lines": sorted(line["text"] for line in of["lines"])}
        for of in by_id.values()
    ]
    assert len({of["entity"] for of in states}) == len(states)
    return {of["entity"]: of for of in states}


@pytest.fixture
def case(broker, model, tmp_path, request) -> Iterator[Case]:
    name = request.node.name[:40]
    brokers.make_topics(broker, {name: PARTITIONS, f"{name}-alerts": 1})
    with ExitStack() as stack:
        yield Case(broker, name, model, tmp_path, stack)


@pytest.fixture
def inside(model, tmp_path) -> Iterator[Case]:
    """Topics of the broker that librdkafka has inside: its ends are right, but it forgets offsets of transactions."""
    from confluent_kafka import Producer

    producer = Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "unused", "log_level": 0})
    for topic in (
        "logs",
        "logs-alerts",
        "logs.group-logs.trine-state",
    ):  # asked for, they are there, with four partitions
        (broker,) = producer.list_topics(topic, timeout=10).brokers.values()
    with ExitStack() as stack:
        yield Case(f"{broker.host}:{broker.port}", "logs", model, tmp_path, stack)


def test_a_topic_gives_the_findings_of_a_file_and_every_line_counts_once(case, lines, expected):
    case.send(lines)
    watch = case.process()
    watch.start("--once")
    status, out, errors = watch.ended()
    assert (status, errors.splitlines()[-1].split(" begun")[0]) == (0, f"{len(lines)} lines and 60 sessions")
    assert (case.counted()["lines"], case.counted()["sessions"]) == (len(lines), 60)
    assert case.found() == expected
    assert expected.keys() >= ATTACKERS
    assert last_states(map(json.loads, out.splitlines())) == expected


def test_processes_that_are_killed_join_and_leave_lose_and_double_nothing(case, lines, expected):
    first, second = case.process(1), case.process(2)
    first.start()
    parts = [lines[start : start + 45] for start in range(0, len(lines), 45)]
    case.send(parts[0])
    until(lambda: case.counted()["lines"], 40)
    first.stop(signal.SIGKILL)
    case.send(parts[1])
    second.start()
    first.start()
    time.sleep(3)
    case.send(parts[2])
    until(lambda: case.counted()["lines"] >= sum(map(len, parts[:3])), 60)
    second.stop(signal.SIGTERM)
    for part in parts[3:]:
        case.send(part)
    second.start()
    time.sleep(1)
    first.stop(signal.SIGKILL)
    second.stop(signal.SIGKILL)
    last = case.process(3)
    last.start("--once")
    assert last.ended()[0] == 0
    assert (case.counted()["lines"], case.counted()["sessions"]) == (len(lines), 60)
    assert case.found() == expected


def test_a_process_that_reads_to_the_end_beside_another_says_what_it_leaves(case, lines):
    case.send(lines)
    other, one = case.process(1), case.process(2)
    other.start()
    until(lambda: case.counted()["lines"] == len(lines), 40)
    one.start("--once")
    status, _, errors = one.ended()
    assert (status, "of 4 partitions: sessions there go on" in errors) == (0, True)
    assert case.counted()["lines"] == len(lines)


def test_a_process_that_was_taken_for_dead_and_comes_back_counts_nothing_twice(case, lines):
    half = len(lines) // 2
    sleeper, other = case.process(1), case.process(2)
    process = sleeper.start()
    case.send(lines[:half])
    until(lambda: case.counted()["lines"] == half, 40)
    process.send_signal(signal.SIGSTOP)
    case.send(lines[half:])
    other.start()
    until(lambda: case.counted()["lines"] == len(lines), 60)
    process.send_signal(signal.SIGCONT)
    time.sleep(4)
    assert sleeper.stop()[0] == 0
    assert other.stop()[0] == 0
    assert (case.counted()["lines"], case.counted()["sessions"]) == (len(lines), 60)
    assert case.found().keys() >= ATTACKERS


def test_state_goes_on_where_the_store_is_gone(case, lines, expected):
    """Another machine has no copy of the state: it reads the whole state topic."""
    half = len(lines) // 2
    case.send(lines[:half])
    one = case.process(1)
    one.start()
    until(lambda: case.counted()["lines"] == half, 40)
    assert one.stop()[0] == 0
    case.send(lines[half:])
    other = case.process(2)
    other.start("--once")
    assert other.ended()[0] == 0
    assert case.counted()["lines"] == len(lines)
    assert case.found() == expected


def test_offsets_that_are_set_by_hand_begin_sessions_anew(case, lines):
    from confluent_kafka import Consumer, TopicPartition

    case.send(lines)
    one = case.process(1)
    one.start("--once")
    assert one.ended()[0] == 0
    by_hand = Consumer({"bootstrap.servers": case.broker, "group.id": case.group, "log_level": 0})
    by_hand.commit(offsets=[TopicPartition(case.name, n, 1) for n in range(PARTITIONS)], asynchronous=False)
    by_hand.close()
    one.start("--once")
    status, _, errors = one.ended()
    assert (status, errors.count("sessions begin anew")) == (0, PARTITIONS)
    assert case.counted()["lines"] == len(lines) - PARTITIONS


def test_from_now_reads_what_comes(inside, lines):
    inside.send(lines[:50])
    one = inside.process(1, "--from-now")
    one.start()
    until(lambda: len(inside.marks()) == PARTITIONS, 40)
    assert one.stop()[0] == 0
    assert inside.counted()["lines"] == 0
    inside.send(lines[50:])
    one.start("--once")
    assert one.ended()[0] == 0
    assert inside.counted()["lines"] == len(lines) - 50


def test_metrics_say_what_each_partition_has_counted(case, lines):
    case.send(lines)
    one = case.process(1, "--metrics-port", "0")
    process = one.start()
    assert process.stderr is not None
    said = next(line for line in process.stderr if "http://" in line)
    url = said[said.index("http://") :].strip()
    until(lambda: case.counted()["lines"] == len(lines), 40)

    def counts() -> bool:
        with urllib.request.urlopen(f"{url}metrics", timeout=5) as answer:
            text = answer.read().decode()
        counted = [line for line in text.splitlines() if line.startswith("trine_partition_lines_total{")]
        return sum(float(line.split()[-1]) for line in counted) == len(lines) and "trine_partition_lag{" in text

    until(counts, 10)
    assert one.stop()[0] == 0


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["kafka://{broker}/logs"], 2, "give --group NAME"),
        (["kafka://{broker}/logs", "--group", "g", "more.log"], 2, "a topic is read alone"),
        (["auth.log", "--group", "g"], 2, "--group: goes with a topic"),
        (["auth.log", "--from-now"], 2, "--from-now: goes with a topic"),
        (["kafka://{broker}/absent", "--group", "g"], 1, "kafka://{broker}/absent: there is no such topic"),
        (["kafka://127.0.0.1:1/logs", "--group", "g"], 1, "kafka://127.0.0.1:1: cannot be reached"),
        (["kafka://{broker}/wrong", "--group", "g", "--sink", "kafka://{broker}/absent"], 1, "no such topic; make it"),
        (["kafka://{broker}/wrong", "--group", "g", "--sink", "kafka://{broker}/wrong"], 2, "would be read as lines"),
    ],
)
def test_wrong_use_is_a_line_and_nothing_is_written(broker, model, tmp_path, words, status, says):
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    with suppress(KafkaException):  # it is there
        brokers.make_topics(broker, {"wrong": 1})
    given = [word.format(broker=broker) for word in words]
    line = [sys.executable, "-m", "trine", "detect", "watch", str(model), *given, "--store", str(tmp_path / "store")]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == status
    assert says.format(broker=broker) in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "store").exists()
    topics = AdminClient({"bootstrap.servers": broker, "log_level": 0}).list_topics(timeout=10).topics
    assert not {"absent", "wrong.g.trine-state"} & topics.keys()


def test_another_model_of_the_same_group_is_refused(case, lines, tmp_path):
    case.send(lines)
    one = case.process(1)
    one.start("--once")
    assert one.ended()[0] == 0
    case.model = counting_model_of_other_data(tmp_path)
    other = case.process(2)
    other.start("--once")
    status, _, errors = other.ended()
    assert (status, "another model is at work there; give another --group" in errors.splitlines()[-1]) == (1, True)


def counting_model_of_other_data(folder: Path) -> Path:
    from trine.detect.detector import Detector

    (folder / "other.log").write_text("\n".join(log_lines(300, 5)) + "\n")
    detector = Detector(members=["counting"], entity="process", folds=2)
    detector.fit(folder / "other.log", out=folder / "run", test=False).export(folder / "other")
    return folder / "other"
