"""Words to codes and back: the values of each column that a network knows, and tables as codes.

A column is the events, an attribute of the table, or derived: the time since the previous event, the hour of the day,
the day of the week, the entity of the sequence.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np

from trine.annotations import Float64, Int, Int32, Shaped
from trine.sequences.table import SequenceTable

EVENT, TIME, HOUR, WEEKDAY, ENTITY = "event", "time", "hour", "weekday", "entity"
"""Names of the columns that every table can have."""
BEGIN, UNKNOWN, FIRST = 0, 1, 2
"""Codes in every column: start token, value never seen in training, first known value."""
GAPS = np.geomspace(1e-5, 1e5, 21)
"""Edges of the classes of the time between two events, in seconds: logarithmic, from 10 µs to a day."""
CLASSES: dict[str, tuple[str, ...]] = {
    TIME: tuple(f"{edge:.3g} s" for edge in (0.0, *GAPS)),
    HOUR: tuple(f"{hour:02}:00 UTC" for hour in range(24)),
    WEEKDAY: ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
}
"""Columns derived from the times, with their values: they do not depend on the table."""
MOST_EVENTS, MOST_VALUES = 20_000, 1_000
"""Largest number of kinds of events and of values of an attribute; the rarest ones beyond it are unknown."""
DAY, THURSDAY = 86_400, 3
"""Length of a day in seconds, and the day of the week of 1 January 1970."""

Codes = Int32[np.ndarray, "events"]


@dataclass(frozen=True)
class Vocabulary:
    """The known values of each column, in code order."""

    values: dict[str, tuple[str, ...]]

    @classmethod
    def of(cls, table: SequenceTable, attributes: Sequence[str]) -> Self:
        """The vocabulary of a table's events and of the chosen attributes."""
        values = {EVENT: _occurring(table.vocabulary, table.events, MOST_EVENTS)}
        for name in attributes:
            values[name] = CLASSES[name] if name in CLASSES else _occurring(*_column(table, name), MOST_VALUES)
        return cls(values)

    @property
    def sizes(self) -> dict[str, int]:
        """Number of codes per column."""
        return {name: len(values) + FIRST for name, values in self.values.items()}

    def name(self, code: int, column: str = EVENT) -> str:
        """The word of a code. The start token reads as the end: the network predicts it after the last event."""
        return {BEGIN: "(end)", UNKNOWN: "(unknown)"}.get(code) or self.values[column][code - FIRST]

    def encode(self, table: SequenceTable) -> dict[str, Codes]:
        """Codes of all events of a table, per column; an unknown value becomes `UNKNOWN`."""
        codes = {EVENT: self._codes(EVENT, table.vocabulary)[table.events]}
        for name in self.values:
            if name in CLASSES:
                codes[name] = _classes(name, table)
            elif name != EVENT:
                codes[name] = self._attribute_codes(name, table)
        return codes

    def code(self, word: str, column: str = EVENT) -> int:
        """The code of a word; a time is text of the seconds since the previous event. Raises `ValueError`."""
        if column == TIME:
            return int(_gap_classes(np.array([float(word or "nan")]))[0])
        return self._codes_of_words[column].get(word, UNKNOWN)

    def codes_of(
        self,
        column: str,
        times: Float64[np.ndarray, "events"],
        gaps: Float64[np.ndarray, "events"],
        words: Sequence[str],
    ) -> Codes:
        """Codes of single events in a column beside the events: of their times and gaps in seconds, or of words."""
        if column == TIME:
            return _gap_classes(gaps)
        return _clock_codes(column, times) if column in CLASSES else self._codes(column, words)

    def as_json(self) -> dict[str, Any]:
        """A JSON object that `from_json` reads."""
        return {name: list(values) for name, values in self.values.items()}

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """The vocabulary that `as_json` wrote."""
        return cls({name: tuple(values) for name, values in document.items()})

    def _attribute_codes(self, name: str, table: SequenceTable) -> Codes:
        if name not in columns_of(table):
            return np.full(len(table.events), UNKNOWN, dtype=np.int32)
        words, codes = _column(table, name)
        return np.asarray(self._codes(name, words)[codes])

    def _codes(self, column: str, words: Sequence[str]) -> Int32[np.ndarray, "words"]:
        codes = self._codes_of_words[column]
        return np.array([codes.get(word, UNKNOWN) for word in words], dtype=np.int32)

    @cached_property
    def _codes_of_words(self) -> dict[str, dict[str, int]]:
        return {column: {word: code for code, word in enumerate(words, FIRST)} for column, words in self.values.items()}


