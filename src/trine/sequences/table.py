"""Event sequences in columns: one flat array of event ids for all sequences, and where each begins.

- Any word is an event: a number (negative, huge), a path, in lists a whole phrase. Its id is its place in `vocabulary`.
- Times and further columns with one value an event ride along, for whoever learns more than the order.
- What is left out or mended on the way is counted and named in `skipped`.
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
from jaxtyping import Float64, Int8, Int32, Int64, Shaped

from trine.datasets.lines import Skips, encodable
from trine.errors import DataError

LABELS = {"0": 0, "0.0": 0, "false": 0, "normal": 0, "benign": 0} | {
    **dict.fromkeys(("1", "1.0", "true", "attack", "anomaly", "anomalous", "abnormal", "malicious"), 1),
    **dict.fromkeys(("-1", "", "unknown", "none", "null"), -1),
}
SPLITS = {"train": "train", "training": "train", "test": "test", "attack": "attack", "": ""} | dict.fromkeys(
    ("valid", "val", "validation", "dev"), "validation"
)
_OF_SEQUENCE = ("events", "times", "name", "kind", "label", "split")


@dataclass(frozen=True)
class Attribute:
    """A further categorical value of every event: `codes` are places in `values`; the value "" is unknown."""

    codes: Int32[np.ndarray, " events"]
    values: tuple[str, ...]


@dataclass(frozen=True)
class SequenceTable:
    """Sequences of events; sequence i is `events[offsets[i]:offsets[i + 1]]`.

    `labels` are 0 normal, 1 not, -1 unknown. `splits` are train, validation, test or "". `times` are seconds, NaN
    unknown, and never run backwards within a sequence. `fingerprint` is of the whole table, also on a part of it.
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
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def lengths(self) -> Int64[np.ndarray, " sequences"]:
        """Number of events of each sequence."""
        return np.diff(self.offsets)

    def sequence(self, i: int) -> Int32[np.ndarray, " length"]:
        """The event ids of sequence `i`."""
        return self.events[self.offsets[i] : self.offsets[i + 1]]

    def rows(self, mask: Shaped[np.ndarray, " chosen"]) -> "SequenceTable":
        """The sequences chosen by a boolean mask or by indices, in that order; the vocabulary stays whole."""
        chosen = np.flatnonzero(mask) if mask.dtype == bool else mask.astype(np.int64)
        lengths = self.lengths[chosen]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        flat = np.repeat(self.offsets[:-1][chosen] - offsets[:-1], lengths) + np.arange(offsets[-1])
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
        )

    def split(self, name: str) -> "SequenceTable":
        """The sequences of one split; a split that is not there is empty."""
        return self.rows(self.splits == name)

    def batches(self, max_events: int) -> Iterator[Int64[np.ndarray, " batch"]]:
        """Indices of every sequence once, shortest first, in batches that padded hold at most `max_events` events.

        A sequence longer than that comes alone.
        """
        order = np.argsort(self.lengths, kind="stable")
        lengths, start = self.lengths[order], 0
        for end in range(1, len(order) + 1):
            if end == len(order) or (end + 1 - start) * lengths[end] > max_events:
                yield order[start:end]
                start = end


