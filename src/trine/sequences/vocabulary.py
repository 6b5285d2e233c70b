"""Words to codes and back: the values of each column that a network knows, and tables as codes."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from jaxtyping import Float64, Int64

from trine.sequences.table import SequenceTable

EVENT, TIME = "event", "time"
"""Names of the columns that every table can have."""
BEGIN, UNKNOWN, FIRST = 0, 1, 2
"""Codes in every column: start token, value never seen in training, first known value."""
GAPS = np.geomspace(1e-5, 1e5, 21)
"""Edges of the classes of the time between two events, in seconds: logarithmic, from 10 µs to a day."""


@dataclass(frozen=True)
class Vocabulary:
    """The known values of each column, in code order."""

    values: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, table: SequenceTable, attributes: Sequence[str]) -> Self:
        """The vocabulary of a table's events and of the chosen attributes."""
        values = {EVENT: _occurring(table.vocabulary, table.events)}
        for name in attributes:
            if name == TIME:
                values[TIME] = tuple(f"{edge:.3g} s" for edge in (0.0, *GAPS))
            else:
                column = table.attributes[name]
                values[name] = _occurring(column.values, column.codes)
        return cls(values)

    @property
    def sizes(self) -> dict[str, int]:
        """Number of codes per column."""
        return {name: len(values) + FIRST for name, values in self.values.items()}

    def name(self, code: int, column: str = EVENT) -> str:
        """The word of a code. The start token reads as the end: the network predicts it after the last event."""
        return {BEGIN: "(end)", UNKNOWN: "(unknown)"}.get(code) or self.values[column][code - FIRST]

    def encode(self, table: SequenceTable) -> dict[str, Int64[np.ndarray, "events"]]:
        """Codes of all events of a table, per column; an unknown value becomes `UNKNOWN`."""
        codes = {EVENT: self._codes(EVENT, table.vocabulary)[table.events]}
        for name in self.values:
            if name == TIME:
                codes[TIME] = _gap_codes(table)
            elif name != EVENT:
                codes[name] = self._attribute_codes(name, table)
        return codes

    def code(self, word: str, column: str = EVENT) -> int:
        """The code of a word; a time is text of the seconds since the previous event. Raises `ValueError`."""
        if column == TIME:
            return int(_gap_classes(np.array([float(word or "nan")]))[0])
        return self._codes_of_words[column].get(word, UNKNOWN)

    def as_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads."""
        return {name: list(values) for name, values in self.values.items()}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """The vocabulary that `as_json` wrote."""
        return cls({name: tuple(values) for name, values in document.items()})

    def _attribute_codes(self, name: str, table: SequenceTable) -> Int64[np.ndarray, "events"]:
        column = table.attributes.get(name)
        if column is None:
            return np.full(len(table.events), UNKNOWN, dtype=np.int64)
        return np.asarray(self._codes(name, column.values)[column.codes])

    def _codes(self, column: str, words: Sequence[str]) -> Int64[np.ndarray, "words"]:
        codes = self._codes_of_words[column]
        return np.array([codes.get(word, UNKNOWN) for word in words], dtype=np.int64)

    @cached_property
    def _codes_of_words(self) -> dict[str, dict[str, int]]:
        return {column: {word: code for code, word in enumerate(words, FIRST)} for column, words in self.values.items()}


@dataclass(frozen=True, eq=False)
class EncodedTable:
    """A table's columns as codes; sequence i is `codes[offsets[i]:offsets[i + 1]]`."""

    columns: dict[str, Int64[np.ndarray, "events"]]
    offsets: Int64[np.ndarray, "bounds"]

    @classmethod
    def of(cls, table: SequenceTable, vocabulary: Vocabulary) -> "EncodedTable":
        """The codes of a table."""
        return cls(vocabulary.encode(table), table.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Int64[np.ndarray, "sequences"]:
        """Number of events of each sequence."""
        return np.diff(self.offsets)

    @property
    def events(self) -> int:
        """Number of events of all sequences."""
        return int(self.offsets[-1])

    @property
    def codes(self) -> list[Int64[np.ndarray, "length"]]:
        """The event codes of each sequence."""
        return np.split(self.columns[EVENT], self.offsets[1:-1])


def _occurring(words: Sequence[str], codes: np.ndarray) -> tuple[str, ...]:
    return tuple(words[code] for code in np.unique(codes))


def _gap_codes(table: SequenceTable) -> Int64[np.ndarray, "events"]:
    """Class of the time since the previous event; unknown for the first event of a sequence."""
    if table.times is None:
        return np.full(len(table.events), UNKNOWN, dtype=np.int64)
    gaps: Float64[np.ndarray, "events"] = np.diff(table.times, prepend=np.nan)
    gaps[table.offsets[:-1]] = np.nan
    return _gap_classes(gaps)


def _gap_classes(gaps: Float64[np.ndarray, "events"]) -> Int64[np.ndarray, "events"]:
    classes = np.searchsorted(GAPS, gaps, side="right") + FIRST
    return np.where(np.isnan(gaps), UNKNOWN, classes).astype(np.int64)
