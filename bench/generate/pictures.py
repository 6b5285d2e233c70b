"""New pictures now, and as they were without sharpening, at equal minutes: distance beyond the floor, coverage, copies.

usage: python -m bench.generate.pictures [--data cifar10 ...] [--kinds map ...] [--minutes 10] [--peer]

The kinds are trained at the same time, each with one thread; the minutes are of processor time. Everything is measured
on the validation split. The floor is the distance of as many training pictures as were generated. The excess is the
distance beyond the floor; the ratios are those of the excess to that of the former pictures. The distance is measured
in the features of EfficientNet-Lite0, which no training has seen. The peer is pythae's RAE-L2 with Trine's network and
a Gaussian mixture, its best on CIFAR-10 in `bench.generate.pythae`: its model gets all of the minutes.
"""

import argparse
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from bench.generate.pythae import train_peer
from bench.support import record
from bench.support.claim import Cells, Claim, Figures, times
from trine import Generator
from trine.measures.realism import RealPictures, lite0
from trine.pictures.batches import evenly
from trine.train.run import RECIPE

KINDS: dict[str, tuple[str, ...]] = {
    "former": ("--set", "sharpen_steps=0", "--set", "flow_width=256"),
    "plain": (),
    "map": ("--network", "map"),
    "labelled": ("--label",),
}
"""What is compared, with its words after `trine generate fit DATA`."""
ALWAYS = ("former", "plain")
PEER, SAMPLER = ("rae", "ours"), "mixture"
"""Model, network and sampler of pythae."""
DATA = ("mnist", "fashion-mnist", "cifar10")
KEPT = ("elbo_nats", "reconstruction_nats", "kl_nats", "bits_per_dim", "units", "active_units", "density", "coverage")
COPIES = ("nearest_ratio", "nearest_ratio_of_real", "copied", "memorised")
LOWERED = "The learning rate of the flow has been lowered since."
"""What is said of figures that were measured before."""


def _cells(figures: Figures) -> Cells:
    kinds = figures["kinds"]
    ours = f"{kinds['plain']['excess']:.0f} against {kinds['former']['excess']:.0f}"
    if "peer" not in figures:
        return Cells(ours)
    return Cells(ours, f"{figures['peer']['excess']:.0f}", times(figures["excess_to_peer"]["plain"]))


CLAIMS = [
    Claim(
        f"{data}, new pictures: `frechet_lite0` beyond that of training pictures, now against without sharpening{peer}",
        f"generate-pictures-{data}",
        _cells,
        f"{minutes} minutes of processor time for each, one run of one thread, on the validation split. {further}",
    )
    for data, minutes, peer, further in (
        ("mnist", "Ten", "", LOWERED),
        ("fashion-mnist", "Ten", "", LOWERED),
        (
            "cifar10",
            "Thirty",
            "; peer: pythae's RAE-L2 with a mixture",
            "The file has the PFLOP of each: they were trained on different days.",
        ),
    )
]


def trained(data: str, kind: str, minutes: float, seed: int = 0) -> tuple[Path, dict[str, Any]]:
    """The run of one kind's training, and what it took."""
    folder = record.RUNS / f"generate-pictures-{data}-{kind}-{minutes:g}-{seed}"
    words = (*KINDS[kind], "--minutes", minutes, "--seed", seed, "--no-test")
    return folder, record.fit("generate", data, folder, *words, module="bench.support.processor_time")["compute"]


def measured(data: str, kind: str, minutes: float, generated: int, seed: int) -> dict[str, Any]:
    """Figures of one kind's pictures on the validation split."""
    folder, compute = trained(data, kind, minutes, seed)
    asked = ("--split", "validation", "--frechet", "--memorisation", "--generated", generated)
    metrics = record.trine("generate", "evaluate", folder, data, *asked)[0]["metrics"]
    floor = metrics["beside_lite0"]["train"]["frechet"]
    figures = {name: metrics[name] for name in (*KEPT, *COPIES) if name in metrics}
    figures |= {"frechet_lite0": metrics["frechet_lite0"], "floor": floor, "excess": metrics["frechet_lite0"] - floor}
    return figures | {"train_pflop": compute["train_pflop"], "train_seconds": compute["train_seconds"]}


def peer(data: str, minutes: float, generated: int) -> dict[str, Any]:
    """The same distance of pythae's pictures, beyond the floor."""
    run = trained(data, "former", minutes)[0]
    inside = record.RUNS / f"generate-pictures-{data}-pythae-{minutes:g}"
    out = train_peer(data, *PEER, minutes, run / RECIPE, inside)
    splits = Generator.load(run).open(data).splits
    real, reference = (
        np.asarray(splits[name].images)[evenly(len(splits[name]), generated)] for name in ("validation", "train")
    )
    compare = RealPictures(lite0(real.shape[1]), real).compare
    found, floor = compare(np.load(out / f"{SAMPLER}.npy")[:generated]), compare(reference).frechet
    return {"model": "-".join(PEER), "sampler": SAMPLER, "frechet_lite0": found.frechet, "coverage": found.coverage} | {
        "floor": floor,
        "excess": found.frechet - floor,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--data", nargs="+", default=DATA, choices=DATA)
    parser.add_argument("--kinds", nargs="+", default=ALWAYS, choices=KINDS, help="the first two are always measured")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--generated", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--peer", action="store_true", help="measure pythae, too")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    for data in options.data:
        kinds = list(dict.fromkeys([*ALWAYS, *options.kinds]))

        def of(kind: str, data: str = data) -> dict[str, Any]:
            return measured(data, kind, options.minutes, options.generated, options.seed)

        with ThreadPoolExecutor(len(kinds)) as pool:
            rows = dict(zip(kinds, pool.map(of, kinds), strict=True))
        ratios = {kind: row["excess"] / rows["former"]["excess"] for kind, row in rows.items()}
        beside = {}
        if options.peer:
            beside["peer"] = peer(data, options.minutes, options.generated)
            beside["excess_to_peer"] = {kind: row["excess"] / beside["peer"]["excess"] for kind, row in rows.items()}
        setting = {"minutes": options.minutes, "generated": options.generated, "seed": options.seed}
        record.keep(
            f"generate-pictures-{data}",
            f"python -m bench.generate.pictures --data {data} --minutes {options.minutes:g}"
            f"{' --peer' if options.peer else ''}",
            {**setting, "split": "validation", "kinds": rows, "excess_ratios": ratios, **beside},
        )