class SequenceBuilder:
    """Collects sequences one by one; memory is four bytes an event and column, eight for times."""

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

    def add(self, place: str, fields: Mapping[str, object]) -> None:
        """Add the sequence that stands at `place`, or count why not. Raises `DataError` for an odd label or split."""
        events = words(fields.get("events"))
        if not events:
            reason = "no events" if events is not None else "an event that is neither word nor number"
            self.skips.add(f"{reason}, row left out", place)
            return
        self._add_attributes(place, fields, len(events))
        self._events.add(events)
        self._offsets.append(len(self._events.codes))
        self._times.extend(self._times_of(place, fields.get("times"), len(events)))
        self._add_said(place, fields)

    def _add_said(self, place: str, fields: Mapping[str, object]) -> None:
        split = self._look_up(SPLITS, place, "split", fields)
        label = self._look_up(LABELS, place, "label", fields)
        if split == "attack" and "label" not in fields:
            label = 1
        self._splits.append(split)
        self._labels.append(label)
        self._kinds.append(_text(fields.get("kind")) or {0: "normal", 1: "attack"}.get(label, ""))
        self._names.append(_text(fields.get("name")) or place)

    def _look_up(self, known: Mapping[str, Any], place: str, column: str, fields: Mapping[str, object]) -> Any:
        said = _text(fields.get(column)).strip().lower()
        if said not in known:
            accepted = ", ".join(word for word in known if word)
            raise DataError(
                f"{self.skips.source}: {place}: {column} {said[:40]!r} is none of: {accepted}; mend the column"
            )
        return known[said]

    def _times_of(self, place: str, value: object, length: int) -> Float64[np.ndarray, " length"]:
        unknown = np.full(length, np.nan)
        said = words(value) or []
        if not said:
            return unknown
        times = _seconds(said)
        if times is None or len(times) != length:
            self.skips.add("not one time in seconds an event, taken as unknown", place)
            return unknown
        if (np.diff(times) < 0).any():
            self.skips.add("times run backwards, held at the latest so far", place)
        return np.maximum.accumulate(times)

    def _add_attributes(self, place: str, fields: Mapping[str, object], length: int) -> None:
        for column in fields:
            if column not in _OF_SEQUENCE and column not in self._attributes:
                self._attributes[column] = Codes([""] * len(self._events.codes))
        for column, codes in self._attributes.items():
            values = words(fields.get(column)) or []
            if len(values) == length:
                self._fits[column] += 1
            elif values:
                self.skips.add(f"column {column!r}: not one value an event, taken as unknown", place)
            codes.add(values if len(values) == length else [""] * length)

    def build(self) -> SequenceTable:
        """The table. Raises `DataError` if no row could be read, or fewer than were left out."""
        self.skips.require(len(self), "sequences", "give a column 'events', or a folder with one sequence per file")
        # The convention of ADFA-LD: what is called `valid` is the normal half of the test, `attack` the other.
        tests = {"attack", "validation"} if "attack" in self._splits and "test" not in self._splits else {"attack"}
        splits = ["test" if split in tests else split for split in self._splits]
        times = np.frombuffer(self._times, np.float64)
        table = SequenceTable(
            name=self.name,
            fingerprint="",
            events=self._events.array(),
            offsets=np.frombuffer(self._offsets, np.int64),
            vocabulary=tuple(self._events.places),
            names=np.array(self._names, object),
            kinds=np.array(self._kinds, object),
            labels=np.frombuffer(self._labels, np.int8),
            splits=np.array(splits, object),
            times=None if np.isnan(times).all() else times,
            attributes={
                column: Attribute(codes.array(), tuple(codes.places))
                for column, codes in self._attributes.items()
                if 2 * self._fits[column] >= len(self)
            },
            skipped=self.skips.messages(),
        )
        return fingerprint(table)


class Codes:
    """Words as places in the list of distinct words, in the order of their first coming."""

    def __init__(self, start: list[str] | None = None) -> None:
        self.places = _Places()
        self.codes = array("i")
        self.add(start or [])

    def add(self, values: list[str]) -> None:
        """Append these words."""
        places = self.places
        self.codes.extend([places[value] for value in values])

    def array(self) -> Int32[np.ndarray, " events"]:
        """The places of all words so far."""
        return np.frombuffer(self.codes, np.int32)


class _Places(dict[str, int]):
    def __missing__(self, value: str) -> int:
        self[value] = place = len(self)
        return place


def _seconds(said: list[str]) -> Float64[np.ndarray, " length"] | None:
    try:
        times = np.array([float(word) for word in said])
    except ValueError:
        try:
            times = np.array([_utc(word) for word in said])
        except (ValueError, OverflowError):
            return None
    return times if np.isfinite(times).all() else None


def _utc(word: str) -> float:
    moment = datetime.fromisoformat(word)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _text(value: object) -> str:
    if value is None:
        return ""
    return encodable(value) if isinstance(value, str) else json.dumps(value, default=str)


def fingerprint(table: SequenceTable) -> SequenceTable:
    """The table with the fingerprint of all that it holds."""
    digest = hashlib.sha256()
    for numbers in (table.events, table.offsets, table.labels, table.times):
        digest.update(b"" if numbers is None else numbers.tobytes())
    for texts in (table.names, table.kinds, table.splits, table.vocabulary):
        digest.update(json.dumps(list(texts)).encode())
    for name, attribute in table.attributes.items():
        digest.update(json.dumps([name, *attribute.values]).encode() + attribute.codes.tobytes())
    return replace(table, fingerprint=digest.hexdigest())


def words(value: Any) -> list[str] | None:
    """The events of a cell: a text at its blanks, a list item by item; None if an item is neither word nor number."""
    if isinstance(value, str):
        return encodable(value).split()
    if not isinstance(value, list | tuple):
        return [json.dumps(value)] if isinstance(value, int | float) else []
    if not all(isinstance(item, str | int | float) for item in value):
        return None
    return [encodable(item) if isinstance(item, str) else json.dumps(item) for item in value]
