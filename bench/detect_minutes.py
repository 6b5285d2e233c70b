"""`--minutes 6` on ADFA-LD: does it end in time, and how good is what it made of it? Cost: 6 minutes on two cores."""

import argparse

import record

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=6.0)
    minutes = parser.parse_args().minutes
    result, kept = record.in_minutes("detect", "adfa-ld", minutes)
    measured = {name: result["metrics"][name] for name in ("auc", "auc_interval", "tpr_at_fpr", "fpr_realised")}
    figures = {**kept, **measured, "lstm_auc": result["metrics"]["per_member"]["lstm"]["auc"], **result["compute"]}
    record.keep(f"detect-minutes-{minutes:g}", f"python bench/detect_minutes.py --minutes {minutes:g}", figures)
