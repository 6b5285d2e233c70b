"""`--minutes 6` on ADFA-LD: duration and AUC. Cost: 6 minutes on two cores."""

import argparse

from bench.support import record
from bench.support.claim import Cells, Claim, network

CLAIMS = [
    Claim(
        "ADFA-LD with `--minutes 6`: AUC; duration",
        "detect-minutes-6",
        lambda f: Cells(f"{f['auc']:.3f}; {f['wall_minutes']:.2f} min ({100 * f['deviation']:+.1f} %)"),
        "The training ended before its budget was used.",
    )
]

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=6.0)
    minutes = parser.parse_args().minutes
    result, budget = record.in_minutes("detect", "adfa-ld", minutes)
    metrics = {name: result["metrics"][name] for name in ("auc", "auc_interval", "tpr_at_fpr", "fpr_realised")}
    figures = {**budget, **metrics, "lstm_auc": network(result["metrics"])["auc"], **result["compute"]}
    record.keep(f"detect-minutes-{minutes:g}", f"python -m bench.detect.minutes --minutes {minutes:g}", figures)
