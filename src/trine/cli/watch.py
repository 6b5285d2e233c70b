"""trine detect watch: a detector at work on logs as they are written."""

import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from importlib.util import find_spec
from logging import getLogger
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter, validators

from trine.cli import output
from trine.cli.options import Flag, Model
from trine.plurals import quantity

if TYPE_CHECKING:
    from trine.detect.scorer import Scorer
    from trine.live.kafka_brokers import Topic
    from trine.live.kafka_watch import KafkaWatch
    from trine.live.sinks import Sink
    from trine.live.watch import Watch

STOPPING = (signal.SIGINT, signal.SIGTERM)
SESSION_BYTES = 12_000
"""Memory of a session in bytes, beside its networks' states: measured with ten lines of an access log kept of each."""


def watch(
    model: Model,
    sources: Annotated[list[str], Parameter(help="Files, glob patterns, folders, - or addresses: see the guide.")],
    /,
    *,
    store: Path,
    sink: list[str] | None = None,
    false_alarms: Annotated[float | None, Parameter(validator=validators.Number(gt=0, lt=1))] = None,
    alerts_per_day: Annotated[float | None, Parameter(validator=validators.Number(gt=0))] = None,
    max_memory: Annotated[int, Parameter(validator=validators.Number(gte=64))] = 256,
    techniques: Path | None = None,
    metrics_port: Annotated[int | None, Parameter(validator=validators.Number(gte=0, lte=65_535))] = None,
    group: str | None = None,
    from_now: Flag = False,
    kafka_config: Path | None = None,
    once: Flag = False,
) -> None:
    """Read SOURCES as they are written, and raise findings while a session goes on.

    A model that `trine export` gave graphs is run by onnxruntime, where that is installed; torch is not needed then.

    trine detect watch runs/sshd '/var/log/auth.log*' --store sshd.db --sink stdout --sink https://hooks.example/alerts

    trine detect watch runs/sshd kafka://broker:9092/sshd --group detect --store stores --sink kafka://broker:9092/alerts

    Parameters
    ----------
    store
        File that keeps positions, open sessions and findings: after a restart, reading goes on there. Of a topic: a
        folder with copies of what the brokers keep.
    sink
        Where findings go, several times: stdout, file:PATH, syslog+udp://HOST:PORT, syslog+tcp://HOST:PORT, https://…,
        kafka://HOST:PORT/TOPIC, each with #json, #ocsf, #ecs or #cef at its end for another form. [default: stdout]
    false_alarms
        Share of normal sessions that may raise a finding. [default: that of the training]
    alerts_per_day
        Findings on normal activity per day, instead of a share; from the rate of sessions so far.
    max_memory
        Memory for open sessions in MiB: those that have been quiet longest are in the store alone. The program itself
        and the lines that it reads at once take up to 700 MiB more.
    techniques
        JSON file of MITRE ATT&CK techniques by patterns of events, such as {"Failed password *": "T1110"}.
    metrics_port
        Port on this machine for /metrics and /health.
    group
        Group of processes that share the partitions of a topic.
    from_now
        Read a topic that the group has never read from its present end, not from its beginning.
    kafka_config
        File with properties of Kafka's client library, such as security.protocol=SASL_SSL.
    once
        Read files to their ends, end all sessions, and stop.
    """
    from trine.errors import UsageError
    from trine.live.engine import Limits
    from trine.live.kafka_watch import KafkaWatch
    from trine.live.sources import parse_sources
    from trine.live.store import Store
    from trine.live.watch import Watch

    if false_alarms is not None and alerts_per_day is not None:
        raise UsageError("--false-alarms and --alerts-per-day: both set the threshold; give one of them")
    if not sources:
        raise UsageError("no SOURCE: give a log file, - for standard input, or an address such as syslog+tcp://:5514")
    topic = _topic(sources, group, from_now, kafka_config)
    scorer, fingerprint = _scorer(model)
    sinks = _sinks(sink, techniques, kafka_config)
    limits = Limits(false_alarms or scorer.share, alerts_per_day, _most_sessions(scorer, max_memory))
    with ExitStack() as stack, _logged_as_json():
        service: Watch | KafkaWatch
        if topic is not None:
            opened = KafkaWatch.opened(topic, store, scorer, fingerprint, sinks, limits, once=once)
            service = stack.enter_context(opened)
        else:
            kept = stack.enter_context(closing(Store.own(store, fingerprint)))
            service = Watch(scorer, fingerprint, kept, parse_sources(sources, follow=not once), sinks, limits)
        _run(service, metrics_port, f"{quantity(len(sources), 'source')}, p ≤ {limits.threshold:g}, store {store}")


