"""An n-gram language model of events: the likelihood of each event given the few before it.

Interpolated Witten-Bell smoothing (Witten and Bell, 1991): how many kinds of event followed a context says how likely a
new one is, which the next shorter context then names. Here each kind counts twelvefold: events repeat in loops, so that
their counts are worth less than so many independent draws. Length and weight are those under which held-out normal
sequences of three systems were likeliest (docs/lab-notes.md).
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from trine.detect.network import BEGIN, FIRST, UNKNOWN
from trine.detect.surprisal import Encoded
from trine.detect.vocabulary import EVENT

ORDER = 12
"""Events of the longest n-gram."""
NOVELTY = 12
"""What each kind of event that followed a context counts towards a new one."""
MOST = 2_000_000
"""n-grams of one length that are kept; where there are more, this length and all longer ones are left out."""
PIECE = 1_000_000
"""Events that are scored at a time."""

Codes = Int64[np.ndarray, "joined"]
"""Sequences joined, each after a `BEGIN`."""
Places = Int64[np.ndarray, "joined"]
"""Where in a level each n-gram stands that ends at an event; -1: it was never seen."""


@dataclass(frozen=True, eq=False)
class Level:
    """The n-grams of one length, as (place of all but the last event in the shorter level) · width + last event."""

    keys: Int64[np.ndarray, "grams"]
    """Rising."""
    counts: Int64[np.ndarray, "grams"]
    width: int

    @cached_property
    def totals(self) -> Int64[np.ndarray, "contexts"]:
        """How often each context was followed by anything."""
        return np.bincount(self._contexts, self.counts).astype(np.int64)

    @cached_property
    def types(self) -> Int64[np.ndarray, "contexts"]:
        """How many kinds of event followed each context."""
        return np.bincount(self._contexts)

    @property
    def _contexts(self) -> Int64[np.ndarray, "grams"]:
        return self.keys // self.width

    def find(self, contexts: Places, codes: Codes) -> Places:
        """Where the n-grams of these contexts and events stand."""
        wanted = contexts * self.width + codes
        places = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where((contexts >= 0) & (self.keys[places] == wanted), places, -1)

    def refine(
        self, chances: Float64[np.ndarray, "joined"], contexts: Places, places: Places
    ) -> Float64[np.ndarray, "joined"]:
        """The chances of the shorter level, interpolated with what this one saw."""
        known = (contexts >= 0) & (contexts < len(self.totals))
        at = np.where(known, contexts, 0)
        totals, new = np.where(known, self.totals[at], 0), np.where(known, NOVELTY * self.types[at], 0)
        seen = np.where(places >= 0, self.counts[places], 0)
        return np.where(totals > 0, (seen + new * chances) / np.maximum(totals + new, 1), chances)


class NGrams:
    """Counts of all n-grams of up to `ORDER` events; what was never seen reads as `UNKNOWN`."""

    def __init__(self) -> None:
        self.single = np.zeros(FIRST, np.int64)
        """How often each event was seen."""
        self.levels: list[Level] = []
        """Two events, three events, and so on."""

    def fit(self, table: Encoded) -> None:
        """Count the n-grams of these sequences."""
        codes, _ = _joined(table)
        self.single = np.bincount(codes, minlength=FIRST)
        self.levels, places = [], codes
        while len(self.levels) < ORDER - 1:
            contexts = _before(places, codes)
            found = contexts[contexts >= 0] * len(self.single) + codes[contexts >= 0]
            keys, counts = np.unique(found, return_counts=True)
            if not 0 < len(keys) <= MOST:
                break
            self.levels.append(Level(keys, counts, len(self.single)))
            places = self.levels[-1].find(contexts, codes)

    def surprisal(self, table: Encoded) -> Float64[np.ndarray, "events"]:
        """−ln p of every event given those before it, in nats."""
        cuts = np.searchsorted(table.offsets, np.arange(PIECE, table.events, PIECE))
        bounds = np.unique(np.concatenate([[0], cuts, [len(table)]]))
        pieces = [_rows(table, int(a), int(b)) for a, b in pairwise(bounds)]
        return np.concatenate([np.zeros(0), *(-np.log(self._chances(piece)) for piece in pieces)])

    def tensors(self) -> dict[str, Tensor]:
        """The counts."""
        found = {"single": torch.from_numpy(self.single)}
        for length, level in enumerate(self.levels, 2):
            found |= {
                f"{length}.keys": torch.from_numpy(level.keys),
                f"{length}.counts": torch.from_numpy(level.counts),
            }
        return found

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take back the counts."""
        self.single = tensors["single"].numpy()
        lengths = range(2, 2 + sum(name.endswith(".keys") for name in tensors))
        self.levels = [
            Level(tensors[f"{n}.keys"].numpy(), tensors[f"{n}.counts"].numpy(), len(self.single)) for n in lengths
        ]

    def _chances(self, table: Encoded) -> Float64[np.ndarray, "events"]:
        codes, is_event = _joined(table)
        codes = np.where(codes < len(self.single), codes, UNKNOWN)
        codes = np.where(self.single[codes] > 0, codes, UNKNOWN)
        chances, places = self._single_chances()[codes], codes
        for level in self.levels:
            contexts = _before(places, codes)
            places = level.find(contexts, codes)
            chances = level.refine(chances, contexts, places)
        return np.asarray(chances[is_event])

    def _single_chances(self) -> Float64[np.ndarray, "codes"]:
        """Of each event whatever came before; the unseen share of it is spread over the known and the unknown."""
        counts = self.single.astype(np.float64)
        counts[BEGIN] = 0
        types = np.count_nonzero(counts)
        return np.asarray((counts + types / (types + 1)) / (counts.sum() + types))


def _rows(table: Encoded, start: int, end: int) -> Encoded:
    bounds = table.offsets[start : end + 1]
    return Encoded({EVENT: table.columns[EVENT][bounds[0] : bounds[-1]]}, bounds - bounds[0])


def _joined(table: Encoded) -> tuple[Codes, Bool[np.ndarray, "joined"]]:
    """The sequences joined, each after a `BEGIN`, and which of the codes are events."""
    starts = table.offsets[:-1]
    codes = np.insert(table.columns[EVENT], starts, BEGIN)
    is_event = np.ones(len(codes), dtype=bool)
    is_event[starts + np.arange(len(starts))] = False
    return codes, is_event


def _before(places: Places, codes: Codes) -> Places:
    """The n-gram that ends one event before; none at what begins a sequence."""
    before = np.concatenate([[-1], places[:-1]])
    return np.where(codes == BEGIN, -1, before)
