"""Messages of a partition as lines."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.datasets.lines import NOT_UTF8
from trine.live.http_bodies import json_lines
from trine.live.kafka_source import EMPTY, UNREADABLE, Message, PartitionSource
from trine.live.source import Source
from trine.logs.encodings import CUT

WORDS = st.text(max_size=4)
VALUES = st.one_of(
    st.none(),
    st.binary(max_size=200),
    st.text(max_size=200).map(lambda text: text.encode(errors="surrogatepass")),
    st.recursive(
        st.none() | st.text(max_size=9), lambda of: st.lists(of) | st.dictionaries(st.text(max_size=4), of)
    ).map(lambda value: json.dumps(value).encode()),
)


def source(*values: bytes | None, first: int = 0, seconds: float | None = None) -> PartitionSource:
    made = PartitionSource("logs", 3)
    made.add(Message(first + number, value, seconds) for number, value in enumerate(values))
    return made


def texts(of: PartitionSource, most: int = 1_000) -> list[str]:
    return [line.text for batch in of.poll(most) for line in batch.lines]


def test_it_is_a_source():
    assert isinstance(source(), Source)
    assert source().poll(10) == []


def test_a_value_is_a_line_several_lines_or_json():
    assert texts(source(b"one", b"two\nthree\n", b'{"a": 1}', b'[{"b": 2}, {"c": 3}]')) == [
        "one", "two", "three", '{"a": 1}', '{"b":2}', '{"c":3}',
    ]  # fmt: skip


def test_a_line_has_the_offset_of_its_message_and_no_two_share_file_and_number():
    of = source(b"one", b"two\nthree", first=70)
    lines = of.poll(10)[0].lines
    assert [(of.files[line.source], line.number) for line in lines] == [
        ("kafka:logs/3", 70),
        ("kafka:logs/3", 71),
        ("kafka:logs/3 line 2", 71),
    ]


def test_messages_without_a_value_are_counted_and_the_position_goes_on():
    of = source(None, b"", b"line", None)
    batch = of.poll(10)[0]
    assert ([line.text for line in batch.lines], batch.position) == (["line"], 4)
    assert of.skips.counts() == {EMPTY: 3}


def test_a_message_is_never_divided_and_the_rest_waits():
    of = source(b"a\nb\nc", b"d", b"e")
    assert (texts(of, 2), of.next) == (["a", "b", "c"], 1)
    assert (texts(of, 2), of.next) == (["d", "e"], 3)


def test_messages_that_were_handed_out_already_are_passed_over():
    of = source()
    of.resume(5)
    of.add([Message(4, b"old", None), Message(5, b"new", None)])
    assert texts(of) == ["new"]


def test_lines_have_the_time_of_their_message():
    batch = source(b"a\nb", seconds=12.5).poll(10)[0]
    assert batch.times == {(0, 0): 12.5, (1, 0): 12.5}


def test_long_values_are_cut_and_other_bytes_kept():
    of = source(b"x" * (10 << 20), b"caf\xe9")
    cut, kept = texts(of)
    assert (len(cut), kept) == (1 << 16, "caf\\xe9")
    assert of.skips.counts() == {CUT: 1, NOT_UTF8: 1}


@pytest.mark.parametrize("deep", [b"[" * 100_000, b'{"a":' * 100_000])
def test_json_that_is_nested_without_end_does_not_stop_it(deep):
    of = source(deep, b"next")
    assert texts(of)[-1] == "next"
    assert sum(of.skips.counts().get(reason, 0) for reason in (UNREADABLE,)) <= 1


@given(values=st.lists(VALUES, max_size=8), most=st.integers(1, 5))
def test_any_bytes_become_lines_or_are_counted(values, most):
    of = source(*values)
    lines = []
    while batches := of.poll(most):
        lines += batches[0].lines
    assert of.next == (len(values) or None)
    assert all("\n" not in line.text and "\0" not in line.text for line in lines)
    places = [line[:2] for line in lines]
    assert len(set(places)) == len(places)
    silent = set(range(len(values))) - {line.number for line in lines}
    counted = of.skips.counts()
    without_text = [number for number in silent if values[number] and not json_lines(values[number], lambda _: None)]
    assert len(silent) == counted.get(EMPTY, 0) + counted.get(UNREADABLE, 0) + len(without_text)
