"""hostlab: `trine detect fit hostlab` and `evaluate`, as a user runs them, timed. Cost on two cores: 2 min for 3 seeds.

The set is our own record, and was looked at while it was made: it shows that the detector works, no more.
"""

import argparse
import shutil

import record


def measure(seed: int) -> dict:
    folder = record.RUNS / f"hostlab-{seed}"
    shutil.rmtree(folder, ignore_errors=True)
    _, fitting = record.trine("detect", "fit", "hostlab", "--seed", seed, "--no-test", "--out", folder)
    result, evaluating = record.trine("detect", "evaluate", folder, "hostlab")
    return {**result["metrics"], "seconds": fitting + evaluating}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    found = [measure(seed) for seed in range(asked.seeds)]
    figures = {
        name: record.spread([one[name] for one in found]) for name in ("recall", "fpr_realised", "auc", "seconds")
    }
    figures |= {
        "fpr_target": found[0]["fpr_target"],
        "fpr_intervals": [one["fpr_interval"] for one in found],
        "inside": sum(low <= one["fpr_target"] <= high for one in found for low, high in [one["fpr_interval"]]),
        "per_member_auc": {
            name: record.spread([one["per_member"][name]["auc"] for one in found]) for name in found[0]["per_member"]
        },
        "per_kind_recall": {
            kind: record.spread([one["per_kind"][kind]["recall"] for one in found]) for kind in found[0]["per_kind"]
        },
        "seeds": asked.seeds,
        "normal": found[0]["normal"],
        "abnormal": found[0]["abnormal"],
    }
    record.keep("detect-hostlab", "python bench/detect_hostlab.py", figures)
