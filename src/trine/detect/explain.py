"""Why a sequence is strange: the events that count, with their lines in the log, and what was expected instead."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from trine.datasets.catalogue import event_names
from trine.detect.counting_members import NearestCounts
from trine.detect.detector import Detector
from trine.detect.findings import Explanation, Finding, FindingEvent, time_text
from trine.detect.members import MEMBERS
from trine.detect.network import Columns, EventNet
from trine.drawing import SMALL, figure, png, styled
from trine.labels import families, label, shortened
from trine.logs.record_texts import Place, RecordTexts
from trine.sequences.table import SequenceTable, source_and_line
from trine.sequences.vocabulary import BEGIN, EVENT, UNKNOWN, EncodedTable

EXPECTED = 5
"""Number of expected events that are named at each position."""
MOST_EVENTS = 12
"""Number of different events that a finding shows."""
WHOLE = 2_000
"""Number of events up to which an explanation holds the whole sequence."""
PIECE = 4_096
"""Number of events that the network reads at once; it bounds the memory for long sequences."""
BARS = 400
"""Largest number of bars in a picture of a sequence."""
PLACE_WIDTH, LINE_WIDTH = 30, 105
"""Letters of a place and of a line of text in a picture."""


def explain(detector: Detector, table: SequenceTable, records: RecordTexts | None = None) -> list[Explanation]:
    """An explanation of every sequence of a table, in its order; `records` are those of the log it was read from."""
    scores = detector.scores(table)
    p = scores.ensemble.member_p
    nearest = _nearest_names(detector, EncodedTable.of(table, detector.vocabulary))
    surprisal = np.split(scores.surprisal, table.offsets[1:-1])
    explanations = []
    for i in range(len(table)):
        loudest = MEMBERS[detector.ensemble.names[int(p[i].argmin())]]
        events = _Events(detector, table.rows(np.array([i])), surprisal[i])
        important = tuple(events.at(events.important(MOST_EVENTS)))
        whole = range(len(surprisal[i])) if len(surprisal[i]) <= WHOLE else sorted(each.position for each in important)
        explanations.append(
            Explanation(
                name=str(table.names[i]),
                p_value=float(scores.ensemble.p_value[i]),
                flagged=bool(scores.flagged[i]),
                loudest=loudest.name,
                says=loudest.says,
                members=dict(zip(detector.ensemble.names, p[i].tolist(), strict=True)),
                nearest_normal=nearest[i] if nearest else None,
                events=tuple(events.at(list(whole))),
                most_important=important,
                course=tuple(surprisal[i].tolist()),
                never_seen=tuple(np.flatnonzero(events.never).tolist()),
            )
        )
    texts = _texts([event for each in explanations for event in (*each.events, *each.most_important)], table, records)
    return [
        replace(
            each,
            events=tuple(_with_text(event, texts) for event in each.events),
            most_important=tuple(_with_text(event, texts) for event in each.most_important),
        )
        for each in explanations
    ]


def with_events(
    detector: Detector,
    table: SequenceTable,
    surprisal: Float64[np.ndarray, "events"],
    findings: Sequence[tuple[int, Finding]],
    records: RecordTexts | None = None,
) -> list[Finding]:
    """Findings with the events that count; each comes with the index of its sequence in the table."""
    shown = []
    for i, finding in findings:
        of_sequence = surprisal[table.offsets[i] : table.offsets[i + 1]]
        events = _Events(detector, table.rows(np.array([i])), of_sequence)
        shown.append(replace(finding, events=tuple(events.at(events.important(MOST_EVENTS)))))
    texts = _texts([event for finding in shown for event in finding.events], table, records)
    return [replace(each, events=tuple(_with_text(event, texts) for event in each.events)) for each in shown]


class _Events:
    """The events of one sequence: which of them count, and what was expected at their positions."""

    def __init__(self, detector: Detector, row: SequenceTable, surprisal: Float64[np.ndarray, "length"]) -> None:
        self.detector, self.row, self.surprisal = detector, row, surprisal
        self.encoded = EncodedTable.of(row, detector.vocabulary)
        self.never: Bool[np.ndarray, "length"] = self.encoded.columns[EVENT] == UNKNOWN
        self.names = event_names(detector.data.get("name", ""))

    def important(self, count: int) -> list[int]:
        """Positions of the strangest occurrences of `count` different events: never-seen ones first."""
        order = np.lexsort((np.arange(len(self.never)), -self.surprisal, ~self.never))
        words = self.row.events[order]
        first = np.sort(np.unique(words, return_index=True)[1])
        return [int(position) for position in order[first][:count]]

    def at(self, positions: Sequence[int]) -> list[FindingEvent]:
        """The events at these positions."""
        counts = np.bincount(self.row.events, minlength=1)
        return [
            FindingEvent(
                position=position,
                event=self._named(self.row.vocabulary[self.row.events[position]]),
                surprisal=float(self.surprisal[position]),
                never_seen=bool(self.never[position]),
                expected=likely,
                count=int(counts[self.row.events[position]]),
                time=None if self.row.times is None else time_text(float(self.row.times[position])),
                file=file,
                line=line,
                record=record,
            )
            for position, likely in zip(positions, self._expected(positions), strict=True)
            for file, line, record in [self._place(position)]
        ]

    def _named(self, word: str) -> str:
        return self.names.get(word, word)

    def _place(self, position: int) -> tuple[str | None, int | None, int]:
        """The file, the line and the record of the line that an event was read from."""
        if self.row.positions is None:
            return None, None, 1
        source, line = source_and_line(int(self.row.positions[position]))
        return self.row.sources[source], line, 1 if self.row.records is None else int(self.row.records[position])

    def _expected(self, positions: Sequence[int]) -> list[tuple[tuple[str, float], ...]]:
        """The most probable events at these positions: of the networks, or without a network of the n-grams."""
        if not positions:
            return []
        codes, shares = self._likeliest(np.array(positions))
        names = [[self._named(self.detector.vocabulary.name(code)) for code in row] for row in codes]
        return [tuple(zip(row, p, strict=True)) for row, p in zip(names, shares, strict=True)]

    def _likeliest(self, positions: Int64[np.ndarray, "chosen"]) -> tuple[list[list[int]], list[list[float]]]:
        ensemble, networks = self.detector.ensemble, list(self.detector.networks)
        grams = ensemble.panels[0].grams
        if grams is not None and not ensemble.reads_network:
            indices, values = grams.likeliest(self.encoded, EXPECTED)
            return indices[positions].tolist(), values[positions].tolist()
        if not networks:
            return [[] for _ in positions], [[] for _ in positions]
        probabilities = torch.stack([_probabilities(net, self.encoded, positions) for net in networks]).mean(0)
        best = probabilities.topk(min(EXPECTED, probabilities.shape[1]))
        return best.indices.tolist(), best.values.tolist()


@torch.inference_mode()
def _probabilities(net: EventNet, encoded: EncodedTable, positions: Int64[np.ndarray, "chosen"]) -> Tensor:
    """Probabilities of the event at each position, given those before it."""
    return torch.softmax(net.head(EVENT)(_hidden(net, encoded, positions)).double(), -1)


def _hidden(net: EventNet, encoded: EncodedTable, positions: Int64[np.ndarray, "chosen"]) -> Tensor:
    """Output of the network before the events at these positions of a table's first sequence."""
    columns, state = first_columns(net, encoded), None
    hidden = torch.zeros(len(positions), net.recurrence.hidden_size)
    for start in range(0, int(positions.max()) + 1, PIECE):
        part = {name: codes[:, start : start + PIECE] for name, codes in columns.items()}
        output, state = net.recur(net.embed(part), state)
        inside = np.flatnonzero((positions >= start) & (positions < start + PIECE))
        hidden[torch.from_numpy(inside)] = output[0, torch.from_numpy(positions[inside] - start)]
    return hidden


