"""The state of an entity between two events, as a small byte string; and the words of an event as codes."""

import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trine.annotations import Float32, Float64, Int64
from trine.errors import UsageError
from trine.sequences.vocabulary import EVENT, Vocabulary

HEADER = struct.Struct("<4sHHIII")
"""Magic, version, number of networks, number of values, checksum of the model, checksum of the values."""
MAGIC, VERSION = b"TRNS", 1

Rows = Float32[np.ndarray, "entities values"]
"""The states of entities: of each network in turn hidden state, then cell state if any, each of all layers."""

LIKELIEST = 3
"""Number of expected events that are named in the place of one."""
StepSurprisal = Mapping[str, Float64[np.ndarray, "entities events"]]
"""A network's surprisal of the next events of entities, per column."""


class Expected(NamedTuple):
    """The most probable events in the place of some of the next events of entities, the most probable first."""

    entities: Int64[np.ndarray, "some"]
    """Index of the entity of each of these events."""
    events: Int64[np.ndarray, "some"]
    """Index of each among the next events of its entity."""
    codes: Int64[np.ndarray, "some likeliest"]
    probabilities: Float64[np.ndarray, "some likeliest"]


@dataclass(frozen=True)
class StateForm:
    """What the states of one model look like."""

    networks: int
    values: int
    """Number of values of all networks."""
    model: int
    """Checksum that identifies the model: see `of_model`."""

    @classmethod
    def of_model(cls, begins: Sequence[Float32[np.ndarray, "embedding"]], values: int) -> "StateForm":
        """The form of the states of a model; `begins` has each network's embedding of the start token."""
        joined = np.concatenate(begins).astype("<f4") if begins else np.zeros(0, "<f4")
        return cls(len(begins), values, zlib.crc32(joined.tobytes()))

    def packed(self, rows: Rows) -> list[bytes]:
        """One byte string per entity: header, then the values in single precision."""
        header = (MAGIC, VERSION, self.networks, self.values, self.model)
        return [
            HEADER.pack(*header, zlib.crc32(values)) + values
            for values in (row.tobytes() for row in rows.astype("<f4"))
        ]

    def unpacked(self, states: Sequence[bytes | None], fresh: Float32[np.ndarray, "values"]) -> Rows:
        """The values of each state; `fresh` where there is none. Raises `UsageError`."""
        rows = [fresh if state is None else self._values(state) for state in states]
        return np.stack(rows) if rows else np.zeros((0, self.values), np.float32)

    def _values(self, state: bytes) -> Float32[np.ndarray, "values"]:
        values = state[HEADER.size :]
        expected = (MAGIC, VERSION, self.networks, self.values, self.model, zlib.crc32(values))
        if len(state) < HEADER.size or HEADER.unpack_from(state) != expected or len(values) != 4 * self.values:
            raise UsageError("step: the state is damaged, or of another model or version: start again with None")
        return np.frombuffer(values, "<f4").astype(np.float32)


def codes_of_words(
    vocabulary: Vocabulary, words: Mapping[str, Sequence[str]], count: int
) -> dict[str, Int64[np.ndarray, "count"]]:
    """Codes of one event for each of `count` entities, per column of the vocabulary; a column may be left out.

    words   column -> one value per entity; a time is the seconds since the entity's previous event, as text
    Raises `UsageError`.
    """
    if EVENT not in words:
        raise UsageError(f"step: no {EVENT}: give one per state")
    unknown = sorted(set(words) - set(vocabulary.values))
    if unknown:
        raise UsageError(f"step: the model reads {', '.join(vocabulary.values)}, not {', '.join(unknown)}")
    return {name: _codes(vocabulary, name, words.get(name, [""] * count), count) for name in vocabulary.values}


def _codes(vocabulary: Vocabulary, column: str, values: Sequence[str], count: int) -> Int64[np.ndarray, "count"]:
    if len(values) != count:
        raise UsageError(f"step: {count} states but {len(values)} values of {column}: give one per state")
    try:
        return np.array([vocabulary.code(word, column) for word in values], dtype=np.int64)
    except ValueError as problem:
        raise UsageError(f"step: {column}: {problem}: give seconds since the previous event, or nothing") from None
