"""How strange each open session is, after every event: the networks' states and the members' sums of many sessions.

The numbers of all open sessions lie in arrays, one place per session, so that a block of events of many sessions is one
computation. A place is given to a session when it begins and is free again when it ends.
"""

import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np

from trine.annotations import Bool, Float64, Int64
from trine.detect.evidence import FIRST, EventEvidence, Evidence
from trine.detect.member import Additive, Member
from trine.detect.running import CHECKPOINTS, RunningPanel
from trine.detect.scorer import Scorer
from trine.detect.scoring import NetworkSurprisal
from trine.detect.states import LIKELIEST
from trine.errors import UsageError
from trine.sequences.vocabulary import EVENT, EncodedTable

Places = Int64[np.ndarray, "sessions"]
PValues = Float64[np.ndarray, "sessions"]
Nats = Float64[np.ndarray, "events"]
Bounds = Int64[np.ndarray, "bounds"]
Columns = Mapping[str, Int64[np.ndarray, "events"]]
Likeliest = tuple[Int64[np.ndarray, "likeliest"], Float64[np.ndarray, "likeliest"]]
"""Codes of events, and their probabilities, the most probable first."""
NOTABLE = 2.0
"""Surprisal in nats from which on a line may count."""
LOGITS, TOGETHER = 2_097_152, 512
"""Largest number of a network's logits that are computed at once, 8 MiB, and of sessions: their gates fit the cache."""


