"""Event sequences as columns: one flat array of event codes for all sequences, and the offset at which each begins.

- Any word is an event: a number of any size, a path, in lists also a phrase. Its code is its index in `vocabulary`.
- Times and attributes have one value per event.
- What is left out or repaired is counted in `skipped`.
"""

import hashlib
import json
from array import array
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import numpy as np

from trine.annotations import Float64, Int8, Int32, Int64, Shaped
from trine.datasets.lines import Skips, encodable
from trine.errors import DataError

LABELS = {"0": 0, "0.0": 0, "false": 0, "normal": 0, "benign": 0} | {
    **dict.fromkeys(("1", "1.0", "true", "attack", "anomaly", "anomalous", "abnormal", "malicious"), 1),
    **dict.fromkeys(("-1", "", "unknown", "none", "null"), -1),
}
"""Words for a label: 0 normal, 1 abnormal, -1 unknown."""

SPLITS = {"train": "train", "training": "train", "test": "test", "attack": "attack", "": ""} | dict.fromkeys(
    ("valid", "val", "validation", "dev"), "validation"
)
"""Words for a split."""

_OF_SEQUENCE = ("events", "times", "name", "kind", "label", "split")
"""Columns with a meaning of their own; all others are attributes."""


@dataclass(frozen=True)
class Attribute:
    """A categorical value per event: `codes` are indices into `values`; the value "" means unknown."""

    codes: Int32[np.ndarray, " events"]
    values: tuple[str, ...]


@dataclass(frozen=True)
class SequenceTable:
    """Sequences of events; sequence i is `events[offsets[i]:offsets[i + 1]]`.

    `labels` are 0 normal, 1 abnormal, -1 unknown. `splits` are train, validation, test or "". `times` are in seconds,
    NaN if unknown, and do not decrease within a sequence. A part of a table has the `fingerprint` of the whole table.
    """

    name: str
    fingerprint: str
    events: Int32[np.ndarray, " events"]
    offsets: Int64[np.ndarray, " bounds"]
    vocabulary: tuple[str, ...]
    names: Shaped[np.ndarray, " sequences"]
    kinds: Shaped[np.ndarray, " sequences"]
    labels: Int8[np.ndarray, " sequences"]
    splits: Shaped[np.ndarray, " sequences"]
    times: Float64[np.ndarray, " events"] | None = None
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    owners: Shaped[np.ndarray, " sequences"] | None = None
    """What each session of a log belongs to; None for other tables."""
    entities: Mapping[str, Shaped[np.ndarray, " sequences"]] = field(default_factory=dict)
    """By kind (address, user, …), the first entity that each session of a log names; "" if it names none."""
    positions: Int64[np.ndarray, " events"] | None = None
    """Where each event of a log was read: see `source_and_line`."""
    records: Int32[np.ndarray, " events"] | None = None
    """Number of each event's record among those that begin on its line; None if each line has one."""
    sources: tuple[str, ...] = ()
    """Names of the files that a log was read from."""
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> Int64[np.ndarray, " sequences"]:
        """Number of events of each sequence."""
        return np.diff(self.offsets)

    def sequence(self, i: int) -> Int32[np.ndarray, " length"]:
        """The event codes of sequence `i`."""
        return self.events[self.offsets[i] : self.offsets[i + 1]]

    def rows(self, mask: Shaped[np.ndarray, " chosen"]) -> "SequenceTable":
        """The sequences of a boolean mask or of indices, in their order; the vocabulary stays complete."""
        chosen = np.flatnonzero(mask) if mask.dtype == bool else mask.astype(np.int64)
        lengths = self.lengths[chosen]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        indices = np.int32 if max(len(self.events), offsets[-1]) < 2**31 else np.int64
        flat = np.repeat((self.offsets[:-1][chosen] - offsets[:-1]).astype(indices), lengths)
        flat += np.arange(offsets[-1], dtype=indices)
        return replace(
            self,
            events=self.events[flat],
            offsets=offsets,
            names=self.names[chosen],
            kinds=self.kinds[chosen],
            labels=self.labels[chosen],
            splits=self.splits[chosen],
            times=None if self.times is None else self.times[flat],
            attributes={name: replace(a, codes=a.codes[flat]) for name, a in self.attributes.items()},
            owners=None if self.owners is None else self.owners[chosen],
            entities={kind: entities[chosen] for kind, entities in self.entities.items()},
            positions=None if self.positions is None else self.positions[flat],
            records=None if self.records is None else self.records[flat],
        )

    def split(self, name: str) -> "SequenceTable":
        """The sequences of one split; empty if the table has no such split."""
        return self.rows(self.splits == name)

    def batches(self, max_events: int) -> Iterator[Int64[np.ndarray, " batch"]]:
        """The indices of all sequences, shortest first, in batches of at most `max_events` events after padding.

        A longer sequence is a batch of its own.
        """
        order = np.argsort(self.lengths, kind="stable")
        lengths, start = self.lengths[order], 0
        for end in range(1, len(order) + 1):
            if end == len(order) or (end + 1 - start) * lengths[end] > max_events:
                yield order[start:end]
                start = end


