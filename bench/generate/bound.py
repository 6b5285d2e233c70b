"""Likelihood of test pictures: MNIST in nats, CIFAR-10 in bits per dimension. Cost on two cores: 24 and 70 min."""

import argparse

from bench.support import record
from bench.support.claim import Cells, Claim, cost

SHAPES = {
    "mnist": {
        "likelihood": "bernoulli",
        "widths": [32, 64],
        "latent": 32,
        "groups": [2, 1],
        "batch_size": 64,
        "epochs": 8,
    },
    "cifar10": {
        "likelihood": "logistic",
        "components": 3,
        "widths": [64, 96, 128],
        "latent": 64,
        "groups": [1, 1, 4],
        "map_latent": 8,
        "free_bits": 20,
        "learning_rate": 0.001,
        "flow_steps": 100,
        "batch_size": 16,
        "epochs": 9,
    },
}
IMPORTANCE = ("--importance", 1000, "--pictures", 1000)

CLAIMS = [
    Claim(
        "MNIST, dynamically binarised: −ln p in nats per picture, 1,000 importance samples, 1,000 test pictures",
        "generate-mnist",
        lambda f: Cells(f"{f['iw_nats']:.2f}"),
        "Network `deep`; the file has its settings. Each test picture is binarised once. For comparison: "
        "IWAE with one layer 84.78 (Burda et al., 2016), NVAE 78.01 (Vahdat and Kautz, 2020).",
        front=True,
    ),
    Claim(
        "MNIST: the bound (ELBO) in nats per picture, 10,000 test pictures",
        "generate-mnist",
        lambda f: Cells(f"{f['elbo_nats']:.2f}"),
    ),
    Claim("MNIST: one training", "generate-mnist", lambda f: Cells(cost(f))),
    Claim(
        "CIFAR-10: bits per dimension by the bound, 10,000 test pictures",
        "generate-cifar10",
        lambda f: Cells(f"{f['bits_per_dim']:.2f}"),
        "Network `deep`; the third recipe evaluated on the test split. Measured before a training step of "
        "generators took two thirds of its former time. For comparison: NVAE 2.91 (Vahdat and Kautz, 2020), VDVAE 2.87 "
        "(Child, 2021), trained for days on GPUs.",
        front=True,
    ),
    Claim("CIFAR-10, the same network: one training", "generate-cifar10", lambda f: Cells(cost(f))),
]

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", choices=SHAPES)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder = record.RUNS / f"generate-{options.data}-{options.seed}"
    words = ("--network", "deep", "--seed", options.seed, "--no-test")
    compute = record.fit("generate", options.data, folder, *words, **SHAPES[options.data])["compute"]
    importance = IMPORTANCE if options.data == "mnist" else ()
    result = record.trine("generate", "evaluate", folder, options.data, "--split", "test", *importance)[0]
    names = ("elbo_nats", "reconstruction_nats", "kl_nats", "kl_per_group", "active_units", "units", "bits_per_dim")
    names += ("iw_nats", "iw_samples", "iw_n", "binarisation")
    figures = {name: result["metrics"][name] for name in names if name in result["metrics"]}
    figures |= {name: compute[name] for name in ("train_pflop", "train_seconds", "gflops", "sgemm_gflops")}
    figures |= {"share_of_sgemm": compute["gflops"] / compute["sgemm_gflops"], "seed": options.seed, "split": "test"}
    figures |= {"n": result["data"]["n"], "settings": SHAPES[options.data]}
    record.keep(f"generate-{options.data}", f"python -m bench.generate.bound {options.data}", figures)