class Judge:
    """Judges sessions that go on.

    judge = Judge(detector)
    places = judge.begin(2)
    p_values, nats = judge.add(places, offsets, codes)   # the next events of these sessions
    p_values = judge.p_values_of_ended(places)
    judge.free(places)
    """

    def __init__(self, scorer: Scorer, capacity: int = 1_024) -> None:
        """Raises `UsageError` for a detector of an earlier version, which cannot judge sessions that go on."""
        if scorer.running is None:
            raise UsageError(
                "the model was trained by an earlier version, which did not calibrate it for sessions that go on: "
                "train it again, or give normal data to `trine detect recalibrate`"
            )
        self.scorer, self.running = scorer, scorer.running
        self.folds = [Fold(running) for running in self.running.panels]
        self.lengths = np.zeros(capacity, np.int64)
        """Number of events so far."""
        self.previous = np.full(capacity, FIRST, np.int64)
        """Code of the last event."""
        fresh = scorer.begun()
        self.states = np.repeat(fresh, capacity, 0)
        """The networks' states."""
        self.mixes: list[dict[int, int]] = [{} for _ in range(capacity)]
        """How often each event has occurred."""
        for fold in self.folds:
            fold.grow(capacity)
        self._likeliest = _none_expected(0)
        """What the networks expected in the place of each of the last events, where it was surprising."""
        self._fresh, self._free = fresh[0], list(range(capacity - 1, -1, -1))
        self._mixed = any(fold.others for fold in self.folds)

    def begin(self, count: int) -> Places:
        """Places for sessions that begin: free places are as new."""
        while len(self._free) < count:
            self._grow()
        return np.array([self._free.pop() for _ in range(count)], np.int64)

    def add(
        self, places: Places, offsets: Bounds, columns: Columns
    ) -> tuple[PValues, Nats, Bool[np.ndarray, "sessions"]]:
        """Take the next events of sessions, which have one place each and one or more events.

        offsets   events i of the columns are those from offsets[i] to offsets[i + 1]
        Returns the p-values so far, the surprisal of each event, and which sessions reached a checkpoint.
        """
        counts = np.diff(offsets)
        owner = np.repeat(np.arange(len(places)), counts)
        within = np.arange(len(owner)) - offsets[:-1][owner]
        codes = columns[EVENT]
        previous = np.roll(codes, 1)
        previous[offsets[:-1]] = self.previous[places]
        nats = self._network(places, offsets, columns)
        lengths = self.lengths[places][owner] + within + 1
        at = np.flatnonzero(np.isin(lengths, CHECKPOINTS))
        mixes = self._mixes(places, offsets, codes, at) if self._mixed else None
        table = EncodedTable({EVENT: codes}, offsets)
        for index, fold in enumerate(self.folds):
            fold.add(places, table, owner, previous, nats[index] if nats else {}, lengths, at, mixes)
        self.lengths[places] += counts
        self.previous[places] = codes[offsets[1:] - 1]
        reached = np.zeros(len(places), bool)
        reached[owner[at]] = True
        return self.p_values(places), self._surprisal(nats), reached

    def expected(self, event: int) -> Likeliest:
        """What the networks expected in the place of one of the last events; nothing where it was not surprising."""
        codes, probabilities = (of[event] for of in self._likeliest)
        return codes[codes >= 0], probabilities[codes >= 0]

    def contexts_before(self, event: int) -> list[int]:
        """For `expected_in`: what the n-grams know before one of the last events."""
        return self.folds[0].before[event].tolist() if self.folds[0].grams else []

    def expected_in(self, contexts: Sequence[int]) -> Likeliest:
        """What the n-grams of the first fold expect there."""
        grams = self.folds[0].grams
        assert grams is not None, "without n-grams there are no contexts"
        codes, probabilities = grams.likeliest_after(np.array([contexts], np.int64), LIKELIEST)
        return codes[0], probabilities[0]

    def p_values(self, places: Places) -> PValues:
        """p-values of sessions that go on."""
        return self.running.p_values([fold.largest[places] for fold in self.folds])

    def p_values_of_ended(self, places: Places) -> PValues:
        """p-values of sessions that have ended; their places are still theirs."""
        lengths = self.lengths[places]
        mixes = self._whole_mixes(places)
        whole = [fold.whole(places, lengths, mixes) for fold in self.folds]
        return self.running.p_values([fold.largest[places] for fold in self.folds], whole)

    def free(self, places: Places) -> None:
        """Give places back."""
        self.lengths[places], self.previous[places], self.states[places] = 0, FIRST, self._fresh
        for place in places.tolist():
            self.mixes[place] = {}
        for fold in self.folds:
            fold.clear(places)
        self._free += places.tolist()

    def member_p(self, places: Places) -> list[dict[str, float]]:
        """Each member's p-value of each of these sessions so far, averaged over the folds."""
        mixes = self._whole_mixes(places)
        p = np.mean([fold.member_p(places, self.lengths[places], mixes) for fold in self.folds], 0)
        return [dict(zip(self.scorer.ensemble.names, of.tolist(), strict=True)) for of in p]

    def packed(self, places: Places) -> list[bytes]:
        """The numbers of each of these sessions, for `unpacked`."""
        parts: list[np.ndarray] = [self.lengths[places, None], self.previous[places, None]]
        for fold in self.folds:
            parts += [fold.largest[places, None], fold.sums[places], fold.contexts[places]]
        fixed = np.concatenate([part.astype(part.dtype.newbyteorder("<")).view(np.uint8) for part in parts], 1)
        states = self.states[places].astype("<f4").view(np.uint8)
        packed = []
        for place, numbers, state in zip(places.tolist(), fixed, states, strict=True):
            mix = self.mixes[place]
            mixed = struct.pack(f"<{2 * len(mix)}q", *mix, *mix.values())
            packed.append(numbers.tobytes() + state.tobytes() + mixed)
        return packed

    def unpacked(self, place: int, numbers: bytes) -> None:
        """Put a session that `packed` described back into a place. Raises `ValueError` if it does not fit the model."""
        read = 0

        def take(kind: str, count: int) -> np.ndarray:
            nonlocal read
            values = np.frombuffer(numbers, kind, count, read)
            read += values.nbytes
            return values

        self.lengths[place], self.previous[place] = take("<i8", 2)
        for fold in self.folds:
            fold.largest[place] = take("<f8", 1)[0]
            fold.sums[place] = take("<f8", fold.sums.shape[1])
            fold.contexts[place] = take("<i8", fold.contexts.shape[1])
        self.states[place] = take("<f4", self.states.shape[1])
        kinds, counts = take("<i8", (len(numbers) - read) // 8).reshape(2, -1)
        self.mixes[place] = dict(zip(kinds.tolist(), counts.tolist(), strict=True))

    def _network(self, places: Places, offsets: Bounds, columns: Columns) -> list[NetworkSurprisal]:
        """Surprisal of the events under each fold's network; the states go on."""
        self._likeliest = _none_expected(int(offsets[-1]))
        if not self.states.shape[1] or not self.scorer.ensemble.reads_network:
            return []
        found: list[dict[str, Nats]] = [{name: np.zeros(int(offsets[-1])) for name in columns} for _ in self.folds]
        for sessions, events in _blocks(offsets, max(1, LOGITS // sum(self.scorer.vocabulary.sizes.values()))):
            now = {name: values[events] for name, values in columns.items()}
            nats, after, expected = self.scorer.advance_with_expected(self.states[places[sessions]], now, NOTABLE)
            self.states[places[sessions]] = after
            if expected is not None:
                indices = events[expected.entities, expected.events]
                self._likeliest[0][indices, : expected.codes.shape[1]] = expected.codes
                self._likeliest[1][indices, : expected.codes.shape[1]] = expected.probabilities
            for of_fold, values in zip(found, nats, strict=True):
                for name in columns:
                    of_fold[name][events] = values[name]
        return list(found)

    def _surprisal(self, nats: Sequence[NetworkSurprisal]) -> Nats:
        """Surprisal of the events averaged over the folds: of the networks, else of the n-grams."""
        return np.asarray(np.mean([of_fold[EVENT] for of_fold in nats] or [fold.nats for fold in self.folds], 0))

    def _mixes(
        self,
        places: Places,
        offsets: Bounds,
        codes: Int64[np.ndarray, "events"],
        at: Int64[np.ndarray, "checkpoints"],
    ) -> EncodedTable:
        """The events up to each checkpoint as sequences, in any order."""
        wanted = np.zeros(len(codes), bool)
        wanted[at] = True
        events, cuts = list(zip(codes.tolist(), wanted.tolist(), strict=True)), Mixes()
        for place, (first, last) in zip(places.tolist(), pairwise(offsets.tolist()), strict=True):
            mix = self.mixes[place]
            for code, is_checkpoint in events[first:last]:
                mix[code] = mix.get(code, 0) + 1
                if is_checkpoint:
                    cuts.add(mix)
        return cuts.table()

    def _whole_mixes(self, places: Places) -> EncodedTable | None:
        """All events of sessions so far as sequences, in any order; None if no member reads them."""
        if not self._mixed:
            return None
        mixes = Mixes()
        for place in places.tolist():
            mixes.add(self.mixes[place])
        return mixes.table()

    def _grow(self) -> None:
        """Twice as many places."""
        before = len(self.lengths)
        self.lengths = np.concatenate([self.lengths, np.zeros(before, np.int64)])
        self.previous = np.concatenate([self.previous, np.full(before, FIRST, np.int64)])
        self.states = np.concatenate([self.states, np.repeat(self._fresh[None], before, 0)])
        self.mixes += [{} for _ in range(before)]
        for fold in self.folds:
            fold.grow(2 * before)
        self._free = list(range(2 * before - 1, before - 1, -1)) + self._free


class Mixes:
    """How often each event occurs in several sessions, as they are at this moment."""

    def __init__(self) -> None:
        self._codes: list[int] = []
        self._counts: list[int] = []
        self._bounds = [0]

    def add(self, mix: Mapping[int, int]) -> None:
        """Take the mix of one session: how often each event has occurred."""
        self._codes.extend(mix)
        self._counts.extend(mix.values())
        self._bounds.append(len(self._codes))

    def table(self) -> EncodedTable:
        """The mixes as sequences of events."""
        codes, counts = np.array(self._codes, np.int64), np.array(self._counts, np.int64)
        ends = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        return EncodedTable({EVENT: np.repeat(codes, counts)}, ends[self._bounds])


class Fold:
    """The members of one fold: their sums, the n-grams' contexts and the largest fused scores of all places."""

    def __init__(self, running: RunningPanel) -> None:
        self.running, self.panel = running, running.panel
        self.additive = [(i, m) for i, m in enumerate(self.panel.members) if isinstance(m, Additive)]
        self.others: list[tuple[int, Member]] = [
            (i, m) for i, m in enumerate(self.panel.members) if not isinstance(m, Additive)
        ]
        self.grams = self.panel.grams
        levels = self.grams.begun(1).shape[1] if self.grams else 0
        self.sums = np.zeros((0, len(self.additive)))
        self.contexts = np.zeros((0, levels), np.int64)
        self.largest = np.zeros(0)
        self.nats = np.zeros(0)
        """The n-grams' surprisal of the last events."""
        self.before = self.contexts
        """The n-grams' contexts before each of the last events."""

    def grow(self, capacity: int) -> None:
        """Make room for so many places."""
        more = capacity - len(self.largest)
        self.sums = np.concatenate([self.sums, np.zeros((more, self.sums.shape[1]))])
        self.contexts = np.concatenate([self.contexts, self._begun(more)])
        self.largest = np.concatenate([self.largest, np.full(more, -np.inf)])

    def clear(self, places: Places) -> None:
        """Begin anew."""
        self.sums[places], self.largest[places], self.contexts[places] = 0, -np.inf, self._begun(len(places))

    def add(
        self,
        places: Places,
        table: EncodedTable,
        owner: Int64[np.ndarray, "events"],
        previous: Int64[np.ndarray, "events"],
        nats: NetworkSurprisal,
        lengths: Int64[np.ndarray, "events"],
        at: Int64[np.ndarray, "checkpoints"],
        mixes: EncodedTable | None,
    ) -> None:
        """Take the next events: `at` are those at checkpoints, `mixes` the events up to each of these."""
        grams = None
        if self.grams is not None:
            grams, self.before, self.contexts[places] = self.grams.advance(self.contexts[places], table)
            self.nats = grams
        events = EventEvidence(table.columns[EVENT], previous, nats, grams)
        raw = np.empty((len(at), len(self.panel.members)))
        for column, (index, member) in enumerate(self.additive):
            sums = np.cumsum(member.terms(events))
            before = self.sums[places, column]
            starts = np.concatenate([[0.0], sums])[table.offsets[:-1]]
            running = sums + (before - starts)[owner]
            raw[:, index] = member.of_sums(running[at], lengths[at])
            self.sums[places, column] = running[table.offsets[1:] - 1]
        if not len(at):
            return
        for index, other in self.others:
            assert mixes is not None
            raw[:, index] = other.score(Evidence(mixes))
        np.maximum.at(self.largest, places[owner[at]], self.running.fused(raw, lengths[at]))

    def whole(self, places: Places, lengths: Int64[np.ndarray, "sessions"], mixes: EncodedTable | None) -> PValues:
        """Fused scores of whole sessions."""
        return self.panel.fuse(self.member_p(places, lengths, mixes))

    def member_p(
        self, places: Places, lengths: Int64[np.ndarray, "sessions"], mixes: EncodedTable | None
    ) -> Float64[np.ndarray, "sessions members"]:
        """The members' p-values of whole sessions."""
        raw = np.empty((len(places), len(self.panel.members)))
        for column, (index, member) in enumerate(self.additive):
            raw[:, index] = member.of_sums(self.sums[places, column], lengths)
        for index, other in self.others:
            assert mixes is not None
            raw[:, index] = other.score(Evidence(mixes))
        return self.panel.reference.p_values(raw, lengths)

    def _begun(self, count: int) -> Int64[np.ndarray, "sessions lengths"]:
        return self.grams.begun(count) if self.grams else np.zeros((count, 0), np.int64)


def _none_expected(events: int) -> tuple[Int64[np.ndarray, "events few"], Float64[np.ndarray, "events few"]]:
    return np.full((events, LIKELIEST), -1, np.int64), np.zeros((events, LIKELIEST))


def _blocks(offsets: Bounds, most: int) -> Iterator[tuple[Int64[np.ndarray, "some"], Int64[np.ndarray, "some next"]]]:
    """Blocks of the next events of sessions, which have equal numbers of them: a power of two of each session.

    Of each session the earlier events first; at most `most` events in a block.
    Gives indices of sessions, and for each of these the indices of its events.
    """
    left = np.diff(offsets)
    length = 1 << min(int(left.max()), most).bit_length() - 1
    while length:
        sessions = np.flatnonzero(left >= length)
        together = min(most // length, TOGETHER)
        for some in np.split(sessions, np.arange(together, len(sessions), together)):
            if len(some):
                yield some, (offsets[some + 1] - left[some])[:, None] + np.arange(length)
        left[sessions] -= length
        if int(left.max()) < length:
            length //= 2
