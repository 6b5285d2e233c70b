"""Sequences that still go on: how strange each is so far, with a false-alarm rate that holds however often one looks.

A sequence is judged at fixed lengths, its checkpoints. There, each member's score is ranked among held-out normal
sequences cut at the same length, and the p-values are fused as those of whole sequences are. What counts is the largest
fused score of all checkpoints so far, or, once it has ended, the score of the whole sequence if that is stranger. Its
p-value is the share of held-out normal sequences that are at least as strange in the end: as a sequence never becomes
less strange, the share of normal sequences that are ever flagged is at most the threshold (conformal prediction; Vovk
et al., 2005).

This costs power where only the whole sequence is strange: the threshold of many looks is higher than that of one.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from trine.annotations import Float32, Float64, Int64
from trine.bundle import part
from trine.detect.evidence import Evidence
from trine.detect.member import Additive, Member
from trine.detect.sampling import even_sample
from trine.detect.scoring import Ensemble, Panel, units
from trine.measures.conformal import Ranking, References, Scores, own_tail_p_values
from trine.sequences.vocabulary import EncodedTable

EACH = 20
"""Up to this length, in events, every event is a checkpoint."""
GROWTH = 1.05
"""Ratio of the further checkpoints."""
LONGEST = 100_000
"""The last checkpoint, in events."""
SMALLEST = 50
"""Smallest number of held-out sequences at a checkpoint; longer sequences are ranked among those at the last one."""
MOST = 2_000
"""Largest number of held-out sequences of a fold that are cut."""
DIGITS = 4
"""Digits after the point that scores are rounded to."""
PIECE = 1_000_000
"""Events of cut sequences that are scored at once; it bounds the memory."""

Lengths = Int64[np.ndarray, "cuts"]
CutScores = Float64[np.ndarray, "cuts"]
CutMemberScores = Float64[np.ndarray, "cuts members"]


def checkpoints() -> Int64[np.ndarray, "checkpoints"]:
    """The lengths at which sequences are judged, in events."""
    lengths = list(range(1, EACH + 1))
    while lengths[-1] < LONGEST:
        lengths.append(max(lengths[-1] + 1, round(lengths[-1] * GROWTH)))
    return np.array(lengths, dtype=np.int64)


CHECKPOINTS = checkpoints()


@dataclass(frozen=True, eq=False)
class Cuts:
    """The sequences of a table, cut at their checkpoints."""

    table: EncodedTable
    rows: Int64[np.ndarray, "cuts"]
    """Index of the sequence of each cut."""
    lengths: Lengths
    """Number of events up to each cut."""

    @classmethod
    def of(cls, table: EncodedTable) -> "Cuts":
        """All cuts, sequence after sequence, each from short to long."""
        counts = np.searchsorted(CHECKPOINTS, table.lengths, side="right")
        rows = np.repeat(np.arange(len(table)), counts)
        return cls(table, rows, CHECKPOINTS[np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)])

    def scores(self, members: Sequence[Member], evidence: Evidence) -> CutMemberScores:
        """The members' scores of the cut sequences."""
        return np.stack([self._scores(member, evidence) for member in members], 1)

    def largest(self, fused: CutScores) -> Scores:
        """The largest score of each sequence over its cuts."""
        largest = np.full(len(self.table), -np.inf)
        np.maximum.at(largest, self.rows, fused)
        return largest

    def _scores(self, member: Member, evidence: Evidence) -> CutScores:
        if not isinstance(member, Additive):
            return np.concatenate([np.zeros(0), *(member.score(Evidence(cut)) for cut in self._tables())])
        sums = np.concatenate([[0.0], np.cumsum(member.terms(evidence.events))])
        starts = self.table.offsets[self.rows]
        return member.of_sums(sums[starts + self.lengths] - sums[starts], self.lengths)

    def _tables(self) -> Iterator[EncodedTable]:
        """The cut sequences as tables of about `PIECE` events each."""
        ends = np.cumsum(self.lengths)
        for first, last in _pieces(ends):
            lengths, starts = self.lengths[first:last], self.table.offsets[self.rows[first:last]]
            offsets, at = _positions(starts, lengths)
            yield EncodedTable({name: codes[at] for name, codes in self.table.columns.items()}, offsets)


