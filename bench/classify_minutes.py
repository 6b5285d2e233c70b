"""`--minutes 15` on CIFAR-10: does it end in time, and how good is what it made of it? Cost: 15 minutes."""

import argparse
import shutil

import record

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0)
    asked = parser.parse_args()
    folder = record.RUNS / f"cifar10-minutes-{asked.minutes:g}"
    shutil.rmtree(folder, ignore_errors=True)
    result, seconds = record.trine("classify", "fit", "cifar10", "--minutes", asked.minutes, "--out", folder)
    figures = {
        "asked_minutes": asked.minutes,
        "wall_minutes": seconds / 60,
        "deviation": seconds / 60 / asked.minutes - 1,
        "accuracy_tta": result["metrics"]["accuracy_tta"],
        "ece": result["metrics"]["ece"],
        **result["compute"],
    }
    record.keep(
        f"classify-minutes-{asked.minutes:g}", f"python bench/classify_minutes.py --minutes {asked.minutes:g}", figures
    )
