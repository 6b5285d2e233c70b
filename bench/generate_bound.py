"""Pictures explained: MNIST in nats, CIFAR-10 in bits a dimension. Cost on two cores: up to 24 and 70 min."""

import argparse

import record

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

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", choices=SHAPES)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    folder = record.RUNS / f"generate-{asked.data}-{asked.seed}"
    words = ("--network", "deep", "--seed", asked.seed, "--no-test")
    cost = record.fit("generate", asked.data, folder, *words, **SHAPES[asked.data])["compute"]
    more = IMPORTANCE if asked.data == "mnist" else ()
    result = record.trine("generate", "evaluate", folder, asked.data, "--split", "test", *more)[0]
    names = ("elbo_nats", "reconstruction_nats", "kl_nats", "kl_per_group", "active_units", "units", "bits_per_dim")
    names += ("iw_nats", "iw_samples", "iw_n", "binarisation")
    figures = {name: result["metrics"][name] for name in names if name in result["metrics"]}
    figures |= {name: cost[name] for name in ("train_pflop", "train_seconds", "gflops", "sgemm_gflops")}
    figures |= {"share_of_sgemm": cost["gflops"] / cost["sgemm_gflops"], "seed": asked.seed, "split": "test"}
    figures |= {"n": result["data"]["n"], "settings": SHAPES[asked.data]}
    record.keep(f"generate-{asked.data}", f"python bench/generate_bound.py {asked.data}", figures)
