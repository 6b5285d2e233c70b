"""CIFAR-10: a preset's test accuracy over seeds, with its compute. Cost on two cores: quick 10 min, good 30 min."""

import argparse

import record

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--effort", default="quick", choices=("quick", "good", "best"))
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    folders = [record.RUNS / f"cifar10-{asked.effort}-{seed}" for seed in range(asked.seeds)]
    results = [
        record.fit("classify", "cifar10", folder, "--effort", asked.effort, "--seed", seed)
        for seed, folder in enumerate(folders)
    ]
    metrics, cost = [result["metrics"] for result in results], [result["compute"] for result in results]
    figures = {
        name: record.spread([measured[name] for measured in metrics])
        for name in (
            "accuracy_tta",
            "accuracy",
            "ece",
            "ece_uncalibrated",
            "macro_f1",
            "selective_accuracy",
            "coverage",
        )
    }
    for name in ("train_pflop", "train_seconds", "gflops", "sgemm_gflops", "peak_memory_gib"):
        figures[name] = record.spread([spent[name] for spent in cost])
    rates = [spent["gflops"] / spent["sgemm_gflops"] for spent in cost]
    figures |= {"share_of_sgemm": record.spread(rates), "seeds": asked.seeds, "split": "test", "n": 10_000}
    name = record.by_precision(f"classify-cifar10-{asked.effort}")
    record.keep(name, f"python bench/classify_cifar10.py --effort {asked.effort} --seeds {asked.seeds}", figures)
