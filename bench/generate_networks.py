"""Plain or deep: validation pictures judged at equal minutes. Cost on two cores: six trainings, and judging."""

import argparse
from typing import Any

import record

NETWORKS = {
    "plain": {"latent": 32},
    "plain-64": {"latent": 64},
    "deep": {"network": "deep", "latent": 32, "groups": [1, 1], "map_latent": 4},
}


def judged(data: str, network: str, minutes: float, generated: int) -> dict[str, Any]:
    """Bound and realism of one network, on validation only."""
    folder = record.RUNS / f"generate-{data}-{network}-{minutes:g}"
    record.fit("generate", data, folder, "--minutes", minutes, "--no-test", **NETWORKS[network])
    words = ("--split", "validation", "--frechet", "--generated", generated)
    return record.trine("generate", "evaluate", folder, data, *words)[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=["fashion-mnist", "cifar10"])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--generated", type=int, default=1000)
    asked = parser.parse_args()
    figures: dict[str, Any] = {"minutes": asked.minutes, "split": "validation", "generated": asked.generated}
    for data in asked.data:
        figures[data] = {}
        for network in NETWORKS:
            result = judged(data, network, asked.minutes, asked.generated)
            figures[data][network] = {**result["metrics"], "train_pflop": result["compute"]["train_pflop"]}
    record.keep("generate-networks", f"python bench/generate_networks.py --minutes {asked.minutes:g}", figures)
