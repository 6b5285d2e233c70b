"""What the members of the ensemble read: events, and their surprisal under the models of a fold."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from trine.annotations import Float64, Int64
from trine.sequences.vocabulary import EVENT, EncodedTable

Surprisal = Float64[np.ndarray, "events"]
"""Surprisal of every event of a table, in nats."""
FIRST = -1
"""Stands for the event before the first one of a sequence."""


@dataclass(frozen=True, eq=False)
class EventEvidence:
    """Events of any sequences, and how surprising each is to models that learned from the same normal sequences."""

    codes: Int64[np.ndarray, "events"]
    previous: Int64[np.ndarray, "events"]
    """Code of the event before each one in its sequence, or `FIRST`."""
    columns: Mapping[str, Surprisal] = field(default_factory=dict)
    """The network's surprisal per column, `event` included; empty without a network."""
    grams: Surprisal | None = None
    """The surprisal of the events under the n-gram model, where a member or a detector without a network reads it."""

    @property
    def network(self) -> Surprisal:
        """The network's surprisal of the events."""
        return self.columns[EVENT]

    @property
    def ngrams(self) -> Surprisal:
        """The n-gram model's surprisal of the events."""
        assert self.grams is not None, "a member that reads n-grams says so in `reads`"
        return self.grams

    @cached_property
    def larger(self) -> Surprisal:
        """The larger of the two surprisals of each event: it is expected only if both models expect it."""
        return np.asarray(np.maximum(self.network, self.ngrams))

    @property
    def attributes(self) -> dict[str, Surprisal]:
        """The network's surprisal of each further column."""
        return {name: values for name, values in self.columns.items() if name != EVENT}


@dataclass(frozen=True, eq=False)
class Evidence:
    """The evidence of whole sequences."""

    table: EncodedTable
    columns: Mapping[str, Surprisal] = field(default_factory=dict)
    grams: Surprisal | None = None

    @cached_property
    def events(self) -> EventEvidence:
        """The events of the table in its order."""
        codes = self.table.columns[EVENT].astype(np.int64)
        previous = np.roll(codes, 1)
        previous[self.table.offsets[:-1]] = FIRST
        return EventEvidence(codes, previous, self.columns, self.grams)
