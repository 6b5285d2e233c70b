"""An n-gram language model of events: the probability of each event given the few events before it.

Interpolated Witten-Bell smoothing (Witten and Bell, 1991): the number of distinct events that followed a context
estimates the probability of a new event, which the next shorter context then distributes. Here each distinct event
counts `NOVELTY` times: events repeat in loops, so their counts are worth less than independent draws. `ORDER` and
`NOVELTY` are those under which held-out normal sequences of three systems were most likely (bench/notes/detect.md).
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np

from trine.annotations import Bool, Float64, Int64
from trine.sequences.vocabulary import BEGIN, EVENT, FIRST, UNKNOWN, EncodedTable

ORDER = 12
"""Length of the longest n-gram, in events."""
NOVELTY = 12
"""Weight of each distinct event that followed a context, in the estimate of a new event's probability."""
MOST = 500_000
"""Largest number of n-grams of one length. Where there are more, this length and longer ones are left out."""
PIECE = 1_000_000
"""Number of events that are scored together; it bounds the memory."""

Codes = Int64[np.ndarray, "joined"]
"""Joined sequences, each after a start token."""
Positions = Int64[np.ndarray, "joined"]
"""For each event, the position of the n-gram that ends there among the counted n-grams of its length; -1 for none."""


Contexts = Int64[np.ndarray, "sequences lengths"]
"""Of sequences that go on: positions of the n-grams that end at their last events, shortest first; -1 for none."""


@dataclass(frozen=True, eq=False)
class NGramCounts:
    """Counts of the n-grams of one length.

    Key of an n-gram: (position of its context among the n-grams one event shorter) · width + last event.
    """

    keys: Int64[np.ndarray, "grams"]
    """In rising order."""
    counts: Int64[np.ndarray, "grams"]
    width: int
    """Number of event codes."""

    @cached_property
    def totals(self) -> Int64[np.ndarray, "contexts"]:
        """How often each context was followed by an event."""
        return np.bincount(self._contexts, self.counts).astype(np.int64)

    @cached_property
    def types(self) -> Int64[np.ndarray, "contexts"]:
        """How many distinct events followed each context."""
        return np.bincount(self._contexts)

    @property
    def _contexts(self) -> Int64[np.ndarray, "grams"]:
        return self.keys // self.width

    def find(self, contexts: Positions, codes: Codes) -> Positions:
        """Positions of the n-grams that continue these contexts with these events."""
        wanted = contexts * self.width + codes
        positions = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where((contexts >= 0) & (self.keys[positions] == wanted), positions, -1)

    def spread(self, probabilities: Float64[np.ndarray, "rows codes"], contexts: Positions) -> None:
        """`refine` for all events that could come, in place: one row per context."""
        for row in np.flatnonzero((contexts >= 0) & (contexts < len(self.totals))):
            context = int(contexts[row])
            total, new = int(self.totals[context]), NOVELTY * int(self.types[context])
            if total:
                start, end = np.searchsorted(self.keys, [context * self.width, (context + 1) * self.width])
                probabilities[row] *= new / (total + new)
                probabilities[row, self.keys[start:end] % self.width] += self.counts[start:end] / (total + new)

    def refine(
        self, probabilities: Float64[np.ndarray, "joined"], contexts: Positions, positions: Positions
    ) -> Float64[np.ndarray, "joined"]:
        """Interpolate the shorter n-grams' probabilities with these counts."""
        known = (contexts >= 0) & (contexts < len(self.totals))
        indices = np.where(known, contexts, 0)
        totals, new = np.where(known, self.totals[indices], 0), np.where(known, NOVELTY * self.types[indices], 0)
        seen = np.where(positions >= 0, self.counts[positions], 0)
        return np.where(totals > 0, (seen + new * probabilities) / np.maximum(totals + new, 1), probabilities)


