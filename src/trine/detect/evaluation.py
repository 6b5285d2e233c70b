"""Figures of a detector: how well its scores separate normal from abnormal sequences, and its false-alarm rate."""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float64

from trine.detect.members import sources
from trine.detect.padding import sequence_means
from trine.detect.scoring import TableScores
from trine.measures.roc import at_threshold, auc, roc, separation
from trine.measures.shares import share_interval
from trine.sequences.table import SequenceTable


def metrics(table: SequenceTable, scores: TableScores, members: tuple[str, ...], target: float) -> dict[str, Any]:
    """The figures of a table by name; `target` is the false-alarm rate that the threshold was set for."""
    normal, abnormal = table.labels != 1, table.labels == 1
    alarms = int((scores.flagged & normal).sum())
    figures: dict[str, Any] = {
        "fpr_target": target,
        "fpr_realised": alarms / max(1, int(normal.sum())),
        "fpr_interval": share_interval(alarms, int(normal.sum())),
        "normal": int(normal.sum()),
        "abnormal": int(abnormal.sum()),
        "mean_surprisal": float(scores.surprisal.mean()),
        "events_per_second": len(table.events) / scores.seconds,
    }
    if not abnormal.any() or not normal.any():
        return figures
    distinct = _first_of_each(table)
    return {
        **separation(scores.ensemble.fused, abnormal),
        **at_threshold(scores.flagged, abnormal),
        **figures,
        "auc_distinct": auc(scores.ensemble.fused[distinct], abnormal[distinct]),
        "distinct": int(distinct.sum()),
        "per_member": {
            name: {"auc": auc(own, abnormal), "tpr_at_fpr": _tpr_at(own, abnormal)}
            for name, own in _member_scores(table, scores, members).items()
        },
        "per_kind": {kind: _kind(kind, table, scores) for kind in sorted(set(table.kinds[abnormal].tolist()))},
    }


def _member_scores(
    table: SequenceTable, scores: TableScores, members: tuple[str, ...]
) -> dict[str, Float64[np.ndarray, "n"]]:
    """The scores of each member; before them those of the network, where a member reads it, or else of n-grams."""
    read = "network" if sources(members) & {"network", "attributes"} else "ngrams"
    own = sequence_means(scores.surprisal, table.offsets)
    return {read: own} | dict(zip(members, scores.ensemble.raw.T, strict=True))


def _kind(kind: str, table: SequenceTable, scores: TableScores) -> dict[str, float]:
    """Figures of the abnormal sequences of one kind; the AUC is against all normal sequences."""
    of_kind = (table.kinds == kind) & (table.labels == 1)
    either = of_kind | (table.labels != 1)
    return {
        "auc": auc(scores.ensemble.fused[either], of_kind[either]),
        "recall": float(scores.flagged[of_kind].mean()),
        "n": int(of_kind.sum()),
    }


def _tpr_at(scores: Float64[np.ndarray, "n"], abnormal: Bool[np.ndarray, "n"]) -> dict[str, float]:
    curve = roc(scores, abnormal)
    return {"0.01": curve.tpr_at(0.01), "0.05": curve.tpr_at(0.05)}


def _first_of_each(table: SequenceTable) -> Bool[np.ndarray, "sequences"]:
    """Mask of the first of each group of equal sequences; normal and abnormal sequences are grouped separately."""
    seen: set[tuple[int, bytes]] = set()
    first = np.zeros(len(table), dtype=bool)
    for i in range(len(table)):
        key = (int(table.labels[i] == 1), table.sequence(i).tobytes())
        first[i] = key not in seen
        seen.add(key)
    return first
