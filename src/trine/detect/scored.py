"""A log or table scored: its findings in full, grouped by source, and how its lines were read."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from trine.detect.detector import Detector
from trine.detect.explain import with_events
from trine.detect.findings import Finding, FindingGroup, grouped
from trine.errors import UsageError
from trine.log_formats.log_event import ENTITIES
from trine.logs.carried import Carried
from trine.logs.readers import OpenedSequences, Sources
from trine.sequences.table import SequenceTable
from trine.sequences.vocabulary import EVENT, UNKNOWN

MANY, UNLIKE = 20, 0.2
"""Number of sequences from which on, and share of them above which, flagged ones are remarked on as many."""
IN_FULL = 100
"""Largest number of findings whose events are shown; with `everything`, the strangest ones."""


@dataclass(frozen=True)
class Scored:
    """The findings of one call."""

    name: str
    """Name of the data."""
    sessions: int
    """Number of sequences that were scored."""
    flagged: int
    """Number of them that are flagged."""
    share: float
    """The share of normal sequences that may be flagged."""
    findings: tuple[Finding, ...]
    """Those that were asked for, the strangest first."""
    groups: tuple[FindingGroup, ...]
    """The same findings by source."""
    reading: dict[str, Any] | None
    """What became of the lines of a log; None for a table."""
    remarks: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """One JSON object."""
        return {
            "data": self.name,
            "reading": self.reading,
            "sessions": self.sessions,
            "flagged": self.flagged,
            "false_alarms": self.share,
            "findings": [finding.as_json() for finding in self.findings],
            "groups": [group.as_json() for group in self.groups],
            "remarks": list(self.remarks),
        }


def score_data(
    detector: Detector,
    data: Sources,
    data_dir: Path | None = None,
    *,
    most: int | None = None,
    everything: bool = False,
    group_by: str | None = None,
    carried: Carried | None = None,
) -> Scored:
    """Score data and describe its findings: the flagged ones, the `most` strangest, or all of them.

    group_by   kind of entity that findings are grouped by; None: the first known of address, user and host
    carried    open sessions of an earlier call, which go on; it becomes those of this call
    """
    opened = detector.open_log(data, data_dir, carried)
    table = opened.table
    remarks = tuple(detector.remarks(opened))
    reading = opened.reading.as_json() if opened.reading else None
    if not len(table):
        return Scored(table.name, 0, 0, detector.share, (), (), reading, (*remarks, f"{table.name}: no events"))
    scores = detector.scores(table)
    rows = scores.strangest_first
    flagged = int(scores.flagged.sum())
    remarks += tuple(_unlike_training(detector, table, flagged))
    if most is not None:
        rows = rows[:most]
    elif not everything:
        rows = rows[scores.flagged[rows]]
    findings = list(zip(rows.tolist(), detector.findings(table, scores, rows.tolist()), strict=True))
    if group_by is not None:
        findings = [(row, replace(finding, source=_source(table, row, group_by))) for row, finding in findings]
    full = _in_full(detector, opened, scores.surprisal, findings)
    return Scored(table.name, len(table), flagged, detector.share, tuple(full), tuple(grouped(full)), reading, remarks)


def _unlike_training(detector: Detector, table: SequenceTable, flagged: int) -> Iterator[str]:
    """A remark if far more sequences are flagged than the false-alarm rate lets expect."""
    if len(table) < MANY or flagged < max(UNLIKE * len(table), 5 * detector.share * len(table)):
        return
    unknown = float((detector.vocabulary.encode(table)[EVENT] == UNKNOWN).mean())
    shares = f"{100 * flagged / len(table):.0f} % of the sessions are flagged, {100 * unknown:.0f} % of the events"
    yield f"{table.name}: {shares} never occurred in the training: train on data like this if it is normal"


def _in_full(
    detector: Detector,
    opened: OpenedSequences,
    surprisal: Float64[np.ndarray, "events"],
    findings: list[tuple[int, Finding]],
) -> list[Finding]:
    shown = with_events(detector, opened.table, surprisal, findings[:IN_FULL], opened.records)
    return [*shown, *(finding for _, finding in findings[IN_FULL:])]


def _source(table: SequenceTable, row: int, kind: str) -> str:
    """What the session of a row names of this kind. Raises `UsageError` for a kind that the log does not have."""
    if kind not in table.entities:
        known = ", ".join(table.entities) or "none"
        raise UsageError(f"--group-by {kind}: the events name no {kind}; they name {known} (of {', '.join(ENTITIES)})")
    return str(table.entities[kind][row])
