"""The state of a partition as records, and back."""

from contextlib import closing
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trine.errors import StoreError
from trine.live.state_topic import PIECE, Mark, Replay, StateRecord, records
from trine.live.store import Changes, EntityState, Store

SOURCE = "kafka:logs/3"
KEYS = st.sampled_from(["ann", "bob", '["user", "ünï"]', "\ud800"])
STATES = st.builds(EntityState, st.binary(max_size=40), st.none() | st.floats(allow_nan=False))
BATCHES = st.builds(
    Changes,
    entities=st.dictionaries(KEYS, STATES),
    counters=st.dictionaries(st.sampled_from(["lines", "sessions", "began"]), st.integers(-9, 9)),
    p_values=st.dictionaries(st.integers(0, 99), st.integers(1, 5)),
    target=st.none() | st.floats(0, 1),
)


def content(store: Store) -> tuple[object, ...]:
    keys = store.some_entities(100)
    counters = {name: count for name, count in store.counters().items() if count}
    return store.entities(sorted(keys)), counters, store.p_values(), store.positions()


def committed(store: Store, changes: Changes, offset: int) -> list[StateRecord]:
    """Commit a batch as a partition does, and give its records."""
    positions = {SOURCE: {"at": offset, "format": "syslog", "tail": []}}
    changes = replace(changes, positions=positions)
    mark = Mark.after(changes, store, SOURCE, offset, "model")
    store.commit(changes)
    return list(records(changes, mark))


def replayed(written: list[StateRecord], store: Store, offset: int | None = None) -> Mark | None:
    replay = Replay(offset)
    for record in written:
        replay.add(StateRecord.read(record.key, record.value, record.headers))
    if replay.mark is not None:
        states, rest = replay.changed(), replay.mark.changes(store, SOURCE)
        store.commit(replace(rest, entities=states.entities, forgotten=states.forgotten))
    return replay.mark


@given(batches=st.lists(BATCHES, min_size=1, max_size=5), forget=st.sets(KEYS))
def test_a_store_that_reads_the_records_is_equal_at_any_time(tmp_path_factory, batches, forget):
    folder = tmp_path_factory.mktemp("stores")
    with closing(Store.own(folder / "one.db", "m")) as one, closing(Store.own(folder / "other.db", "m")) as other:
        written: list[StateRecord] = []
        for offset, changes in enumerate(batches, 1):
            changes.forgotten = sorted(forget - changes.entities.keys()) if offset % 2 else []
            written += committed(one, changes, offset)
            if offset % 2:
                replayed(written, other)
                written = []
                assert content(other) == content(one)
        mark = replayed(written, other)
        assert content(other) == content(one)
        assert mark is None or mark.offset == len(batches)


def test_records_of_a_transaction_that_failed_are_passed_over(tmp_path):
    with closing(Store.own(tmp_path / "a.db", "m")) as one, closing(Store.own(tmp_path / "b.db", "m")) as other:
        kept = committed(one, Changes(entities={"ann": EntityState(b"1", 1.0)}, counters={"lines": 10}), 10)
        before = content(one)
        failed = committed(one, Changes(entities={"ann": EntityState(b"2", 2.0)}, counters={"lines": 5}), 15)
        forgot = committed(one, Changes(forgotten=["ann"]), 16)
        mark = replayed(kept + failed + forgot, other, 10)
        assert mark is not None
        assert mark.offset == 10
        assert content(other) == before


def test_a_mark_larger_than_a_message_is_divided(tmp_path):
    import random

    lines = [[0, number, random.Random(number).randbytes(1_000).hex()] for number in range(1_000)]
    position = {"at": 7, "format": "auditd", "tail": lines}
    mark = Mark(7, "model", position, {"lines": 7})
    pieces = list(records(Changes(), mark))
    assert len(pieces) > 1
    assert all(len(piece.value or b"") <= PIECE + 8 for piece in pieces)
    replay = Replay(None)
    for record in [*pieces[:1], *pieces]:  # the first one of a transaction that failed
        replay.add(record)
    assert replay.mark == mark
    shorter = Replay(None)
    for record in [*pieces, *records(Changes(), Mark(8, "model", None))]:
        shorter.add(record)
    assert shorter.mark == Mark(8, "model", None)


@pytest.mark.parametrize(
    "record",
    [
        StateRecord(b"m0", b"", 1),
        StateRecord(b"m0", b"\0\0\0\1no zlib", 1),
        StateRecord(b"eann", b"short", 1),
    ],
)
def test_damage_is_said(record):
    with pytest.raises(StoreError, match="damaged"):
        Replay(None).add(record)


@pytest.mark.parametrize("headers", [None, [], [("other", b"1")], [("at", b"1")], [("at", None)]])
def test_records_of_others_are_refused(headers):
    with pytest.raises(StoreError, match="not of Trine"):
        StateRecord.read(b"key", b"value", headers)


@given(key=st.binary(max_size=9), value=st.none() | st.binary(max_size=99))
def test_any_bytes_are_read_or_refused(key, value):
    replay = Replay(None)
    try:
        replay.add(StateRecord(key, value, 1))
    except StoreError:
        return
    replay.changed()