@dataclass(frozen=True, eq=False)
class EncodedTable:
    """A table's columns as codes; sequence i is `codes[offsets[i]:offsets[i + 1]]`."""

    columns: dict[str, Int[np.ndarray, "events"]]
    offsets: Int[np.ndarray, "bounds"]

    @classmethod
    def of(cls, table: SequenceTable, vocabulary: Vocabulary) -> "EncodedTable":
        """The codes of a table."""
        return cls(vocabulary.encode(table), table.offsets)

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> Int[np.ndarray, "sequences"]:
        """Number of events of each sequence."""
        return np.diff(self.offsets)

    @property
    def events(self) -> int:
        """Number of events of all sequences."""
        return int(self.offsets[-1])

    @property
    def codes(self) -> list[Int[np.ndarray, "length"]]:
        """The event codes of each sequence."""
        return np.split(self.columns[EVENT], self.offsets[1:-1])


def columns_of(table: SequenceTable) -> set[str]:
    """Names of the columns beside the events that a table has or that can be derived from it."""
    timed = set(CLASSES) if table.times is not None and bool(np.isfinite(table.times).any()) else set()
    return ({*table.attributes} | {*table.entities} | {ENTITY} | timed) - {EVENT}


def _column(table: SequenceTable, name: str) -> tuple[Sequence[str], Codes]:
    """The values of an attribute of a table, and the index of each event's value among them."""
    if name in table.attributes:
        return table.attributes[name].values, table.attributes[name].codes
    own = table.entities[name] if name in table.entities else _owners(table)
    words, of_sequence = np.unique(np.asarray(own, str), return_inverse=True)
    return words.tolist(), np.repeat(of_sequence.astype(np.int32), table.lengths)


def _owners(table: SequenceTable) -> Shaped[np.ndarray, "sequences"]:
    """What each sequence belongs to; of a table that is no log, the name of the sequence."""
    return table.owners if table.owners is not None else np.array([_entity(str(name)) for name in table.names], object)


def _entity(name: str) -> str:
    """The entity of a sequence's name: later sessions of an entity are called `name#2`, `name#3`, …"""
    return re.sub(r"#\d++$", "", name)


def _occurring(words: Sequence[str], codes: np.ndarray, most: int) -> tuple[str, ...]:
    """The words that occur, in the order of their codes; of more than `most`, the most frequent ones."""
    occurring, counts = np.unique(codes, return_counts=True)
    if len(occurring) > most:
        occurring = np.sort(occurring[np.argsort(-counts, kind="stable")[:most]])
    return tuple(words[code] for code in occurring)


def _classes(name: str, table: SequenceTable) -> Codes:
    """Codes of a column that is derived from the times; unknown where the time is."""
    if table.times is None:
        return np.full(len(table.events), UNKNOWN, dtype=np.int32)
    return _gap_codes(table.times, table.offsets) if name == TIME else _clock_codes(name, table.times)


def _clock_codes(name: str, times: Float64[np.ndarray, "events"]) -> Codes:
    """Codes of the hour or the day of the week of times in seconds since 1970, UTC."""
    known = np.isfinite(times)
    seconds = np.where(known, times, 0.0)
    hours, days = seconds % DAY // 3_600, (seconds // DAY + THURSDAY) % 7
    return np.where(known, (hours if name == HOUR else days) + FIRST, UNKNOWN).astype(np.int32)


def _gap_codes(times: Float64[np.ndarray, "events"], offsets: Int[np.ndarray, "bounds"]) -> Codes:
    """Class of the time since the previous event; unknown for the first event of a sequence."""
    gaps: Float64[np.ndarray, "events"] = np.diff(times, prepend=np.nan)
    gaps[offsets[:-1]] = np.nan
    return _gap_classes(gaps)


def _gap_classes(gaps: Float64[np.ndarray, "events"]) -> Codes:
    classes = np.searchsorted(GAPS, gaps, side="right") + FIRST
    return np.where(np.isnan(gaps), UNKNOWN, classes).astype(np.int32)