@dataclass(frozen=True, eq=False)
class NGrams:
    """Counts of all n-grams of up to `ORDER` events; an event that was never counted reads as unknown."""

    single: Int64[np.ndarray, "codes"]
    """Count of each event."""
    longer: tuple[NGramCounts, ...]
    """Counts of two events, three events, and so on."""

    @classmethod
    def counted(cls, table: EncodedTable) -> "NGrams":
        """The n-grams of a table's sequences."""
        codes, _ = _joined(table)
        single = np.bincount(codes, minlength=FIRST)
        longer: list[NGramCounts] = []
        positions = codes
        while len(longer) < ORDER - 1:
            contexts = _before(positions, codes)
            keys, counts = np.unique(contexts[contexts >= 0] * len(single) + codes[contexts >= 0], return_counts=True)
            if not 0 < len(keys) <= MOST:
                break
            longer.append(NGramCounts(keys, counts, len(single)))
            positions = longer[-1].find(contexts, codes)
        return cls(single, tuple(longer))

    def surprisal(self, table: EncodedTable) -> Float64[np.ndarray, "events"]:
        """−ln p of every event given the events before it, in nats."""
        cuts = np.searchsorted(table.offsets, np.arange(PIECE, table.events, PIECE))
        bounds = np.unique(np.concatenate([[0], cuts, [len(table)]]))
        pieces = [_rows(table, int(a), int(b)) for a, b in pairwise(bounds)]
        return np.concatenate([np.zeros(0), *(-np.log(self._probabilities(piece)) for piece in pieces)])

    def begun(self, count: int) -> Contexts:
        """The contexts of sequences without events."""
        contexts = np.full((count, len(self.longer)), -1, dtype=np.int64)
        contexts[:, :1] = BEGIN
        return contexts

    def advance(
        self, contexts: Contexts, table: EncodedTable
    ) -> tuple[Float64[np.ndarray, "events"], Int64[np.ndarray, "events lengths"], Contexts]:
        """The surprisal of the next events of sequences that go on, one or more each.

        Also the contexts before each event, and those of the sequences after them.
        """
        codes, after = self._known(table.columns[EVENT].astype(np.int64)), np.empty_like(contexts)
        all_before = np.empty((len(codes), contexts.shape[1]), np.int64)
        first, last = table.offsets[:-1], table.offsets[1:] - 1
        probabilities, positions = self._single_probabilities()[codes], codes
        for i, level in enumerate(self.longer):
            before = np.roll(positions, 1)
            before[first] = contexts[:, i]
            all_before[:, i] = before
            after[:, i] = positions[last]
            positions = level.find(before, codes)
            probabilities = level.refine(probabilities, before, positions)
        return -np.log(probabilities), all_before, after

    def likeliest(
        self, table: EncodedTable, count: int
    ) -> tuple[Int64[np.ndarray, "events count"], Float64[np.ndarray, "events count"]]:
        """The codes of the `count` most probable events at every position, and their probabilities."""
        codes, is_event = _joined(table)
        codes = self._known(codes)
        contexts, positions = [], codes
        for level in self.longer:
            contexts.append(_before(positions, codes)[is_event])
            positions = level.find(_before(positions, codes), codes)
        stacked = np.stack(contexts, 1) if contexts else np.zeros((table.events, 0), np.int64)
        rows = max(1, PIECE // len(self.single))
        best = [self.likeliest_after(stacked[start : start + rows], count) for start in range(0, table.events, rows)]
        return np.concatenate([codes for codes, _ in best]), np.concatenate([values for _, values in best])

    def likeliest_after(
        self, contexts: Contexts, count: int
    ) -> tuple[Int64[np.ndarray, "sequences count"], Float64[np.ndarray, "sequences count"]]:
        """The codes of the `count` most probable next events in these contexts, and their probabilities."""
        single = self._single_probabilities()
        single[BEGIN] = 0  # the end of a sequence is not counted
        probabilities = np.tile(single, (len(contexts), 1))
        for level, of_level in zip(self.longer, contexts.T, strict=True):
            level.spread(probabilities, of_level)
        top = np.argsort(-probabilities, 1, kind="stable")[:, :count]
        return top, np.take_along_axis(probabilities, top, 1)

    def arrays(self) -> dict[str, np.ndarray]:
        """The counts."""
        arrays = {"single": self.single}
        for length, level in enumerate(self.longer, 2):
            arrays |= {f"{length}.keys": level.keys, f"{length}.counts": level.counts}
        return arrays

    @classmethod
    def of_arrays(cls, arrays: dict[str, np.ndarray]) -> "NGrams":
        """The n-grams with these counts."""
        single = arrays["single"]
        lengths = range(2, 2 + sum(name.endswith(".keys") for name in arrays))
        longer = [NGramCounts(arrays[f"{n}.keys"], arrays[f"{n}.counts"], len(single)) for n in lengths]
        return cls(single, tuple(longer))

    def _probabilities(self, table: EncodedTable) -> Float64[np.ndarray, "events"]:
        codes, is_event = _joined(table)
        codes = self._known(codes)
        probabilities, positions = self._single_probabilities()[codes], codes
        for level in self.longer:
            contexts = _before(positions, codes)
            positions = level.find(contexts, codes)
            probabilities = level.refine(probabilities, contexts, positions)
        return np.asarray(probabilities[is_event])

    def _known(self, codes: Codes) -> Codes:
        """The codes, those that were never counted replaced by the unknown event."""
        codes = np.where(codes < len(self.single), codes, UNKNOWN)
        return np.where(self.single[codes] > 0, codes, UNKNOWN)

    def _single_probabilities(self) -> Float64[np.ndarray, "codes"]:
        """Probabilities without context; the share of new events is spread over known events and the unknown one."""
        counts = self.single.astype(np.float64)
        counts[BEGIN] = 0
        types = np.count_nonzero(counts)
        return np.asarray((counts + types / (types + 1)) / (counts.sum() + types))


def _rows(table: EncodedTable, start: int, end: int) -> EncodedTable:
    bounds = table.offsets[start : end + 1]
    return EncodedTable({EVENT: table.columns[EVENT][bounds[0] : bounds[-1]]}, bounds - bounds[0])


def _joined(table: EncodedTable) -> tuple[Codes, Bool[np.ndarray, "joined"]]:
    """The joined sequences, each after a start token, and a mask of the events among these codes."""
    starts = table.offsets[:-1]
    codes = np.insert(table.columns[EVENT].astype(np.int64), starts, BEGIN)
    is_event = np.ones(len(codes), dtype=bool)
    is_event[starts + np.arange(len(starts))] = False
    return codes, is_event


def _before(positions: Positions, codes: Codes) -> Positions:
    """Position of the n-gram that ends one event earlier; -1 at a start token."""
    before = np.concatenate([[-1], positions[:-1]])
    return np.where(codes == BEGIN, -1, before)