def _texts(
    events: Sequence[FindingEvent], table: SequenceTable, records: RecordTexts | None
) -> dict[tuple[str, int, int], str]:
    """The texts of these events in the log, by file, line and record."""
    if records is None:
        return {}
    index = {name: number for number, name in enumerate(table.sources)}
    wanted = {
        Place(index[event.file], event.line, event.record)
        for event in events
        if event.file is not None and event.line is not None
    }
    return {(table.sources[place.source], *place[1:]): text for place, text in records.texts(wanted).items()}


def _with_text(event: FindingEvent, texts: dict[tuple[str, int, int], str]) -> FindingEvent:
    if event.file is None or event.line is None:
        return event
    return replace(event, text=texts.get((event.file, event.line, event.record)))


@styled
def draw_surprise(explanation: Explanation, named: int = 6) -> bytes:
    """The surprisal of every event as a bar, time to the right; the most important events with their lines below."""
    values, never = np.array(explanation.course), np.zeros(len(explanation.course), dtype=bool)
    never[list(explanation.never_seen)] = True
    peaks = explanation.most_important[:named]
    drawn, (axes, below) = figure(2, 1, width=10, height=5.9, height_ratios=(3, 1))
    for chosen, colour, seen in ((~never, "tab:blue", "seen in training"), (never, "tab:red", "never seen")):
        if chosen.any():
            axes.vlines(*_bars(np.where(chosen, values, 0.0)), color=colour, linewidth=_width(len(values)), label=seen)
    top = 1.15 * max(1.0, values.max())
    axes.set(xlabel="event", ylabel="surprisal, nats", ylim=(0, top))
    axes.set_xlim(-0.5 - len(values) / 100, len(values) * 1.01 - 0.5)
    _number_peaks(axes, peaks, len(values), top)
    alert = "flagged" if explanation.flagged else "not flagged"
    name = label(explanation.name, 40)
    axes.set_title(f"{name}: p = {explanation.p_value:.2g}, {alert}; loudest: {explanation.loudest}")
    axes.legend(loc="upper right")
    _label_times(axes, explanation.events, len(values))
    _write_peaks(below, peaks)
    return png(drawn)