def position(source: int, line: int) -> int:
    """One number for a line of a log: the index of its file and its number in the file."""
    return source << 40 | line


def source_and_line(position: int) -> tuple[int, int]:
    """The index of the file and the number of the line that `position` made one number."""
    return position >> 40, position & (1 << 40) - 1


class SequenceBuilder:
    """Collects sequences one by one. Memory per event: 4 bytes per column, 8 for the times."""

    def __init__(self, name: str, skips: Skips) -> None:
        self.name, self.skips = name, skips
        self._events = Codes()
        self._offsets = array("q", [0])
        self._times = array("d")
        self._attributes: dict[str, Codes] = {}
        self._fits: Counter[str] = Counter()
        self._names: list[str] = []
        self._kinds: list[str] = []
        self._labels = array("b")
        self._splits: list[str] = []

    def __len__(self) -> int:
        return len(self._names)

    def add(self, position: str, cells: Mapping[str, object]) -> None:
        """Add the row at `position`, unless it has no events. Raises `DataError` for an unknown label or split."""
        events = words(cells.get("events"))
        if not events:
            reason = "no events" if events is not None else "an event that is neither word nor number"
            self.skips.add(f"{reason}, row left out", position)
            return
        self._add_attributes(position, cells, len(events))
        self._events.add(events)
        self._offsets.append(len(self._events.codes))
        self._times.extend(self._times_of(position, cells.get("times"), len(events)))
        self._add_description(position, cells)

    def _add_description(self, position: str, cells: Mapping[str, object]) -> None:
        """Name, kind, label and split."""
        split = self._look_up(SPLITS, position, "split", cells)
        label = self._look_up(LABELS, position, "label", cells)
        if split == "attack" and "label" not in cells:
            label = 1
        self._splits.append(split)
        self._labels.append(label)
        self._kinds.append(_text(cells.get("kind")) or {0: "normal", 1: "attack"}.get(label, ""))
        self._names.append(_text(cells.get("name")) or position)

    def _look_up(self, known: Mapping[str, Any], position: str, column: str, cells: Mapping[str, object]) -> Any:
        word = _text(cells.get(column)).strip().lower()
        if word not in known:
            accepted = ", ".join(filter(None, known))
            raise DataError(
                f"{self.skips.source}: {position}: {column} {word[:40]!r} is none of: {accepted}; correct the column"
            )
        return known[word]

    def _times_of(self, position: str, value: object, length: int) -> Float64[np.ndarray, " length"]:
        unknown = np.full(length, np.nan)
        values = words(value) or []
        if not values:
            return unknown
        times = _seconds(values)
        if times is None or len(times) != length:
            self.skips.add("not one time in seconds per event, taken as unknown", position)
            return unknown
        if (np.diff(times) < 0).any():
            self.skips.add("times run backwards, held at the latest so far", position)
        return np.maximum.accumulate(times)

    def _add_attributes(self, position: str, cells: Mapping[str, object], length: int) -> None:
        for column in cells:
            if column not in _OF_SEQUENCE and column not in self._attributes:
                self._attributes[column] = Codes([""] * len(self._events.codes))
        for column, codes in self._attributes.items():
            values = words(cells.get(column)) or []
            if len(values) == length:
                self._fits[column] += 1
            elif values:
                self.skips.add(f"column {column!r}: not one value per event, taken as unknown", position)
            codes.add(values if len(values) == length else [""] * length)

    def build(self) -> SequenceTable:
        """The table. Raises `DataError` if no row could be read, or fewer than were left out."""
        self.skips.require(len(self), "sequence", "give a column 'events', or a folder with one sequence per file")
        # As in ADFA-LD: beside a split `attack`, `valid` is the normal part of the test split.
        tests = {"attack", "validation"} if "attack" in self._splits and "test" not in self._splits else {"attack"}
        splits = ["test" if split in tests else split for split in self._splits]
        times = np.frombuffer(self._times, np.float64)
        table = SequenceTable(
            name=self.name,
            fingerprint="",
            events=self._events.array(),
            offsets=np.frombuffer(self._offsets, np.int64),
            vocabulary=tuple(self._events.code_of),
            names=np.array(self._names, object),
            kinds=np.array(self._kinds, object),
            labels=np.frombuffer(self._labels, np.int8),
            splits=np.array(splits, object),
            times=None if np.isnan(times).all() else times,
            attributes={
                column: Attribute(codes.array(), tuple(codes.code_of))
                for column, codes in self._attributes.items()
                if 2 * self._fits[column] >= len(self)
            },
            skipped=self.skips.messages(),
        )
        return fingerprint(table)


