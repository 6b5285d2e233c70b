"""Logs and sequences as a detector judges them: sessions with their lines, one session in full, what was expected."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trine.datasets.lines import Skips
from trine.detect.findings import Finding
from trine.detect.scorer import Scorer
from trine.detect.scoring import TableScores
from trine.errors import DataError
from trine.logs.readers import OpenedSequences
from trine.logs.record_texts import Place, RecordTexts
from trine.sequences.table import SequenceBuilder, SequenceTable, source_and_line
from trine.sequences.vocabulary import UNKNOWN, EncodedTable

EXPECTED = 5
"""Events that are named as expected at a position, where the n-grams say it; networks name three."""
PIECE = 512
"""Events whose expected ones are computed at once."""
LOG_NAME = "pasted.log"
"""What a pasted log is called in places and remarks."""


@dataclass(frozen=True)
class GivenSequence:
    """One sequence as it is sent."""

    events: Sequence[str]
    times: Sequence[float | None] | None
    attributes: Mapping[str, Sequence[str]]
    name: str = ""


def judged_log(detector: Scorer, text: str, most: int) -> dict[str, Any]:
    """The sessions of a log, the strangest first, `most` of them with their events and lines. Raises `DataError`."""
    with tempfile.TemporaryDirectory() as folder, _without(f"{folder}/"):
        opened = _opened(detector, text, Path(folder))
        table, reading = opened.table, opened.reading.as_json() if opened.reading else None
        judged: dict[str, Any] = {
            "reading": None if reading is None else {**reading, "formats": list(reading["formats"].values())},
            "remarks": [remark.replace(f"{folder}/", "") for remark in detector.remarks(opened)],
            "sessions": len(table),
            "events": len(table.events),
            "flagged": 0,
            "share": detector.share,
            "listed": [],
        }
        if not len(table):
            return judged
        scores = detector.scores(table)
        rows = scores.strangest_first[:most].tolist()
        findings = detector.findings(table, scores, rows)
        texts = _texts(table, rows, opened.records)
        listed = [
            {**finding_json(finding), **_session(detector, table, scores, row, texts)}
            for row, finding in zip(rows, findings, strict=True)
        ]
        return {**judged, "flagged": int(scores.flagged.sum()), "listed": listed}


def judged_sequences(detector: Scorer, sequences: Sequence[GivenSequence]) -> list[dict[str, Any]]:
    """The findings of sequences, in their order. Raises `DataError`."""
    table = table_of(sequences)
    return [finding_json(finding) for finding in detector.findings(table, detector.scores(table))]


def judged_sequence(detector: Scorer, sequence: GivenSequence, positions: Sequence[int]) -> dict[str, Any]:
    """One sequence with the surprisal of every event, and what was expected at some positions. Raises `DataError`."""
    table = table_of([sequence])
    scores = detector.scores(table)
    if outside := [position for position in positions if position >= len(table.events)]:
        raise DataError(f"position {outside[0]}: the sequence has {len(table.events)} events, from 0")
    return {
        **finding_json(detector.findings(table, scores)[0]),
        "surprisals": scores.surprisal.tolist(),
        "never_seen_at": np.flatnonzero(_never(detector, table)).tolist(),
        "expected": expected(detector, table, positions),
    }


def expected(detector: Scorer, table: SequenceTable, positions: Sequence[int]) -> list[dict[str, Any]]:
    """The most probable events at positions of a table's only sequence, given the events before each."""
    if not positions:
        return []
    encoded = EncodedTable.of(table, detector.vocabulary)
    chosen = sorted(set(positions))
    codes, shares = _likeliest(detector, encoded, chosen)
    return [
        {"position": position, "events": [[detector.vocabulary.name(code), p] for code, p in zip(row, of, strict=True)]}
        for position, row, of in zip(chosen, codes, shares, strict=True)
    ]


def table_of(sequences: Sequence[GivenSequence]) -> SequenceTable:
    """Sequences as a table. Raises `DataError` for what is none."""
    builder = SequenceBuilder("request", Skips("request"))
    for number, each in enumerate(sequences, 1):
        for name, values in {"times": each.times or [], **each.attributes}.items():
            if len(values) not in (0, len(each.events)):
                raise DataError(
                    f"sequence {number}: {len(values)} {name}, and {len(each.events)} events: give one per event"
                )
        cells: dict[str, object] = {"events": list(each.events), "name": each.name or f"sequence {number}"}
        if each.times is not None and None not in each.times:
            cells["times"] = list(each.times)
        builder.add(str(number), cells | {name: list(values) for name, values in each.attributes.items()})
    return builder.build()


