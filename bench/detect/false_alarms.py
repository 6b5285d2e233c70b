"""Realised false alarms on normal sequences drawn like those of the calibration, on 20 random cuts. Cost: 1 minute.

A detector learns from half of HDFS's normal training sessions. The other half is cut at random 20 times: four fifths
calibrate, the rest is scored at a target of 1 %. The network is the same in all cuts: the calibration is tested.

The interval covers the spread of the scored sequences, not that of the threshold. With two halves, both are equally
large, and a perfect calibration would have the target inside 16.7 of 20 intervals; with a fifth scored, inside 18.4.
"""

import numpy as np

from bench.support import record
from bench.support.claim import Cells, Claim
from trine.detect import metrics
from trine.detect.detector import Detector
from trine.detect.scoring import fuse
from trine.detect.surprisal import Encoded, surprisals

CUTS, TARGET, JUDGED = 20, 0.01, 0.2

CLAIMS = [
    Claim(
        "HDFS, 20 random cuts: mean of the realised false alarms at a target of 1 %",
        "detect-false-alarms",
        lambda f: Cells(f"{100 * f['mean']:.2f} %; target inside the interval in {f['inside']} of {f['cuts']} cuts"),
        "With a perfect calibration the target is inside 18.4 of 20 intervals on average.",
    )
]

if __name__ == "__main__":
    folder = record.RUNS / "false-alarms"
    record.fit("detect", "hdfs", folder, "--no-test", folds=1, calibration_share=0.5)
    model = Detector.load(folder)
    held_out = Encoded.of(model.open("hdfs", None, model.recipe).folds[0][1], model.vocabulary)
    panel = model.ensemble.panels[0]
    raw = panel.raw(held_out, surprisals(next(iter(model.model)), held_out)["event"].astype(np.float64))
    realised, inside = [], 0
    for cut in range(CUTS):
        order = np.random.default_rng(cut).permutation(len(raw))
        judged, calibration = np.split(order, [round(JUDGED * len(raw))])
        panel.calibrate(raw[calibration], held_out.lengths[calibration])
        fused = fuse(panel.reference.p_values(raw[judged], held_out.lengths[judged]))
        p = (1 + panel.stranger(fused)) / (1 + len(calibration))
        alarms = int((p <= TARGET).sum())
        low, high = metrics.share_interval(alarms, len(judged))
        inside += low <= TARGET <= high
        realised.append(alarms / len(judged))
    figures = {"target": TARGET, "cuts": CUTS, "inside": inside, **record.spread(realised), "judged": len(judged)}
    record.keep("detect-false-alarms", "python -m bench.detect.false_alarms", figures)
