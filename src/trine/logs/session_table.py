"""Session events collected into a `SequenceTable`."""

from array import array
from collections.abc import Collection, Sequence
from itertools import chain, compress, repeat
from typing import Any

import numpy as np

from trine.annotations import Int32, Shaped
from trine.log_formats.log_event import ENTITIES, Fields
from trine.logs.events import EventNames
from trine.logs.sessions import SessionEvent
from trine.sequences.table import Attribute, Codes, SequenceTable, fingerprint, position

PIECE = 1 << 20
"""Number of events that are looked at together; it bounds the memory."""


class SessionCollector:
    """Collects the events of `Sessions` from its first event on.

    attributes   names of the attributes that are kept; None: all

    Memory per event: 24 bytes, 4 more where lines have several records, and 4 per attribute; the texts are kept once
    each.
    """

    def __init__(self, names: EventNames, attributes: Collection[str] | None = None) -> None:
        self._names = names
        self._wanted = attributes
        self._sessions = array("i")
        self._labels: list[str] = []
        """What each session belongs to."""
        self._entities: dict[str, list[str]] = {}
        """By kind, the first entity that each session names; "" if it has named none."""
        self._code_of: dict[int, int] = {}
        """Code of `EventNames` to index."""
        self._events = array("i")
        """Indices of the events' codes."""
        self._times = array("d")
        self._positions = array("q")
        self._records = array("i")
        """Numbers of the records on their lines; empty while each has a line of its own."""
        self._attributes: dict[str, Codes] = {}
        self.attribute_names: dict[str, None] = {}
        """Names of all attributes that occurred, kept or not."""

    def __len__(self) -> int:
        return len(self._sessions)

    def add_all(self, events: Sequence[SessionEvent]) -> None:
        """Append events, column by column: a tenth of the time of one after the other."""
        if not events:
            return
        sources, lines, sessions, begins, owners, codes, times, _, entities, attributes, records = zip(
            *events, strict=True
        )
        self._add_attributes(attributes)
        code_of = self._code_of
        for code in set(codes) - code_of.keys():
            code_of[code] = len(code_of)
        self._events.extend([code_of[code] for code in codes])
        if self._records or max(records) > 1:
            self._records.extend(repeat(1, len(self) - len(self._records)))
            self._records.extend(records)
        self._times.extend(times)
        self._sessions.extend(sessions)
        self._positions.extend(map(position, sources, lines))
        self._labels.extend(compress(owners, begins))
        for kind in dict.fromkeys(chain.from_iterable(entities)):
            named = [(session, of[kind]) for session, of in zip(sessions, entities, strict=True) if kind in of]
            first = self._entities.setdefault(kind, [])
            first.extend(repeat("", len(self._labels) - len(first)))
            for session, entity in dict(reversed(named)).items():
                first[session] = first[session] or entity

    def _add_attributes(self, attributes: Sequence[Fields]) -> None:
        """Append the attributes of events; those that occur for the first time get a column."""
        for name in dict.fromkeys(chain.from_iterable(attributes)):
            if name not in self.attribute_names:
                self.attribute_names[name] = None
                if self._wanted is None or name in self._wanted:
                    self._attributes[name] = Codes([""] * len(self))
        for name, codes in self._attributes.items():
            codes.add([of.get(name, "") for of in attributes])

    def table(
        self,
        name: str,
        skipped: tuple[str, ...] = (),
        sources: tuple[str, ...] = (),
        before: dict[str, int] | None = None,
    ) -> SequenceTable:
        """The sessions in the order in which they begin. Nothing is known of labels, kinds and splits.

        before   number of earlier sessions of each entity, which the names of sessions count on from
        The columns of this collector are used up.
        """
        sessions, count = np.frombuffer(self._sessions, np.int32), len(self._labels)
        order = np.argsort(sessions, kind="stable").astype(np.int32 if len(sessions) < 2**31 else np.int64)
        offsets = np.concatenate([[0], np.cumsum(np.bincount(sessions, minlength=count))]).astype(np.int64)
        del sessions
        del self._sessions[:]
        codes, vocabulary = self._vocabulary(order)
        times = _sorted(self._times, np.float64, order)
        table = SequenceTable(
            name=name,
            fingerprint="",
            events=codes,
            offsets=offsets,
            vocabulary=vocabulary,
            names=_numbered(self._labels, dict(before or {})),
            kinds=np.full(count, "", object),
            labels=np.full(count, -1, np.int8),
            splits=np.full(count, "", object),
            times=None if np.isnan(times).all() else times,
            attributes={
                column: Attribute(values.array()[order], tuple(values.code_of))
                for column, values in self._attributes.items()
            },
            entities={
                kind: np.array([*of, *repeat("", count - len(of))], object)
                for kind, of in self._entities.items()
                if kind in ENTITIES
            },
            owners=np.array(self._labels, object),
            positions=_sorted(self._positions, np.int64, order),
            records=_sorted(self._records, np.int32, order) if self._records else None,
            sources=sources,
            skipped=skipped,
        )
        return fingerprint(table)

    def _vocabulary(self, order: Shaped[np.ndarray, " events"]) -> tuple[Int32[np.ndarray, " events"], tuple[str, ...]]:
        """The codes of the events in this order, by first occurrence. Events of one name have one code."""
        events: Int32[np.ndarray, " events"] = _sorted(self._events, np.int32, order)
        raw = list(self._code_of)
        first = np.zeros(len(raw), np.int64)
        for start in reversed(range(0, len(events), PIECE)):  # the last assignment to an index is the one that stays
            piece = events[start : start + PIECE]
            first[piece[::-1]] = np.arange(start + len(piece), start, -1)
        tokens = Codes()
        code_of = np.empty(len(raw), np.int32)
        for i in np.argsort(first):
            code_of[i] = tokens.code_of[self._names.name(raw[i])]
        return code_of[events], tuple(tokens.code_of)


def _sorted(column: "array[Any]", kind: type, order: Shaped[np.ndarray, " events"]) -> Shaped[np.ndarray, " events"]:
    """The values in this order; the column is emptied, because a log of ten million lines has large ones."""
    values: Shaped[np.ndarray, " events"] = np.frombuffer(column, kind)[order]
    del column[:]
    return values


def _numbered(entities: list[str], counts: dict[str, int]) -> Shaped[np.ndarray, " sequences"]:
    """The name of each session: `x` for the first session of x, `x#2` for its second; without entities 1, 2, …"""
    names = []
    for entity in entities:
        counts[entity] = count = counts.get(entity, 0) + 1
        names.append((entity if count == 1 else f"{entity}#{count}") if entity else f"{count}")
    return np.array(names, object)
