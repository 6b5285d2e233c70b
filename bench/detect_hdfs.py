"""HDFS at its natural rate of anomalies, threshold from normal sessions only. Cost on two cores: 3 min.

The test is all test normals and the anomalies of the 2 % sample (kind `sample2pct`). Anomalies that only order tells
(no event that the training lacks, more than 10 events) are reported apart, over all anomalies of the file.
"""

import argparse

import numpy as np

import record
from trine.detect import metrics
from trine.detect.detector import Detector
from trine.sequences.readers import open_sequences
from trine.sequences.table import SequenceTable

LONG = 10
TARGET = 0.001
"""Of false alarms: at 3 % anomalies, 1 % of the normal sessions would be a quarter of all alerts, and F1 below 0.9."""


def natural(table: SequenceTable) -> SequenceTable:
    test = table.split("test")
    return test.rows((test.labels == 0) | (test.kinds == "sample2pct"))


def order_only(table: SequenceTable) -> SequenceTable:
    known = np.unique(table.split("train").events)
    anomalies = table.rows((table.splits == "test") & (table.labels == 1))
    seen = np.logical_and.reduceat(np.isin(anomalies.events, known), anomalies.offsets[:-1])
    return anomalies.rows(seen & (anomalies.lengths > LONG))


def measure(seed: int, table: SequenceTable) -> dict:
    folder = record.RUNS / f"hdfs-{seed}"
    result = record.fit("detect", "hdfs", folder, "--seed", seed, "--false-alarms", TARGET, "--no-test")
    model = Detector.load(folder)
    test, hard = natural(table), order_only(table)
    scored, of_hard = model.scored(test), model.scored(hard)
    return {
        **metrics.separation(scored.judged.fused, test.labels == 1),
        **metrics.at_threshold(scored.flagged, test.labels == 1),
        "fpr_realised": float(scored.flagged[test.labels == 0].mean()),
        "recall_order_only": float(of_hard.flagged.mean()),
        "order_only": len(hard),
        "normal": int((test.labels == 0).sum()),
        "abnormal": int((test.labels == 1).sum()),
        "train_pflop": result["compute"]["train_pflop"],
        "train_seconds": result["compute"]["train_seconds"],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    table = open_sequences("hdfs")
    found = [measure(seed, table) for seed in range(asked.seeds)]
    names = ("f1", "precision", "recall", "auc", "fpr_realised", "recall_order_only", "train_pflop", "train_seconds")
    figures = {name: record.spread([one[name] for one in found]) for name in names}
    figures |= (
        {"fpr_target": TARGET}
        | {name: found[0][name] for name in ("normal", "abnormal", "order_only")}
        | {"seeds": asked.seeds}
    )
    record.keep("detect-hdfs", "python bench/detect_hdfs.py", figures)
