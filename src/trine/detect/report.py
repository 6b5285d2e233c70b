"""Pictures of a detector's scores, and its model card."""

from typing import Any

import numpy as np
from jaxtyping import Bool

from trine.detect.scoring import TableScores
from trine.drawing import attempted, figure, png, styled
from trine.measures.roc import auc, roc
from trine.plurals import quantity
from trine.sequences.table import SequenceTable

Names = tuple[str, ...]


def pictures(table: SequenceTable, scores: TableScores, members: Names) -> dict[str, bytes]:
    """PNGs by file name: the scores, and with labels the ROC curves."""
    abnormal = table.labels == 1
    drawings = {"scores.png": lambda: draw_scores(scores, abnormal)}
    if abnormal.any() and (~abnormal).any():
        drawings["roc.png"] = lambda: draw_roc(scores, abnormal, members)
    return attempted(drawings)


@styled
def draw_scores(scores: TableScores, abnormal: Bool[np.ndarray, "n"]) -> bytes:
    """Histograms of the fused scores of normal and abnormal sequences, with the smallest flagged score."""
    fused = scores.ensemble.fused
    drawn, axes = figure(width=8, height=4.6)
    bins = np.linspace(fused.min(), fused.max() + 1e-9, 50)
    for chosen, name in ((~abnormal, "normal"), (abnormal, "abnormal")):
        if chosen.any():
            axes.hist(fused[chosen], bins, density=True, alpha=0.6, label=name)
    if scores.flagged.any():
        axes.axvline(fused[scores.flagged].min(), color="black", linestyle="--", label="threshold")
    axes.set(xlabel="fused score", ylabel="density", title="scores of sequences")
    axes.legend()
    return png(drawn)


@styled
def draw_roc(scores: TableScores, abnormal: Bool[np.ndarray, "n"], members: Names) -> bytes:
    """ROC curves of the fused score and of each member; the false-alarm axis is logarithmic."""
    drawn, axes = figure(width=8, height=5)
    for name, own in (("fused", scores.ensemble.fused), *zip(members, scores.ensemble.raw.T, strict=True)):
        curve = roc(own, abnormal)
        label = f"{name}: AUC {auc(own, abnormal):.3f}"
        axes.plot(np.maximum(curve.fpr, 1e-4), curve.tpr, label=label, linewidth=3 if name == "fused" else 1.5)
    axes.set(xscale="log", xlim=(1e-3, 1), ylim=(0, 1), xlabel="false-alarm rate", ylabel="detection rate")
    axes.legend(loc="lower right")
    return png(drawn)


def card(figures: dict[str, Any], data: dict[str, Any], recipe: dict[str, Any], members: Names) -> str:
    """The model card, in Hugging Face's format."""
    measured, cost, where = (figures.get(name, {}) for name in ("metrics", "compute", "data"))
    rows = [
        ("false-alarm rate, target", measured.get("fpr_target")),
        ("false-alarm rate, measured", measured.get("fpr_realised")),
    ]
    rows += [(name, measured[name]) for name in ("auc", "recall", "precision", "f1") if name in measured]
    table = "\n".join(f"| {name} | {value:.4f} |" for name, value in rows if value is not None)
    picture = "\n![scores](scores.png)\n" if "fpr_realised" in measured else ""
    return f"""---
library_name: trine
tags: [anomaly-detection, {recipe.get("cell", "lstm")}]
---
# Detector of deviations from the normal sequences of {data.get("name", "?")}

| measured on {where.get("split", "?")} ({quantity(where.get("n", 0), "sequence")}) | |
| --- | --- |
{table}

Members fused: {", ".join(members)}.
Training: {cost.get("train_pflop", 0):.3g} PFLOP in {cost.get("train_seconds", 0):.0f} s.
Use: `trine detect score FOLDER DATA`, `trine detect explain FOLDER DATA`.
{picture}
## Limits

It flags deviations from the activity it was trained on, malicious or not. It does not flag an attack that looks like
normal activity. The false-alarm rate holds for activity like that of the training. When the system changes, fit again.
"""
