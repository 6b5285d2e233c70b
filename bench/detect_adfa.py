"""ADFA-LD: fit and calibrate on the 833 normal traces, test once a seed. Cost for 5 seeds: quick 15, good 30 min."""

import argparse
from typing import Any

import record
from trine.recipe import Effort


def measure(effort: str, seed: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Metrics on the test split, and what the training cost."""
    folder = record.RUNS / f"adfa-{effort}-{seed}"
    cost = record.fit("detect", "adfa-ld", folder, "--effort", effort, "--seed", seed, "--no-test")["compute"]
    return record.trine("detect", "evaluate", folder, "adfa-ld")[0]["metrics"], cost


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--effort", default="quick", choices=Effort.__args__)
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    metrics, cost = zip(*(measure(asked.effort, seed) for seed in range(asked.seeds)), strict=True)
    figures = {
        "auc": record.spread([found["auc"] for found in metrics]),
        "auc_intervals": [found["auc_interval"] for found in metrics],
        "auc_distinct": record.spread([found["auc_distinct"] for found in metrics]),
        "tpr_at_fpr": {fpr: record.spread([found["tpr_at_fpr"][fpr] for found in metrics]) for fpr in ("0.01", "0.05")},
        "fpr_at_tpr_90": record.spread([found["fpr_at_tpr_90"] for found in metrics]),
        "fpr_realised": record.spread([found["fpr_realised"] for found in metrics]),
        "f1": record.spread([found["f1"] for found in metrics]),
        "per_member": {
            name: {
                "auc": record.spread([found["per_member"][name]["auc"] for found in metrics]),
                "tpr_at_0.01": record.spread([found["per_member"][name]["tpr_at_fpr"]["0.01"] for found in metrics]),
                "tpr_at_0.05": record.spread([found["per_member"][name]["tpr_at_fpr"]["0.05"] for found in metrics]),
            }
            for name in metrics[0]["per_member"]
        },
        "per_kind_auc": {
            kind: record.spread([found["per_kind"][kind]["auc"] for found in metrics])
            for kind in metrics[0]["per_kind"]
        },
        "events_per_second": record.spread([found["events_per_second"] for found in metrics]),
    }
    for name in ("train_pflop", "train_seconds", "gflops", "sgemm_gflops"):
        figures[name] = record.spread([spent[name] for spent in cost])
    figures |= {"seeds": asked.seeds, "normal": metrics[0]["normal"], "abnormal": metrics[0]["abnormal"]}
    record.keep(f"detect-adfa-{asked.effort}", f"python bench/detect_adfa.py --effort {asked.effort}", figures)
