"""Importance-weighted likelihood of MNIST pictures; peer: pythae's `get_nll`: pictures per second. Cost: 4 minutes.

usage: python -m bench.generate.importance [--samples 1000] [--epochs 0.5]

Both estimate the same trained network, with the same number of samples, for the same binarised test pictures,
alternately on the same cores. pythae runs in a separate environment, without gradients, with its default batch of 100
and with all samples at once; the faster of the two counts.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bench.support import record
from bench.support.claim import Cells, Claim, times
from trine.pictures.picture_set import open_pictures

PACKAGES = ("pythae==0.1.2", "cloudpickle==3.1.2", "imageio==2.38.1", "tqdm==4.70.1")
OURS, PEER, TURNS = 30, 3, 3
FOLDER = record.RUNS / "generate-importance"


def cells(f: dict[str, Any]) -> Cells:
    """Pictures per second of both; the peer's is the faster of its two batch sizes."""
    rates = dict(f["pictures_per_second"])
    ours = rates.pop("ours")
    return Cells(f"{ours:.1f}", f"{max(rates.values()):.1f}", times(f["ratio"], 1))


CLAIMS = [
    Claim(
        "MNIST, −ln p with 1,000 importance samples: pictures per second; peer: pythae's `get_nll`",
        "generate-importance",
        cells,
        "The same network and weights, trained for half an epoch. The estimates differ because the importance "
        "weights of this network have heavy tails.",
    ),
    Claim(
        "the same: estimate for the same three pictures, nats per picture",
        "generate-importance",
        lambda f: Cells(*(f"{f['nats_of_the_same_pictures'][side]:.1f}" for side in ("ours", "pythae"))),
    ),
]


def binarised(count: int) -> np.ndarray:
    """The first test pictures, binarised with the grey value as the probability of white."""
    grey = open_pictures("mnist").splits["test"].images[:count]
    return np.where(np.random.default_rng(0).random(grey.shape) < grey / 255, 255, 0).astype(np.uint8)


def measure_ours(run: Path, images: np.ndarray, samples: int) -> dict[str, float]:
    """Pictures per second and nats of Trine."""
    from trine import Generator
    from trine.generate.bound import importance_nll

    model = Generator.load(run)
    importance_nll(model.network, images[:1], None, model.device, samples)
    start = time.perf_counter()
    nats = importance_nll(model.network, images, None, model.device, samples)
    return {"rate": len(images) / (time.perf_counter() - start), "nats": nats}


def measure_peer(run: Path, images: np.ndarray, samples: int, batch: int) -> dict[str, float]:
    """The same for pythae's VAE with the weights of Trine's network."""
    from bench.support import peer
    from trine import Generator

    trained = Generator.load(run)
    recipe = trained.recipe.model_dump()
    model = peer.build("vae", "ours", (trained.channels, *trained.size), recipe).eval()
    weights = trained.network.vae.state_dict()
    for half in (model.encoder.vae, model.decoder.vae):
        half.load_state_dict({name: weights[name] for name in half.state_dict()})
    pictures = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        model.get_nll(pictures[:1], n_samples=batch, batch_size=batch)
        start = time.perf_counter()
        nats = -float(model.get_nll(pictures, n_samples=samples, batch_size=batch))
    return {"rate": len(images) / (time.perf_counter() - start), "nats": nats}


def in_process(python: str, *words: object) -> dict[str, float]:
    line = [python, "-m", "bench.generate.importance", *map(str, words)]
    done = subprocess.run(line, check=True, capture_output=True, text=True, env=record.with_source())
    return json.loads(done.stdout.splitlines()[-1])


def measure(samples: int, epochs: float) -> dict[str, object]:
    """Measure both alternately, each in a separate process."""
    run = FOLDER / "run"
    if not (run / "result.json").exists():
        short = {"epochs": epochs, "least_steps": 1, "validations": 1, "flow_steps": 10}
        record.fit("generate", "mnist", run, "--likelihood", "bernoulli", "--no-test", **short)
    sides = {"ours": (sys.executable, OURS, 0)}
    python = record.environment("pythae", *PACKAGES)
    sides |= {f"pythae, batch {batch}": (python, PEER, batch) for batch in (100, samples)}
    turns: dict[str, list[dict[str, float]]] = {name: [] for name in sides}
    for _ in range(TURNS):
        for name, (with_python, count, batch) in sides.items():
            turns[name].append(in_process(with_python, "--part", run, count, samples, batch))
    rates = {name: statistics.median(turn["rate"] for turn in of) for name, of in turns.items()}
    few = in_process(sys.executable, "--part", run, PEER, samples, 0)["nats"]
    best = max(rate for name, rate in rates.items() if name != "ours")
    return {
        "samples": samples,
        "pictures_per_second": rates,
        "pictures": {"ours": OURS, "pythae": PEER},
        "nats_of_the_same_pictures": {"ours": few, "pythae": turns["pythae, batch 100"][-1]["nats"]},
        "ratio": rates["ours"] / best,
        "threads": torch.get_num_threads(),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--epochs", type=float, default=0.5)
    parser.add_argument("--part", nargs=4, help="measure in this process: RUN PICTURES SAMPLES BATCH")
    options = parser.parse_args()
    if options.part:
        run, count, samples, batch = Path(options.part[0]), *map(int, options.part[1:])
        images = binarised(count)
        measured = measure_peer(run, images, samples, batch) if batch else measure_ours(run, images, samples)
        print(json.dumps(measured))
    else:
        record.keep(
            "generate-importance", "python -m bench.generate.importance", measure(options.samples, options.epochs)
        )
