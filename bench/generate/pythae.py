"""Generated pictures compared with pythae's: same data, minutes and cores. Cost: 21 trainings, and half as long again.

usage: python -m bench.generate.pythae [--minutes 2] [--only DATA ...] [--networks mlp resnet ours]

- Each data set is learned by `trine generate fit`, and by pythae's VAE and RAE-L2 with three networks each (see
  bench/support/peer.py). The model of a peer gets as much processor time as Trine took with data, samplers and
  evaluation.
- 10,000 pictures per sampler are compared with the test pictures: frechet_lite0, density, coverage. The best peer is
  the one with the lowest distance on the test pictures, which favours the peer over a choice on validation.
- Finished trainings and comparisons are kept in the folder of runs and not repeated. The result is written when all
  three sets are done.
"""

import argparse
import json
import resource
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.support import record
from bench.support.claim import Cells, Claim, Figures, times
from trine.pictures.picture_set import open_pictures

DATA, NETWORKS, MODELS = ("mnist", "fashion-mnist", "cifar10"), ("mlp", "resnet", "ours"), ("vae", "rae")
PACKAGES = ("pythae==0.1.2", "cloudpickle==3.1.2", "imageio==2.38.1", "tqdm==4.70.1")
SAMPLES = 10_000


def cells(f: Figures, data: str) -> Cells:
    """Distance of both to the test pictures, and coverage in brackets."""
    ours, peer = f[data]["ours"], f[data]["best_peer"]
    trine, pythae = (f"{side['frechet']:,.0f} ({side['coverage']:.2f})" for side in (ours, peer))
    model = peer["name"].partition("-")[0].upper()
    return Cells(trine, f"{pythae}, {model}", times(ours["frechet"] / peer["frechet"]))


CLAIMS = [
    Claim(
        f"{name}, pictures after two minutes: `frechet_lite0`, lower is better (coverage); peer: the best of pythae",
        "generate-pythae",
        lambda f, data=data: cells(f, data),
        "Peers are pythae's VAE and RAE-L2, each with the ResNet of its benchmarks and with Trine's network, with all "
        "samplers that fit; the best is chosen on the test pictures. The model of a peer gets the processor time that "
        "Trine took with data, priors and evaluation. Two minutes on one core, one seed, other work on the other core; "
        "this is the third comparison on the test pictures. Longer trainings were not compared.",
        front=True,
    )
    for data, name in zip(DATA, ("MNIST", "Fashion-MNIST", "CIFAR-10"), strict=True)
]


def folder(data: str) -> Path:
    return record.RUNS / f"generate-pythae-{data}"


def our_run(data: str, minutes: float) -> tuple[Path, float]:
    """Train and sample 10,000 pictures; return the run and its processor time in minutes."""
    run, spent = folder(data) / "trine", folder(data) / "trine-minutes.json"
    if not spent.exists():
        shutil.rmtree(run, ignore_errors=True)
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        record.trine("generate", "fit", data, "--minutes", minutes, "--out", run)
        taken = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        spent.write_text(json.dumps(taken / 60 / torch.get_num_threads()))
    if not (folder(data) / "trine.npy").exists():
        from trine import Generator

        np.save(folder(data) / "trine.npy", Generator.load(run).sample(SAMPLES, seed=1))
    return run, json.loads(spent.read_text())


def train_peer(data: str, model: str, network: str, minutes: float, recipe: Path, inside: Path | None = None) -> Path:
    """Train a model of pythae and sample from it; returns its folder, which is `inside` another or that of the data."""
    out = (inside or folder(data)) / f"{model}-{network}"
    if (out / "done.json").exists():
        return out
    arrays = folder(data) / "train.npz"
    if not arrays.exists():
        arrays.parent.mkdir(parents=True, exist_ok=True)
        np.savez(arrays, images=open_pictures(data, validation_limit=1000).splits["train"].images)
    python = record.environment("pythae", *PACKAGES)
    words = [arrays, out, "--model", model, "--network", network, "--minutes", minutes, "--recipe", recipe]
    out.mkdir(parents=True, exist_ok=True)
    with out.with_suffix(".log").open("w") as log:
        subprocess.run(
            [python, "-m", "bench.support.peer", *map(str, words)],
            check=True,
            stdout=log,
            stderr=log,
            env=record.with_source(),
        )
    return out


def realism(data: str) -> dict[str, dict[str, float]]:
    """Realism of all generated pictures of a data set, by sampler."""
    from trine.measures.realism import RealPictures, lite0

    test = open_pictures(data).splits["test"].images
    missing = [path for path in sorted(folder(data).rglob("*.npy")) if not path.with_suffix(".json").exists()]
    if missing:
        real = RealPictures(lite0(test.shape[1]), test)
        for path in missing:
            path.with_suffix(".json").write_text(json.dumps(asdict(real.compare(np.load(path)))))
    return {
        str(path.relative_to(folder(data)).with_suffix("")): json.loads(path.with_suffix(".json").read_text())
        for path in sorted(folder(data).rglob("*.npy"))
    }


def compared(data: str) -> dict[str, Any]:
    """Trine's figures and those of the best peer."""
    peers = realism(data)
    ours = peers.pop("trine")
    best = min(peers, key=lambda name: peers[name]["frechet"])
    trained = {path.parent.name: json.loads(path.read_text()) for path in folder(data).glob("*/done.json")}
    return {
        "ours": ours,
        "best_peer": {"name": best, **peers[best]},
        "lower_by": 1 - ours["frechet"] / peers[best]["frechet"],
        "peers": peers,
        "trainings": trained,
        "processor_minutes": our_run(data, 0)[1],
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--only", nargs="+", default=DATA, choices=DATA)
    parser.add_argument("--networks", nargs="*", default=NETWORKS, choices=NETWORKS)
    options = parser.parse_args()
    for data in options.only:
        run, minutes = our_run(data, options.minutes)
        for network in options.networks:
            for model in MODELS:
                train_peer(data, model, network, minutes, run / "recipe.json")
        print(data, json.dumps(realism(data), indent=2), flush=True)
    kinds = [f"{model}-{network}" for model in MODELS for network in options.networks]
    if all((folder(data) / kind / "done.json").exists() for data in DATA for kind in kinds):
        figures = {"minutes": options.minutes, "networks": options.networks, "threads": torch.get_num_threads()}
        figures |= {data: compared(data) for data in DATA}
        command = f"--minutes {options.minutes:g} --networks {' '.join(options.networks)}"
        record.keep("generate-pythae", f"python -m bench.generate.pythae {command}", figures)
