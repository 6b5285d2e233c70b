"""The state of a partition as records of a compacted topic, so that it moves to whichever process reads the partition.

- A record per entity, its state; a tombstone where its session has ended.
- A mark at the end of every batch: the offset behind it, how reading goes on there, and all counters.

The records of a batch, its findings and its offset are one transaction. Every record says in a header which offset it
is of: one of a later offset than the group's is of a transaction that failed, and is passed over. Brokers that keep
`isolation.level=read_committed` do not hand such a record out.
"""

import json
import math
import struct
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Self

from trine.datasets.lines import encodable
from trine.errors import StoreError
from trine.live.store import Changes, EntityState, Store

FORMAT: Final = 1
AT: Final = "at"
"""Name of the header with the offset."""
PIECE: Final = 1 << 19
"""Bytes of a mark in one record: brokers take messages of 1 MB."""
_ENTITY, _MARK = b"e", b"m"
_NUMBER: Final = struct.Struct(">q")
_TIME: Final = struct.Struct("<d")
_PIECES: Final = struct.Struct(">HH")
SOURCE: Final = "state topic"
"""Name in the store of how far the topic was read, and of the offset that its last mark has."""


class StateRecord(NamedTuple):
    """A record of the topic."""

    key: bytes
    value: bytes | None
    at: int
    """The offset of the partition behind the batch that it is of."""

    @property
    def headers(self) -> list[tuple[str, bytes]]:
        """Its headers."""
        return [(AT, _NUMBER.pack(self.at))]

    @classmethod
    def read(cls, key: bytes | None, value: bytes | None, headers: Any) -> Self:
        """The record that a message is. Raises `StoreError`."""
        try:
            return cls(key or b"", value, _NUMBER.unpack(dict(headers or ())[AT])[0])
        except (KeyError, TypeError, struct.error):
            raise StoreError("a record of the state topic is not of Trine: nothing else can write to it") from None


@dataclass(frozen=True)
class Mark:
    """Where a partition stands, and what was counted up to there."""

    offset: int
    """Of the next message."""
    model: str
    position: dict[str, Any] | None
    """What `SourceFormat` goes on by."""
    counters: dict[str, int] = field(default_factory=dict)
    p_values: dict[int, int] = field(default_factory=dict)
    target: float | None = None

    @classmethod
    def after(cls, changes: Changes, store: Store, source: str, offset: int, model: str) -> Self:
        """That behind a batch which is not in the store yet."""
        position = changes.positions.get(source, store.positions().get(source))
        counters, p_values = _sum(store.counters(), changes.counters), _sum(store.p_values(), changes.p_values)
        return cls(offset, model, position, counters, p_values, changes.target)

    def pieces(self) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values of its records."""
        content = zlib.compress(json.dumps({"format": FORMAT, **vars(self)}).encode(), 1)
        parts = [content[start : start + PIECE] for start in range(0, len(content), PIECE)]
        for number, part in enumerate(parts):
            yield _MARK + str(number).encode(), _PIECES.pack(number, len(parts)) + part

    @classmethod
    def read(cls, content: bytes) -> Self:
        """The mark that `pieces` divided. Raises `StoreError`."""
        try:
            document = json.loads(zlib.decompress(content))
            if document.pop("format") != FORMAT:
                raise StoreError("the state topic was written by another version of Trine: update it, or give --group")
            document["p_values"] = {int(bin_): count for bin_, count in document["p_values"].items()}
            return cls(**document)
        except (zlib.error, ValueError, KeyError, TypeError, AttributeError) as problem:
            raise StoreError(f"the state topic is damaged ({problem}); give another --group") from None

    def changes(self, store: Store, source: str) -> Changes:
        """What brings a store here, apart from its entities and from how far the topic was read."""
        return Changes(
            positions={} if self.position is None else {source: self.position},
            counters=_difference(self.counters, store.counters()),
            p_values=_difference(self.p_values, store.p_values()),
            target=self.target,
        )


def records(changes: Changes, mark: Mark) -> Iterator[StateRecord]:
    """The records of a batch; the last one is that of its mark."""
    for key, (state, last_time) in changes.entities.items():
        time = _TIME.pack(math.nan if last_time is None else last_time)
        yield StateRecord(_ENTITY + encodable(key).encode(), time + state, mark.offset)
    for key in changes.forgotten:
        yield StateRecord(_ENTITY + encodable(key).encode(), None, mark.offset)
    for key_of_piece, piece in mark.pieces():
        yield StateRecord(key_of_piece, piece, mark.offset)


class Replay:
    """Takes records of the topic in their order: the states of entities, and the last mark.

    committed   offset of the group: records of later ones are passed over; None: none are
    """

    def __init__(self, committed: int | None) -> None:
        self.mark: Mark | None = None
        self._committed, self._pieces = committed, list[bytes]()
        self._states: dict[str, EntityState | None] = {}

    def add(self, record: StateRecord) -> None:
        """Take the next record. Raises `StoreError`."""
        if self._committed is not None and record.at > self._committed:
            return
        kind, name = record.key[:1], record.key[1:]
        if kind == _ENTITY:
            self._states[name.decode(errors="backslashreplace")] = _state(record.value)
        elif kind == _MARK and record.value is not None:
            self._add_piece(record.value)

    def changed(self) -> Changes:
        """The states since the last call, to be committed in any portions."""
        states, self._states = self._states, {}
        return Changes(
            entities={key: state for key, state in states.items() if state is not None},
            forgotten=[key for key, state in states.items() if state is None],
        )

    @property
    def waiting(self) -> int:
        """Number of states since `changed`."""
        return len(self._states)

    def _add_piece(self, value: bytes) -> None:
        if len(value) < _PIECES.size:
            raise StoreError("a mark in the state topic is damaged; give another --group")
        number, count = _PIECES.unpack_from(value)
        del self._pieces[number:]
        self._pieces.append(value[_PIECES.size :])
        if number == count - 1 and len(self._pieces) == count:
            self.mark = Mark.read(b"".join(self._pieces))


def _state(value: bytes | None) -> EntityState | None:
    if value is None:
        return None
    if len(value) < _TIME.size:
        raise StoreError("a state in the state topic is damaged; give another --group")
    time = _TIME.unpack_from(value)[0]
    return EntityState(value[_TIME.size :], None if math.isnan(time) else time)


def _sum(one: Mapping[Any, int], other: Mapping[Any, int]) -> dict[Any, int]:
    return {name: one.get(name, 0) + other.get(name, 0) for name in one.keys() | other.keys()}


def _difference(one: Mapping[Any, int], other: Mapping[Any, int]) -> dict[Any, int]:
    names = one.keys() | other.keys()
    return {name: change for name in names if (change := one.get(name, 0) - other.get(name, 0))}
