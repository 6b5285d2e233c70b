"""`--minutes 15` on CIFAR-10: duration and accuracy. Cost: 15 minutes."""

import argparse
from typing import Any

from bench.support import record
from bench.support.claim import Cells, Claim

BUSY = "The budget buys as much compute as the machine gives; other work ran at the same time."


def cells(f: dict[str, Any]) -> Cells:
    duration = f"{f['wall_minutes']:.2f} min ({100 * f['deviation']:+.1f} %)"
    return Cells(f"{duration}; accuracy {100 * f['accuracy_tta']:.2f} % with {f['train_pflop']:.3f} PFLOP")


CLAIMS = [
    Claim(
        "CIFAR-10 with `--minutes 15`: duration; test accuracy",
        "classify-minutes-15",
        cells,
        f"{BUSY} Measured before convolutions on small maps stopped multiplying padding: the same time buys more now.",
    ),
    Claim(
        "CIFAR-10 with `--minutes 15` in float32: duration; test accuracy",
        "classify-minutes-15-float32",
        cells,
        f"{BUSY} The plan chose the shape of `quick`.",
    ),
]

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=15.0)
    minutes = parser.parse_args().minutes
    result, budget = record.in_minutes("classify", "cifar10", minutes)
    figures = {**budget, **{name: result["metrics"][name] for name in ("accuracy_tta", "ece")}, **result["compute"]}
    name = record.by_precision(f"classify-minutes-{minutes:g}")
    record.keep(name, f"python -m bench.classify.minutes --minutes {minutes:g}", figures)