def finding_json(finding: Finding) -> dict[str, Any]:
    """A finding without its events."""
    return {name: value for name, value in finding.as_json().items() if name != "events"}


@contextmanager
def _without(folder: str) -> Iterator[None]:
    """Leave a folder, which says nothing to whoever asks, out of the messages of errors."""
    try:
        yield
    except DataError as problem:
        raise type(problem)(str(problem).replace(folder, "")) from None


def _opened(detector: Scorer, text: str, folder: Path) -> OpenedSequences:
    """A pasted log, read as in the training; for a detector that learned from a table, a sequence per line."""
    if detector.log_format is None and not detector.log_settings.pattern:
        lines = [line for line in text.splitlines() if line.strip()]
        if lines and lines[0].lstrip().startswith("{"):
            path = folder / "pasted.jsonl"
            path.write_text(text, encoding="utf-8", errors="backslashreplace")
            table = detector.read(path)
            return OpenedSequences(table, table.skipped)
        table = table_of(
            [GivenSequence(line.split(), None, {}, f"line {number}") for number, line in enumerate(lines, 1)]
        )
        return OpenedSequences(table, table.skipped)
    path = folder / LOG_NAME
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
    return detector.open_log(path)


def _session(
    detector: Scorer, table: SequenceTable, scores: TableScores, row: int, texts: Mapping[Place, str]
) -> dict[str, Any]:
    """The events of one session, with what an edited copy of it has to repeat."""
    part = slice(int(table.offsets[row]), int(table.offsets[row + 1]))
    never = _never(detector, table)[part]
    places = [_place(table, index) for index in range(part.start, part.stop)]
    return {
        "events": [
            {
                "event": table.vocabulary[code],
                "surprisal": float(nats),
                "never_seen": bool(is_new),
                "line": None if place is None else place.line,
                "text": None if place is None else texts.get(place),
            }
            for code, nats, is_new, place in zip(table.events[part], scores.surprisal[part], never, places, strict=True)
        ],
        "times": None if table.times is None else [None if np.isnan(t) else t for t in table.times[part].tolist()],
        "attributes": {
            name: [attribute.values[code] for code in attribute.codes[part]]
            for name, attribute in table.attributes.items()
            if name in detector.vocabulary.values
        },
    }


def _never(detector: Scorer, table: SequenceTable) -> np.ndarray:
    """Whether no normal sequence of the training has an event, for every event."""
    unknown = np.array([detector.vocabulary.code(word) == UNKNOWN for word in table.vocabulary], dtype=bool)
    return np.asarray(unknown[table.events])


def _place(table: SequenceTable, index: int) -> Place | None:
    if table.positions is None:
        return None
    source, line = source_and_line(int(table.positions[index]))
    return Place(source, line, 1 if table.records is None else int(table.records[index]))


def _texts(table: SequenceTable, rows: Sequence[int], records: RecordTexts | None) -> dict[Place, str]:
    """The lines of all events of these sessions."""
    if records is None:
        return {}
    indices = (index for row in rows for index in range(int(table.offsets[row]), int(table.offsets[row + 1])))
    return records.texts(place for index in indices if (place := _place(table, index)) is not None)


def _likeliest(
    detector: Scorer, encoded: EncodedTable, positions: Sequence[int]
) -> tuple[list[list[int]], list[list[float]]]:
    """Codes and probabilities of the most expected events at positions, which ascend."""
    ensemble = detector.ensemble
    grams = ensemble.panels[0].grams
    if not ensemble.reads_network:
        if grams is None:
            return [[] for _ in positions], [[] for _ in positions]
        indices, values = grams.likeliest(encoded, EXPECTED)
        return indices[list(positions)].tolist(), values[list(positions)].tolist()
    columns = {name: codes[None].astype(np.int64) for name, codes in encoded.columns.items()}
    state, wanted = detector.begun(), np.array(positions)
    codes: list[list[int]] = []
    shares: list[list[float]] = []
    for start in range(0, int(wanted.max()) + 1, PIECE):
        piece = {name: values[:, start : start + PIECE] for name, values in columns.items()}
        _, state, found = detector.advance_with_expected(state, piece, -np.inf)
        if found is None:
            return [[] for _ in positions], [[] for _ in positions]
        here = wanted[(wanted >= start) & (wanted < start + PIECE)] - start
        codes += found.codes[here].tolist()
        shares += found.probabilities[here].tolist()
    return codes, shares
