"""Generated pictures beside pythae's: same data, minutes and cores. Cost: 21 trainings, and half as long again.

usage: generate_pythae.py [--minutes 2] [--only DATA ...] [--networks mlp resnet ours]

- Each data set is learned by `trine generate fit`, and by pythae's VAE and RAE-L2 with three networks each (see
  peer.py). Peers get as much processor time as ours took with data, samplers and evaluation, for the model alone.
- 10,000 pictures of each sampler are judged against the test pictures: frechet_lite0, density, coverage. The best peer
  is the one with the lowest distance on the test pictures: more than a choice on validation would give it.
- What was trained or judged is kept in the bench's folder and not done again. With --only the other sets wait for a
  later call; the result is written when all three are there.
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

import record
from trine.pictures.picture_set import open_pictures

DATA, NETWORKS, MODELS = ("mnist", "fashion-mnist", "cifar10"), ("mlp", "resnet", "ours"), ("vae", "rae")
PACKAGES = ("pythae==0.1.2", "cloudpickle==3.1.2", "imageio==2.38.1", "tqdm==4.70.1")
SAMPLES = 10_000


def folder(data: str) -> Path:
    return record.RUNS / f"generate-pythae-{data}"


def our_run(data: str, minutes: float) -> tuple[Path, float]:
    """The run of our training, which makes 10,000 pictures too; and the minutes of processor time that it took."""
    run, told = folder(data) / "trine", folder(data) / "trine-minutes.json"
    if not told.exists():
        shutil.rmtree(run, ignore_errors=True)
        before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        record.trine("generate", "fit", data, "--minutes", minutes, "--out", run)
        taken = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before
        told.write_text(json.dumps(taken / 60 / torch.get_num_threads()))
    if not (folder(data) / "trine.npy").exists():
        from trine import Generator

        np.save(folder(data) / "trine.npy", Generator.load(run).sample(SAMPLES, seed=1))
    return run, json.loads(told.read_text())


def train_peer(data: str, model: str, network: str, minutes: float, recipe: Path) -> None:
    out = folder(data) / f"{model}-{network}"
    if (out / "done.json").exists():
        return
    arrays = folder(data) / "train.npz"
    if not arrays.exists():
        np.savez(arrays, images=open_pictures(data, validation_limit=1000).splits["train"].images)
    python = record.environment("pythae", *PACKAGES)
    script = Path(__file__).with_name("peer.py")
    words = [arrays, out, "--model", model, "--network", network, "--minutes", minutes, "--recipe", recipe]
    with (folder(data) / f"{model}-{network}.log").open("w") as log:
        subprocess.run([python, script, *map(str, words)], check=True, stdout=log, stderr=log, env=record.own_source())


def judge(data: str) -> dict[str, dict[str, float]]:
    """Figures of all the pictures made of a data set, by the name of who made them."""
    from trine.generate.features import lite0
    from trine.generate.realism import Judge

    test = open_pictures(data).splits["test"].images
    missing = [path for path in sorted(folder(data).rglob("*.npy")) if not path.with_suffix(".json").exists()]
    if missing:
        judged = Judge(lite0(test.shape[1]), test)
        for path in missing:
            path.with_suffix(".json").write_text(json.dumps(asdict(judged(np.load(path)))))
    found = {path: json.loads(path.with_suffix(".json").read_text()) for path in sorted(folder(data).rglob("*.npy"))}
    return {str(path.relative_to(folder(data)).with_suffix("")): figures for path, figures in found.items()}


def compared(data: str) -> dict[str, Any]:
    """Ours beside the best of the peers."""
    judged = judge(data)
    ours, peers = judged.pop("trine"), judged
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
        print(data, json.dumps(judge(data), indent=2), flush=True)
    kinds = [f"{model}-{network}" for model in MODELS for network in options.networks]
    if all((folder(data) / kind / "done.json").exists() for data in DATA for kind in kinds):
        figures = {"minutes": options.minutes, "networks": options.networks, "threads": torch.get_num_threads()}
        figures |= {data: compared(data) for data in DATA}
        command = f"--minutes {options.minutes:g} --networks {' '.join(options.networks)}"
        record.keep("generate-pythae", f"python bench/generate_pythae.py {command}", figures)
