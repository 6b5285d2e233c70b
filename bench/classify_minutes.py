"""`--minutes 15` on CIFAR-10: does it end in time, and how good is what it made of it? Cost: 15 minutes."""

import argparse

import record

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0)
    minutes = parser.parse_args().minutes
    result, kept = record.in_minutes("classify", "cifar10", minutes)
    figures = {**kept, **{name: result["metrics"][name] for name in ("accuracy_tta", "ece")}, **result["compute"]}
    record.keep(
        record.by_precision(f"classify-minutes-{minutes:g}"),
        f"python bench/classify_minutes.py --minutes {minutes:g}",
        figures,
    )
