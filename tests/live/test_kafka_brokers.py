"""Addresses of topics, properties of the client, and brokers that do not answer."""

import subprocess
import sys

import pytest

from trine.errors import DataError, UsageError
from trine.live import kafka_brokers
from trine.live.kafka_brokers import Address, Brokers, Topic, read_properties


@pytest.mark.parametrize(
    ("word", "brokers", "topic"),
    [
        ("kafka://broker:9092/logs", "broker:9092", "logs"),
        ("kafka://broker/logs", "broker", "logs"),
        ("kafka://a:1,b.example:2,[::1]:3/my.logs-1_x", "a:1,b.example:2,[::1]:3", "my.logs-1_x"),
    ],
)
def test_addresses(word, brokers, topic):
    assert Address.parse(word) == Address(brokers, topic)


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("kafka:///logs", "no brokers"),
        ("kafka://a:x/logs", "no brokers"),
        ("kafka://a,/logs", "no brokers"),
        ("kafka://broker:9092", "no name of a topic"),
        ("kafka://broker:9092/", "no name of a topic"),
        ("kafka://broker/a/b", "no name of a topic"),
        ("kafka://broker/lögs", "no name of a topic"),
        ("kafka://ann:secret@broker/logs", "--kafka-config"),
    ],
)
def test_other_words_are_refused(word, says):
    with pytest.raises(UsageError, match=says) as refused:
        Address.parse(word)
    assert "secret" not in str(refused.value)


def test_properties_of_a_file(tmp_path):
    file = tmp_path / "client.properties"
    file.write_text("# comment\n\nsecurity.protocol = SASL_SSL\nsasl.password=a=b#c\n")
    assert read_properties(file) == {"security.protocol": "SASL_SSL", "sasl.password": "a=b#c"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("group.id=x", "client.properties:1: group.id cannot be set: give --group"),
        ("a=b\nisolation.level=read_uncommitted", "client.properties:2: isolation.level cannot be set"),
        ("no property", "client.properties:1: no property"),
    ],
)
def test_properties_that_cannot_be_set_are_said(tmp_path, text, says):
    file = tmp_path / "client.properties"
    file.write_text(text)
    with pytest.raises(UsageError, match=says):
        read_properties(file)


def test_a_file_that_cannot_be_read_is_said(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_properties(tmp_path / "nothing")


def test_a_property_that_the_library_does_not_know_is_said():
    pytest.importorskip("confluent_kafka")
    with pytest.raises(UsageError, match='No such configuration property: "securty'):
        Brokers("127.0.0.1:1", {"securty.protocol": "SSL"}).producer()


def test_brokers_that_do_not_answer_are_said_with_the_reason(monkeypatch):
    pytest.importorskip("confluent_kafka")
    monkeypatch.setattr(kafka_brokers, "PATIENCE", 1.0)
    with pytest.raises(DataError, match=r"kafka://127.0.0.1:1: cannot be reached \(.*refused") as refused:
        Topic.found(Address("127.0.0.1:1", "logs"), {}, "detect", from_now=False)
    assert "\n" not in str(refused.value)


def test_a_topic_that_is_absent_is_said():
    """With the broker that librdkafka has inside, for tests."""
    kafka = pytest.importorskip("confluent_kafka")
    inside = kafka.Producer({"test.mock.num.brokers": 1, "bootstrap.servers": "unused", "log_level": 0})
    brokers = ",".join(f"{each.host}:{each.port}" for each in inside.list_topics(timeout=5).brokers.values())
    with pytest.raises(DataError, match="there is no such topic; make it first"):
        Topic.found(Address(brokers, "logs"), {}, "detect", from_now=False)


def test_a_group_names_a_topic():
    with pytest.raises(UsageError, match="--group a/b"):
        Topic.found(Address("127.0.0.1:1", "logs"), {}, "a/b", from_now=False)


def test_without_the_client_library_the_extra_is_named():
    program = (
        "import sys; sys.modules['confluent_kafka'] = None\n"
        "from trine.live.kafka_brokers import Brokers\n"
        "from trine.errors import UsageError\n"
        "try:\n    Brokers('a:1')\nexcept UsageError as problem:\n    print(problem)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "kafka:// needs the client library: pip install 'trine[kafka]' brings it\n"
