"""A trained detector, calibrated anew: members, p-values and the running calibration, from other normal sequences.

The networks stay as they are. Their surprisal of sequences that they learned from is lower than that of new ones: give
sequences from after the training, or exactly those of the training.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from jaxtyping import Bool

from trine.detect.detector import Detector
from trine.detect.folds import NormalFolds, split_normal
from trine.detect.running import Running
from trine.detect.scoring import Ensemble
from trine.detect.training import Learned, compared_rows, drift_of, networks_of_folds, too_few_to_flag
from trine.errors import DataError
from trine.logs.readers import Sources
from trine.measures.conformal import smallest_bucket
from trine.measures.shares import share_interval
from trine.sequences.table import SequenceTable
from trine.sequences.vocabulary import EncodedTable

BENIGN: Final = "benign"


class Rate(NamedTuple):
    """The share of normal sequences that are flagged."""

    share: float
    interval: tuple[float, float]
    """95 % interval."""

    @classmethod
    def of(cls, flagged: Bool[np.ndarray, "sequences"]) -> "Rate":
        """The rate of these sequences."""
        count, total = int(flagged.sum()), len(flagged)
        return cls(count / total, share_interval(count, total))


@dataclass(frozen=True)
class Rates:
    """A detector's false alarms on normal sequences that it was not calibrated on."""

    whole: Rate
    """On sequences that have ended, as `score` sees them."""
    going: Rate | None
    """On sequences that are watched from their first event to their end; None for detectors of earlier versions."""

    @classmethod
    def of(cls, detector: Detector, table: SequenceTable) -> "Rates":
        """The rates on a table of normal sequences."""
        whole = Rate.of(detector.scores(table).flagged)
        if detector.running is None:
            return cls(whole, None)
        encoded, panels = EncodedTable.of(table, detector.vocabulary), detector.ensemble.panels
        columns = detector.network_surprisal(encoded) if detector.ensemble.reads_network else [{} for _ in panels]
        evidence = [panel.evidence(encoded, of_fold) for panel, of_fold in zip(panels, columns, strict=True)]
        return cls(whole, Rate.of(detector.running.judged(evidence) <= detector.share))

    def as_json(self) -> dict[str, Any]:
        """The figures as a JSON object."""
        named = {"whole": self.whole, "going": self.going}
        return {name: rate and {"share": rate.share, "interval": list(rate.interval)} for name, rate in named.items()}


@dataclass(frozen=True)
class Recalibration:
    """A detector that was calibrated anew, and what that changed."""

    detector: Detector
    sequences: int
    """Number of normal sequences that it was calibrated on."""
    left_out: int
    """Number of sequences that were not taken for normal ones."""
    tested: int
    """Number of normal sequences that were kept apart to measure the rates."""
    before: Rates | None
    """None where too few sequences were given to keep some apart."""
    after: Rates | None
    remarks: tuple[str, ...]


@dataclass(frozen=True)
class Judged:
    """A session that a detector at work found, and what a person said of it."""

    entity: str
    begin: float | None
    """In seconds since 1970; None if unknown."""
    end: float | None
    verdict: str | None
    """benign, breach, or None where nobody has said anything."""


def recalibrated(
    detector: Detector,
    data: Sources,
    data_dir: Path | None = None,
    *,
    judged: Sequence[Judged] = (),
    note: Callable[[str], None] = lambda line: None,
) -> Recalibration:
    """Calibrate a detector on normal data, read as in its training.

    judged   findings of a detector at work, of sessions that may be among the data: see `normal_of`
    note     called with what a person should know
    Raises `DataError`.
    """
    opened = detector.open_log(data, data_dir)
    remarks = tuple(detector.remarks(opened))
    normal = normal_of(opened.table, judged)
    if not normal.any():
        raise DataError(f"{opened.table.name}: no normal sequence to calibrate on: give more data")
    table = opened.table.rows(normal)
    table = replace(table, splits=np.where(table.splits == "test", table.splits, ""))  # all others are divided anew
    folds, wanted = split_normal(table, detector.recipe, remarks), len(detector.ensemble.panels)
    if len(folds.folds) < wanted:
        raise DataError(f"{table.name}: {len(folds.normal)} normal sequences: give {wanted} or more, better hundreds")
    new = _calibrated(detector, folds, note)
    test = folds.table.rows((folds.table.splits == "test") & (folds.table.labels != 1))
    left_out = len(opened.table) - int(normal.sum()) + folds.left_out
    rates = [Rates.of(each, test) if len(test) else None for each in (detector, new)]
    return Recalibration(new, len(folds.normal), left_out, len(test), rates[0], rates[1], remarks)


def normal_of(table: SequenceTable, judged: Sequence[Judged]) -> Bool[np.ndarray, "sequences"]:
    """Which sequences of a table count as normal, after what was said of findings: all that no finding is about.

    A session with a finding counts as normal if the finding was judged benign; if nobody has judged it, as the findings
    of its entity were: normal if there are some and all were benign. Others are left out, whether breaches or not yet
    looked at.
    """
    normal = np.ones(len(table), dtype=bool)
    if not judged or table.owners is None:
        return normal
    of_entity: dict[str, list[Judged]] = {}
    for each in judged:
        of_entity.setdefault(each.entity, []).append(each)
    starts, ends = table.offsets[:-1], table.offsets[1:] - 1
    for i, owner in enumerate(table.owners.tolist()):
        findings = of_entity.get(str(owner), [])
        begin, end = (None, None) if table.times is None else (table.times[starts[i]], table.times[ends[i]])
        about = [each for each in findings if _overlap(each, begin, end)]
        given = {each.verdict for each in findings} - {None}
        verdicts = {each.verdict or (BENIGN if given == {BENIGN} else None) for each in about}
        normal[i] = verdicts <= {BENIGN}
    return normal


def _overlap(finding: Judged, begin: float | None, end: float | None) -> bool:
    """Whether a session can be the finding's: where a time is unknown, it can."""
    if finding.begin is None or finding.end is None or begin is None or end is None:
        return True
    return not (finding.end < begin or end < finding.begin)


def _calibrated(detector: Detector, folds: NormalFolds, note: Callable[[str], None]) -> Detector:
    names, share = detector.ensemble.names, detector.share
    networks = networks_of_folds(detector.networks, folds)
    learned = [
        Learned.of(fold, detector.vocabulary, network) for fold, network in zip(folds.folds, networks, strict=True)
    ]
    panels = tuple(each.panel(names, smallest_bucket(share)) for each in learned)
    drift, recent = drift_of(panels[-1], folds, share, note)
    ensemble = Ensemble(names, panels, recent)
    if too_few := too_few_to_flag(ensemble, share):
        note(too_few)
    first = folds.folds[0]
    return detector.replaced(
        ensemble=ensemble,
        running=Running(tuple(each.running(panel) for each, panel in zip(learned, panels, strict=True))),
        drift=drift,
        normal_names=tuple(map(str, first.table.names[compared_rows(first)])),
        data=_described(detector, folds.table),
        result=None,
    )


def _described(detector: Detector, table: SequenceTable) -> dict[str, Any]:
    """The data of the training, with what the detector was calibrated on."""
    return {**detector.data, "calibrated": {"name": table.name, "fingerprint": table.fingerprint}}
