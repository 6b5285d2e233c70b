"""A detector's figures, and their pictures for people."""

from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Bool, Float64

from trine.detect import metrics
from trine.detect.surprisal import sequence_means
from trine.drawing import figure, png
from trine.sequences.table import SequenceTable

if TYPE_CHECKING:
    from trine.detect.detector import Scored

Names = tuple[str, ...]


def metrics_of(table: SequenceTable, scored: "Scored", members: Names, target: float) -> dict[str, Any]:
    """The figures of a table, under the names that every result uses."""
    normal, abnormal = table.labels != 1, table.labels == 1
    alarms = int((scored.flagged & normal).sum())
    found: dict[str, Any] = {
        "fpr_target": target,
        "fpr_realised": alarms / max(1, int(normal.sum())),
        "fpr_interval": metrics.share_interval(alarms, int(normal.sum())),
        "normal": int(normal.sum()),
        "abnormal": int(abnormal.sum()),
        "mean_surprisal": float(scored.surprisal.mean()),
        "events_per_second": len(table.events) / scored.seconds,
    }
    if not abnormal.any() or not normal.any():
        return found
    first = _first_of_each(table)
    return {
        **metrics.separation(scored.judged.fused, abnormal),
        **metrics.at_threshold(scored.flagged, abnormal),
        **found,
        "auc_distinct": metrics.auc(scored.judged.fused[first], abnormal[first]),
        "distinct": int(first.sum()),
        "per_member": {
            name: {"auc": metrics.auc(scores, abnormal), "tpr_at_fpr": _tpr_at(scores, abnormal)}
            for name, scores in _alone(table, scored, members).items()
        },
        "per_kind": {kind: _kind(kind, table, scored) for kind in sorted(set(table.kinds[abnormal].tolist()))},
    }


def pictures(table: SequenceTable, scored: "Scored", members: Names) -> dict[str, bytes]:
    """PNGs by file name: scores, and with labels the ROC curve."""
    abnormal = table.labels == 1
    drawn = {"scores.png": draw_scores(scored, abnormal)}
    if abnormal.any() and (~abnormal).any():
        drawn["roc.png"] = draw_roc(scored, abnormal, members)
    return drawn


def draw_scores(scored: "Scored", abnormal: Bool[np.ndarray, "n"]) -> bytes:
    """Histograms of the fused score, normal and abnormal, with the lowest one that is flagged."""
    fused = scored.judged.fused
    drawn, axes = figure(width=6, height=3.4)
    bins = np.linspace(fused.min(), fused.max() + 1e-9, 50)
    for chosen, name in ((~abnormal, "normal"), (abnormal, "abnormal")):
        if chosen.any():
            axes.hist(fused[chosen], bins, density=True, alpha=0.6, label=name)
    if scored.flagged.any():
        axes.axvline(fused[scored.flagged].min(), color="black", linewidth=0.8, label="alerts from here")
    axes.set(xlabel="fused score", ylabel="density", title="scores of sequences")
    axes.legend(frameon=False)
    return png(drawn)


def draw_roc(scored: "Scored", abnormal: Bool[np.ndarray, "n"], members: Names) -> bytes:
    """ROC curves of the fused score and of each member, on a logarithmic false-alarm axis."""
    drawn, axes = figure(width=5.4, height=4)
    for name, scores in (("fused", scored.judged.fused), *zip(members, scored.judged.raw.T, strict=True)):
        curve = metrics.roc(scores, abnormal)
        label = f"{name}: AUC {metrics.auc(scores, abnormal):.3f}"
        axes.plot(np.maximum(curve.fpr, 1e-4), curve.tpr, label=label, linewidth=2 if name == "fused" else 1)
    axes.set(xscale="log", xlim=(1e-3, 1), ylim=(0, 1), xlabel="false alarms, share of normal", ylabel="found")
    axes.legend(frameon=False, loc="lower right")
    return png(drawn)


def card(figures: dict[str, Any], data: dict[str, Any], recipe: dict[str, Any], members: Names) -> str:
    """The model card, in Hugging Face's form."""
    measured, cost, where = (figures.get(name, {}) for name in ("metrics", "compute", "data"))
    rows = [
        ("false alarms, asked for", measured.get("fpr_target")),
        ("false alarms, realised", measured.get("fpr_realised")),
    ]
    rows += [(name, measured[name]) for name in ("auc", "recall", "precision", "f1") if name in measured]
    table = "\n".join(f"| {name} | {value:.4f} |" for name, value in rows if value is not None)
    picture = "\n![scores](scores.png)\n" if "fpr_realised" in measured else ""
    return f"""---
library_name: trine
tags: [anomaly-detection, {recipe.get("cell", "lstm")}]
---
# A detector of deviations, trained on the normal sequences of {data.get("name", "?")}

| measured on {where.get("split", "?")} ({where.get("n", 0):,} sequences) | |
| --- | --- |
{table}

Members fused: {", ".join(members)}.
Training: {cost.get("train_pflop", 0):.3g} PFLOP in {cost.get("train_seconds", 0):.0f} s.
Use: `trine detect score FOLDER DATA`, `trine detect explain FOLDER DATA`.
{picture}
## Limits

It flags what deviates from the activity it was shown, malicious or not; what looks like normal activity goes unnoticed.
The false-alarm rate holds for activity drawn like the training's; when a system changes, fit again.
"""


def _alone(table: SequenceTable, scored: "Scored", members: Names) -> dict[str, Float64[np.ndarray, "n"]]:
    """Each member's scores, and the network's own whether it is fused or not."""
    network = sequence_means(scored.surprisal, table.offsets)
    return {"lstm": network} | dict(zip(members, scored.judged.raw.T, strict=True))


def _kind(kind: str, table: SequenceTable, scored: "Scored") -> dict[str, float]:
    of_kind = table.kinds == kind
    either = of_kind | (table.labels != 1)
    return {
        "auc": metrics.auc(scored.judged.fused[either], (of_kind & (table.labels == 1))[either]),
        "recall": float(scored.flagged[of_kind].mean()),
        "n": int(of_kind.sum()),
    }


def _tpr_at(scores: Float64[np.ndarray, "n"], abnormal: Bool[np.ndarray, "n"]) -> dict[str, float]:
    curve = metrics.roc(scores, abnormal)
    return {"0.01": curve.tpr_at(0.01), "0.05": curve.tpr_at(0.05)}


def _first_of_each(table: SequenceTable) -> Bool[np.ndarray, "sequences"]:
    """The first of all sequences that are equal, abnormal and normal apart."""
    seen: set[tuple[int, bytes]] = set()
    first = np.zeros(len(table), dtype=bool)
    for i in range(len(table)):
        key = (int(table.labels[i] == 1), table.sequence(i).tobytes())
        first[i] = key not in seen
        seen.add(key)
    return first