@dataclass(frozen=True, eq=False)
class RunningPanel:
    """A fold's members, calibrated on held-out sequences that are cut at the checkpoints."""

    panel: Panel
    scores: Float32[np.ndarray, "scored members"]
    """Scores of the held-out sequences at the checkpoints, one checkpoint after the other."""
    counts: Int64[np.ndarray, "checkpoints"]
    """Number of them at each checkpoint."""
    largest: References
    """The largest fused score of each held-out sequence, in rising order."""
    strangest: References
    """The smaller p-value of each held-out sequence in the end, of its largest score or of the whole sequence, in
    rising order."""

    @classmethod
    def fitted(cls, panel: Panel, held_out: Evidence) -> "RunningPanel":
        """Cut held-out normal sequences, with the evidence of models that never saw them."""
        chosen = even_sample(len(held_out.table), MOST)
        whole = panel.fuse(panel.reference.own_p_values())[chosen]
        held_out = _rows(held_out, chosen)
        cuts = Cuts.of(held_out.table)
        raw = _kept(cuts.scores(panel.members, held_out))
        at = [np.flatnonzero(cuts.lengths == length) for length in CHECKPOINTS]
        enough = min(SMALLEST, len(held_out.table))
        at = at[: sum(len(rows) >= enough for rows in at)]
        counts, none = np.array([len(rows) for rows in at], dtype=np.int64), np.zeros(0)
        begun = cls(panel, raw[np.concatenate(at)].astype(np.float32), counts, none, none)
        fused = begun.fused(raw, cuts.lengths)
        for rows in at:
            fused[rows] = panel.fuse(own_tail_p_values(raw[rows]))
        largest = cuts.largest(fused)
        p = own_tail_p_values(np.stack([largest, whole], 1)).min(1)
        return cls(panel, begun.scores, counts, np.sort(largest), np.sort(p))

    def fused(self, raw: CutMemberScores, lengths: Lengths) -> CutScores:
        """The fused scores of sequences that have these lengths so far."""
        raw = _kept(raw)
        p, index = np.empty_like(raw), np.searchsorted(CHECKPOINTS[: len(self.counts)], lengths, side="right") - 1
        for checkpoint in np.unique(index):
            rows = index == checkpoint
            p[rows] = self._rankings[checkpoint].p_values(raw[rows])
        return self.panel.fuse(p)

    def p_values(self, largest: Scores, whole: Scores | None = None) -> Scores:
        """The smaller of the p-values of these largest scores and, of sequences that have ended, of the whole ones."""
        p = self._of_largest.p_values(largest[:, None])[:, 0]
        return p if whole is None else np.minimum(p, self._of_whole.p_values(whole[:, None])[:, 0])

    def at_least_as_strange(self, p: Scores) -> Int64[np.ndarray, "sequences"]:
        """Number of held-out sequences that are in the end at least as strange as `p_values` says of others."""
        return np.searchsorted(self.strangest, p * (1 + 1e-9), side="right").astype(np.int64)

    @cached_property
    def _rankings(self) -> list[Ranking]:
        """The scores at each checkpoint."""
        of_members = units(self.panel.members)
        each = np.split(self.scores, np.cumsum(self.counts)[:-1])
        return [Ranking(np.sort(scores.astype(np.float64), 0), of_members) for scores in each]

    @cached_property
    def _of_largest(self) -> Ranking:
        return Ranking(self.largest[:, None])

    @cached_property
    def _of_whole(self) -> Ranking:
        return Ranking(self.panel.fused_reference[:, None])


@dataclass(frozen=True, eq=False)
class Running:
    """One running panel per fold, combined by cross-conformal prediction as whole sequences are."""

    panels: tuple[RunningPanel, ...]

    @property
    def calibrated_on(self) -> int:
        """Number of held-out normal sequences over all folds."""
        return sum(len(panel.largest) for panel in self.panels)

    def p_values(self, largest: Sequence[Scores], whole: Sequence[Scores] | None = None) -> Scores:
        """p-values of sequences with these largest fused scores so far, and of those that have ended as whole ones.

        One array per fold each.
        """
        ended: Sequence[Scores | None] = [None] * len(self.panels) if whole is None else whole
        stranger = [
            panel.at_least_as_strange(panel.p_values(of_fold, all_of_it))
            for panel, of_fold, all_of_it in zip(self.panels, largest, ended, strict=True)
        ]
        return np.asarray((1 + np.sum(stranger, 0)) / (1 + self.calibrated_on))

    def judged(self, evidence: Sequence[Evidence], ended: bool = True) -> Scores:
        """p-values of the sequences of a table at their last event, or after their end; the evidence of each fold."""
        largest, whole = [], []
        for running, of_fold in zip(self.panels, evidence, strict=True):
            panel, cuts = running.panel, Cuts.of(of_fold.table)
            largest.append(cuts.largest(running.fused(cuts.scores(panel.members, of_fold), cuts.lengths)))
            if ended:
                whole.append(panel.fuse(panel.reference.p_values(panel.raw(of_fold), of_fold.table.lengths)))
        return self.p_values(largest, whole or None)

    def arrays(self) -> dict[str, np.ndarray]:
        """The panels' scores, by the fold's index."""
        return {
            f"{fold}.{name}": getattr(panel, name)
            for fold, panel in enumerate(self.panels)
            for name in ("scores", "counts", "largest", "strangest")
        }

    @classmethod
    def of_arrays(cls, ensemble: Ensemble, arrays: dict[str, np.ndarray]) -> "Running":
        """The running panels of an ensemble with these arrays."""
        return cls(tuple(RunningPanel(panel, **part(arrays, str(fold))) for fold, panel in enumerate(ensemble.panels)))


def _kept(raw: CutMemberScores) -> CutMemberScores:
    """Scores as the reference keeps them: rounded, so that those that are equal but for the order of sums are equal."""
    return np.round(raw, DIGITS).astype(np.float32).astype(np.float64)


def _rows(evidence: Evidence, rows: Int64[np.ndarray, "chosen"]) -> Evidence:
    table = evidence.table
    offsets, at = _positions(table.offsets[rows], table.lengths[rows])
    return Evidence(
        EncodedTable({name: codes[at] for name, codes in table.columns.items()}, offsets),
        {name: values[at] for name, values in evidence.columns.items()},
        None if evidence.grams is None else evidence.grams[at],
    )


def _positions(
    starts: Int64[np.ndarray, "sequences"], lengths: Int64[np.ndarray, "sequences"]
) -> tuple[Int64[np.ndarray, "bounds"], Int64[np.ndarray, "events"]]:
    """Offsets of sequences of these lengths, and the position of each of their events in the table they begin in."""
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return offsets, np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)


def _pieces(ends: Int64[np.ndarray, "cuts"]) -> Iterator[tuple[int, int]]:
    """First and last index of consecutive cuts with about `PIECE` events in all."""
    first = 0
    while first < len(ends):
        before = int(ends[first - 1]) if first else 0
        last = max(first + 1, int(np.searchsorted(ends, before + PIECE, side="right")))
        yield first, last
        first = last
