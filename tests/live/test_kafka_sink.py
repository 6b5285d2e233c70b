"""Findings as messages of a topic."""

import json

import pytest

from tests.live import brokers
from tests.live.findings import finding
from trine.errors import DataError
from trine.live import kafka_sink
from trine.live.circumstances import Circumstances
from trine.live.kafka_brokers import Address
from trine.live.kafka_sink import KafkaSink
from trine.live.sinks import Refused, Sink, SinkDown, parse_sink

CIRCUMSTANCES = Circumstances(version="1")


def test_findings_are_messages_with_the_entity_as_key():
    brokers.required()
    with brokers.broker() as address:
        brokers.make_topics(address, {"alerts": 1})
        sink = parse_sink(f"kafka://{address}/alerts", CIRCUMSTANCES)
        assert isinstance(sink, KafkaSink)
        assert isinstance(sink, Sink)
        sink.send([finding("ann", revision=2), finding("b\ud800b")])
        first, second = brokers.received(address, "alerts")
        sink.close()
    assert (first.key(), second.key()) == (b"ann", b"b\\ud800b")
    assert json.loads(first.value())["entity"] == "ann"
    assert dict(first.headers()) == {"id": finding("ann").id.encode(), "revision": b"2"}


def test_a_finding_that_is_too_large_is_refused_and_the_next_one_is_sent():
    brokers.required()
    with brokers.broker() as address:
        brokers.make_topics(address, {"alerts": 1})
        sink = KafkaSink(Address(address, "alerts"), {"message.max.bytes": "2000"}, None, CIRCUMSTANCES)
        with pytest.raises(Refused, match="larger than"):
            sink.send([finding("x" * 4_000)])
        sink.send([finding("ann")])
        assert [message.key() for message in brokers.received(address, "alerts")] == [b"ann"]
        sink.close()


def test_brokers_that_are_gone_are_a_sink_that_is_down(monkeypatch):
    brokers.required()
    monkeypatch.setattr(kafka_sink, "TIMEOUT", 4.0)
    with brokers.broker() as address:
        brokers.make_topics(address, {"alerts": 1})
        sink = KafkaSink(Address(address, "alerts"), {}, None, CIRCUMSTANCES)
        sink.send([finding()])
    with pytest.raises(SinkDown):
        sink.send([finding()])
    sink.close()


def test_a_topic_that_is_absent_is_said():
    brokers.required()
    with brokers.broker() as address, pytest.raises(DataError, match="no such topic; make it"):
        parse_sink(f"kafka://{address}/alerts", CIRCUMSTANCES)
