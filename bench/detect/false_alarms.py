"""Realised false alarms on normal sequences drawn like those of the calibration, on 20 random cuts. Cost: 1 minute.

A detector learns from half of HDFS's normal training sessions. The other half is cut at random 20 times: four fifths
calibrate, the rest is scored at a target of 1 %. The network is the same in all cuts: the calibration is tested.

The interval covers the spread of the scored sequences, not that of the threshold. With two halves, both are equally
large, and a perfect calibration would have the target inside 16.7 of 20 intervals; with a fifth scored, inside 18.4.
"""

import argparse

import numpy as np

from bench.support import record
from bench.support.claim import Cells, Claim
from trine.detect.detector import Detector
from trine.detect.scoring import Panel
from trine.detect.surprisal import surprisals
from trine.measures.conformal import Reference
from trine.measures.shares import share_interval
from trine.sequences.vocabulary import EncodedTable

CUTS, TARGET, SCORED = 20, 0.01, 0.2
"""Number of cuts, target of false alarms, and share of the held-out sessions that is scored."""

CLAIMS = [
    Claim(
        "HDFS, 20 random cuts: mean of the realised false alarms at a target of 1 %",
        "detect-false-alarms",
        lambda f: Cells(f"{100 * f['mean']:.2f} %; target inside the interval in {f['inside']} of {f['cuts']} cuts"),
        "With a perfect calibration the target is inside 18.4 of 20 intervals on average.",
    )
]

if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    folder = record.RUNS / "false-alarms"
    record.fit("detect", "hdfs", folder, "--no-test", folds=1, calibration_share=0.5)
    model = Detector.load(folder)
    held_out = EncodedTable.of(model.open("hdfs").folds[0].held_out, model.vocabulary)
    fitted = model.ensemble.panels[0]
    network = next(iter(model.networks)) if model.ensemble.reads_network else None
    raw = fitted.raw(fitted.evidence(held_out, surprisals(network, held_out) if network else {}))
    realised, inside = [], 0
    for cut in range(CUTS):
        order = np.random.default_rng(cut).permutation(len(raw))
        scored, calibration = np.split(order, [round(SCORED * len(raw))])
        lengths, own = held_out.lengths, fitted.reference
        reference = Reference(raw[calibration], lengths[calibration], own.smallest, own.units)
        panel = Panel.calibrated(fitted.members, reference, fitted.fusion)
        fused = panel.fuse(panel.reference.p_values(raw[scored], lengths[scored]))
        p = (1 + panel.at_least_as_strange(fused)) / (1 + len(calibration))
        alarms = int((p <= TARGET).sum())
        low, high = share_interval(alarms, len(scored))
        inside += low <= TARGET <= high
        realised.append(alarms / len(scored))
    figures = {"target": TARGET, "cuts": CUTS, "inside": inside, **record.spread(realised), "judged": len(scored)}
    record.keep("detect-false-alarms", "python -m bench.detect.false_alarms", figures)