class Codes:
    """A list of words as codes: the code of a word is the number of different words before its first occurrence."""

    def __init__(self, start: list[str] | None = None) -> None:
        self.code_of = _CodeOf()
        self.codes = array("i")
        self.add(start or [])

    def add(self, values: list[str]) -> None:
        """Append these words."""
        code_of = self.code_of
        self.codes.extend([code_of[value] for value in values])

    def array(self) -> Int32[np.ndarray, " events"]:
        """The codes of all words so far."""
        return np.frombuffer(self.codes, np.int32)


class _CodeOf(dict[str, int]):
    """Word to code; a word that is looked up for the first time gets the next code."""

    def __missing__(self, word: str) -> int:
        self[word] = code = len(self)
        return code


def _seconds(values: list[str]) -> Float64[np.ndarray, " length"] | None:
    """Numbers, or else ISO times, as finite seconds; None if any value is neither."""
    try:
        times = np.array([float(value) for value in values])
    except ValueError:
        try:
            times = np.array([_utc(value) for value in values])
        except (ValueError, OverflowError):
            return None
    return times if np.isfinite(times).all() else None


def _utc(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _text(value: object) -> str:
    if value is None:
        return ""
    return encodable(value) if isinstance(value, str) else json.dumps(value, default=str)


def fingerprint(table: SequenceTable) -> SequenceTable:
    """The table with its fingerprint: a SHA-256 of all its content but its name and what was skipped."""
    digest = hashlib.sha256()
    for numbers in (table.events, table.offsets, table.labels, table.times):
        digest.update(b"" if numbers is None else numbers.tobytes())
    for texts in (table.names, table.kinds, table.splits, table.vocabulary):
        digest.update(json.dumps(list(texts)).encode())
    for name, attribute in table.attributes.items():
        digest.update(json.dumps([name, *attribute.values]).encode() + attribute.codes.tobytes())
    return replace(table, fingerprint=digest.hexdigest())


def words(value: Any) -> list[str] | None:
    """The words of a cell: a text divided at blanks, or the items of a list; None if an item is no word or number."""
    if isinstance(value, str):
        return encodable(value).split()
    if not isinstance(value, list | tuple):
        return [json.dumps(value)] if isinstance(value, int | float) else []
    if not all(isinstance(item, str | int | float) for item in value):
        return None
    return [encodable(item) if isinstance(item, str) else json.dumps(item) for item in value]