def _topic(sources: list[str], group: str | None, from_now: bool, kafka_config: Path | None) -> "Topic | None":
    """The topic that is read, if one is. Raises `UsageError`; `DataError` if it cannot be reached."""
    from trine.errors import UsageError
    from trine.live.kafka_brokers import Address, Topic, read_properties

    words = [word for word in sources if word.startswith("kafka://")]
    if not words:
        for given, option in ((group, "--group"), (from_now, "--from-now")):
            if given:
                raise UsageError(f"{option}: goes with a topic, kafka://HOST:9092/TOPIC")
        return None
    if len(sources) > 1:
        raise UsageError(f"{words[0]}: a topic is read alone; start another `trine detect watch` for the other sources")
    if group is None:
        raise UsageError(f"{words[0]}: give --group NAME: processes of one group share the topic")
    properties = read_properties(kafka_config) if kafka_config else {}
    return Topic.found(Address.parse(words[0]), properties, group, from_now=from_now)


def _scorer(model: Path) -> "tuple[Scorer, str]":
    """The detector, by its graph where it has one and onnxruntime is there, else by its networks; its fingerprint."""
    from trine.bundle import WEIGHTS, locate, read_manifest

    manifest = read_manifest(locate(model), "detect")
    if manifest.export and find_spec("onnxruntime"):
        from trine.detect.scorer import Scorer
        from trine.runtime import load

        scorer = load(model)
        assert isinstance(scorer, Scorer)
        return scorer, manifest.files[WEIGHTS]
    from trine.detect.detector import Detector

    return Detector.load(model), manifest.files[WEIGHTS]


def _sinks(words: list[str] | None, techniques: Path | None, kafka_config: Path | None) -> "list[Sink]":
    from trine.live.circumstances import Circumstances, read_techniques
    from trine.live.kafka_brokers import read_properties
    from trine.live.sinks import parse_sink

    circumstances = Circumstances(techniques=read_techniques(techniques) if techniques else {})
    properties = read_properties(kafka_config) if kafka_config else {}
    return [parse_sink(word, circumstances, properties) for word in words or ["stdout"]]


def _most_sessions(scorer: "Scorer", mebibytes: int) -> int:
    return max(1, (mebibytes << 20) // (SESSION_BYTES + 4 * int(scorer.begun().shape[1])))


def _run(service: "Watch | KafkaWatch", metrics_port: int | None, what: str) -> None:
    """Read and judge until the end, or until a signal; say what was begun, and what was done."""
    port = service.serve(metrics_port) if metrics_port is not None else None
    output.note(what + (f"; metrics and health at http://127.0.0.1:{port}/" if port else ""))
    with _stopped_by_signals(service):
        service.run()
    output.note(service.summary())


@contextmanager
def _logged_as_json() -> Iterator[None]:
    """The log of the service is lines of JSON on stderr."""
    from trine.live.operation import log_as_json

    handler = log_as_json()
    try:
        yield
    finally:
        getLogger().removeHandler(handler)


@contextmanager
def _stopped_by_signals(service: "Watch | KafkaWatch") -> Iterator[None]:
    """SIGINT and SIGTERM end the service after the batch that is being judged."""
    before = {number: signal.signal(number, lambda *_: service.stopping.set()) for number in STOPPING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