def _number_peaks(axes: Any, peaks: Sequence[FindingEvent], count: int, top: float) -> None:
    """Numbers above the most important events; those that would lie on another one are raised."""
    placed: list[tuple[float, float]] = []
    for number, event in enumerate(peaks, 1):
        height = event.surprisal
        while any(abs(event.position - x) < count / 45 and abs(height - y) < top / 14 for x, y in placed):
            height += top / 14
        placed.append((event.position, height))
        axes.text(event.position, height, str(number), ha="center", va="bottom", fontsize=SMALL)


def _bars(
    values: Float64[np.ndarray, "length"],
) -> tuple[Float64[np.ndarray, "bars"], float, Float64[np.ndarray, "bars"]]:
    """Positions, feet and heights of bars: of one event each, or of the largest of neighbours in a long sequence."""
    starts = np.arange(0, len(values), -(-len(values) // BARS))
    return starts.astype(np.float64), 0.0, np.maximum.reduceat(values, starts)


def _width(count: int) -> float:
    """Width of a bar in points: bars fill the axes without gaps, up to a limit."""
    return float(np.clip(380 / min(count, BARS), 1.2, 14))


def _label_times(axes: Any, events: Sequence[FindingEvent], count: int) -> None:
    """Times of the log below some of the events, if they are known all along the sequence."""
    timed = [event for event in events if event.time]
    if len(timed) < 2 or timed[-1].position < count / 2:
        return
    shown = [timed[round(i)] for i in np.linspace(0, len(timed) - 1, min(6, len(timed)))]
    axes.set_xticks([event.position for event in shown])
    dated = "T" in str(timed[0].time)
    axes.set_xticklabels([str(event.time)[11:19] if dated else event.time for event in shown])
    axes.set_xlabel(f"time, {str(timed[0].time)[:10]}" if dated else "time since the beginning")


def _write_peaks(below: Any, peaks: Sequence[FindingEvent]) -> None:
    """The numbered events as text, a line each: surprisal, place, and the line of the log or the event."""
    below.axis("off")
    lines, places = [], [shortened(event.place(), PLACE_WIDTH) for event in peaks]
    widest = max(map(len, places), default=0)
    for number, event in enumerate(peaks, 1):
        mark = "never seen" if event.never_seen else f"{event.surprisal:.1f} nats"
        text = label(event.text or event.event, LINE_WIDTH)
        lines.append(f"{number}  {mark:<10}  {places[number - 1]:<{widest}}  {text}")
    text = "\n".join(shortened(line, LINE_WIDTH) for line in lines)
    family = ["monospace", *families()]
    below.text(0, 1, text, va="top", fontsize=SMALL + 1, family=family, transform=below.transAxes)


def first_columns(net: EventNet, encoded: EncodedTable) -> Columns:
    """Columns of the first sequence after a start token, of shape (1, events + 1)."""
    end = int(encoded.offsets[1])
    flat = {name: np.concatenate([[BEGIN], codes[:end]]) for name, codes in encoded.columns.items()}
    return net.recognise({name: torch.from_numpy(codes)[None] for name, codes in flat.items()})


def _nearest_names(detector: Detector, encoded: EncodedTable) -> list[str]:
    """Name of the nearest normal sequence of each sequence; empty when no member compares counts."""
    for member in detector.ensemble.panels[0].members:
        if isinstance(member, NearestCounts) and detector.normal_names:
            return [detector.normal_names[index] for index in member.nearest(encoded)[0]]
    return []
