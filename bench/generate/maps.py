"""The presets' network and a latent map at equal minutes: distance beyond the floor, coverage, copies.

usage: python -m bench.generate.maps [--data cifar10 ...] [--kinds map ...] [--minutes 10] [--generated 1000]

Everything is measured on the validation split. The floor is the distance of as many training pictures as were
generated. The excess is the distance beyond the floor; the ratios are those of the excess to that of the preset.
"""

import argparse
from typing import Any

from bench.support import record

KINDS: dict[str, tuple[str, ...]] = {
    "plain": (),
    "map": ("--network", "map"),
}
"""What is compared, with its words after `trine generate fit DATA`."""
DATA = ("mnist", "fashion-mnist", "cifar10")
KEPT = ("elbo_nats", "reconstruction_nats", "kl_nats", "bits_per_dim", "units", "active_units", "density", "coverage")
COPIES = ("nearest_ratio", "nearest_ratio_of_real", "copied", "memorised")


def measured(data: str, kind: str, minutes: float, generated: int, seed: int) -> dict[str, Any]:
    """Figures of one kind's pictures on the validation split."""
    folder = record.RUNS / f"generate-maps-{data}-{kind}-{minutes:g}-{seed}"
    words = (*KINDS[kind], "--minutes", minutes, "--seed", seed, "--no-test")
    compute = record.fit("generate", data, folder, *words)["compute"]
    asked = ("--split", "validation", "--frechet", "--memorisation", "--generated", generated)
    metrics = record.trine("generate", "evaluate", folder, data, *asked)[0]["metrics"]
    floor = metrics["beside_lite0"]["train"]["frechet"]
    figures = {name: metrics[name] for name in (*KEPT, *COPIES) if name in metrics}
    figures |= {"frechet_lite0": metrics["frechet_lite0"], "floor": floor, "excess": metrics["frechet_lite0"] - floor}
    return figures | {"train_pflop": compute["train_pflop"], "train_seconds": compute["train_seconds"]}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", nargs="+", default=DATA, choices=DATA)
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS, help="plain is always measured")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--generated", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    figures: dict[str, Any] = {
        "minutes": options.minutes,
        "split": "validation",
        "generated": options.generated,
        "seed": options.seed,
    }
    for data in options.data:
        kinds = dict.fromkeys(["plain", *options.kinds])
        rows = {kind: measured(data, kind, options.minutes, options.generated, options.seed) for kind in kinds}
        ratios = {kind: row["excess"] / rows["plain"]["excess"] for kind, row in rows.items()}
        figures[data] = {**rows, "excess_ratios": ratios}
        print(data, figures[data], flush=True)
    record.keep("generate-maps", f"python -m bench.generate.maps --minutes {options.minutes:g}", figures)
