"""Session events collected into a `SequenceTable`."""

from array import array

import numpy as np
from jaxtyping import Int32, Int64, Shaped

from trine.datasets.lines import Skips
from trine.logs.sessions import SessionEvent
from trine.sequences.table import Attribute, Codes, SequenceTable, fingerprint
from trine.logs.templates import TemplateMiner


class SessionCollector:
    """Collects the events of `Sessions` from its first event on.

    Memory per event: 20 bytes, and 4 bytes per attribute; the texts are kept once each.
    """

    def __init__(self, miner: TemplateMiner) -> None:
        self._miner = miner
        self._sessions = array("i")
        self._entities: list[str] = []
        self._names = Codes()
        self._events = array("q")
        """The id of a template, or −1 − the code of a name: templates can still be merged."""
        self._times = array("d")
        self._attributes: dict[str, Codes] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def add(self, event: SessionEvent) -> None:
        """Append one event."""
        for name in event.attributes:
            if name not in self._attributes:
                self._attributes[name] = Codes([""] * len(self))
        for name, codes in self._attributes.items():
            codes.add([event.attributes.get(name, "")])
        self._events.append(event.event if isinstance(event.event, int) else -1 - self._names.code_of[event.event])
        self._times.append(event.time)
        self._sessions.append(event.session)
        if event.begins:
            self._entities.append(event.entity)

    def table(self, name: str, skips: Skips) -> SequenceTable:
        """The sessions in the order in which they begin. Nothing is known of labels, kinds and splits."""
        sessions, count = np.frombuffer(self._sessions, np.int32), len(self._entities)
        order = np.argsort(sessions, kind="stable")
        codes, vocabulary = self._vocabulary(order)
        times = np.frombuffer(self._times, np.float64)
        table = SequenceTable(
            name=name,
            fingerprint="",
            events=codes,
            offsets=np.concatenate([[0], np.cumsum(np.bincount(sessions))]).astype(np.int64),
            vocabulary=vocabulary,
            names=_numbered(self._entities),
            kinds=np.full(count, "", object),
            labels=np.full(count, -1, np.int8),
            splits=np.full(count, "", object),
            times=None if np.isnan(times).all() else times[order],
            attributes={
                column: Attribute(values.array()[order], tuple(values.code_of))
                for column, values in self._attributes.items()
            },
            skipped=skips.messages(),
        )
        return fingerprint(table)

    def _vocabulary(self, order: Int64[np.ndarray, " events"]) -> tuple[Int32[np.ndarray, " events"], tuple[str, ...]]:
        """The codes of the events in this order, by first occurrence. A merged template counts as what it became."""
        names = list(self._names.code_of)
        texts = {template.id: template.text for template in self._miner.templates()}
        raw, first, inverse = np.unique(
            np.frombuffer(self._events, np.int64)[order], return_index=True, return_inverse=True
        )
        tokens = Codes()
        code_of = np.empty(len(raw), np.int32)
        for i in np.argsort(first):
            event = int(raw[i])
            token = names[-1 - event] if event < 0 else texts.get(self._miner.resolve(event), "<*>")
            code_of[i] = tokens.code_of[token]
        return code_of[inverse], tuple(tokens.code_of)


def _numbered(entities: list[str]) -> Shaped[np.ndarray, " sequences"]:
    """The name of each session: `x` for the first session of x, `x#2` for its second; without entities 1, 2, …"""
    counts: dict[str, int] = {}
    names = []
    for entity in entities:
        counts[entity] = count = counts.get(entity, 0) + 1
        names.append((entity if count == 1 else f"{entity}#{count}") if entity else f"{count}")
    return np.array(names, object)
