"""Importance-weighted likelihood of MNIST pictures beside pythae's `get_nll`: pictures a second. Cost: about 4 minutes.

usage: generate_importance.py [--samples 1000] [--epochs 0.5]

Both estimate the same trained network, with as many samples, for the same binarised test pictures, one after the other
in turn on the same cores; so their nats must agree as well. pythae runs in an environment of its own, without
gradients, with its default batch of 100 and with all samples at once, and the faster of the two counts.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch

import record
from trine.pictures.picture_set import open_pictures

PACKAGES = ("pythae==0.1.2", "cloudpickle==3.1.2", "imageio==2.38.1", "tqdm==4.70.1")
OURS, PEER, TURNS = 30, 3, 3
FOLDER = record.RUNS / "generate-importance"


def binarised(count: int) -> np.ndarray:
    """The first test pictures, black and white: white with the grey value as probability."""
    grey = open_pictures("mnist").splits["test"].images[:count]
    return np.where(np.random.default_rng(0).random(grey.shape) < grey / 255, 255, 0).astype(np.uint8)


def measure_ours(run: Path, images: np.ndarray, samples: int) -> dict[str, float]:
    """Pictures a second and nats."""
    from trine import Generator
    from trine.generate.bound import importance_nll

    model = Generator.load(run)
    importance_nll(model.model, images[:1], None, model.device, samples)
    start = time.perf_counter()
    nats = importance_nll(model.model, images, None, model.device, samples)
    return {"rate": len(images) / (time.perf_counter() - start), "nats": nats}


def measure_peer(run: Path, images: np.ndarray, samples: int, batch: int) -> dict[str, float]:
    """The same of pythae's VAE with our network's weights."""
    import peer
    from trine import Generator

    trained = Generator.load(run)
    recipe = trained.recipe.model_dump()
    model = peer.build("vae", "ours", (trained.channels, trained.size, trained.size), recipe).eval()
    weights = trained.model.vae.state_dict()
    for half in (model.encoder.vae, model.decoder.vae):
        half.load_state_dict({name: weights[name] for name in half.state_dict()})
    pictures = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    with torch.no_grad():
        model.get_nll(pictures[:1], n_samples=batch, batch_size=batch)
        start = time.perf_counter()
        nats = -float(model.get_nll(pictures, n_samples=samples, batch_size=batch))
    return {"rate": len(images) / (time.perf_counter() - start), "nats": nats}


def in_process(python: str, *words: object) -> dict[str, float]:
    line = [python, __file__, *map(str, words)]
    done = subprocess.run(line, check=True, capture_output=True, text=True, env=record.own_source())
    return json.loads(done.stdout.splitlines()[-1])


def measure(samples: int, epochs: float) -> dict[str, object]:
    """Both sides in turn, each in a process of its own."""
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
    parser.add_argument("--part", nargs=4, help="one measurement in this process: RUN PICTURES SAMPLES BATCH")
    options = parser.parse_args()
    if options.part:
        run, count, samples, batch = Path(options.part[0]), *map(int, options.part[1:])
        images = binarised(count)
        found = measure_peer(run, images, samples, batch) if batch else measure_ours(run, images, samples)
        print(json.dumps(found))
    else:
        record.keep(
            "generate-importance", "python bench/generate_importance.py", measure(options.samples, options.epochs)
        )
