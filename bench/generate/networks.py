"""`plain` and `deep` at equal minutes: bound and realism on validation. Cost on two cores: six trainings."""

import argparse
from typing import Any

from bench.support import record
from bench.support.claim import Cells, Claim, Figures

NETWORKS = {
    "plain": {"latent": 32},
    "plain-64": {"latent": 64},
    "deep": {"network": "deep", "latent": 32, "groups": [1, 1], "map_latent": 4},
}


def cells(f: Figures, data: str) -> Cells:
    """Figures of `plain` with 64 latent numbers and of `deep`."""
    rows = {name: f[data][key] for name, key in (("plain", "plain-64"), ("deep", "deep"))}
    texts = (
        f"`{name}` {row['elbo_nats']:,.0f} nats, {row['frechet_lite0']:,.0f}, {row['coverage']:.2f}"
        for name, row in rows.items()
    )
    return Cells("; ".join(texts))


CLAIMS = [
    Claim(
        f"{name}, three minutes, validation split: bound, `frechet_lite0`, coverage by network",
        "generate-networks",
        lambda f, data=data: cells(f, data),
        "Every preset is `plain`, because its pictures are nearer to real ones; `deep` has the better likelihood. "
        "1,000 generated pictures against 1,000 held-out ones. Measured with an older flow, an older training step "
        "and log variances without bounds.",
    )
    for data, name in (("fashion-mnist", "Fashion-MNIST"), ("cifar10", "CIFAR-10"))
]


def measure(data: str, network: str, minutes: float, generated: int) -> dict[str, Any]:
    """Bound and realism of one network on the validation split."""
    folder = record.RUNS / f"generate-{data}-{network}-{minutes:g}"
    record.fit("generate", data, folder, "--minutes", minutes, "--no-test", **NETWORKS[network])
    words = ("--split", "validation", "--frechet", "--generated", generated)
    return record.trine("generate", "evaluate", folder, data, *words)[0]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", nargs="+", default=["fashion-mnist", "cifar10"])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--generated", type=int, default=1000)
    options = parser.parse_args()
    figures: dict[str, Any] = {"minutes": options.minutes, "split": "validation", "generated": options.generated}
    for data in options.data:
        figures[data] = {}
        for network in NETWORKS:
            result = measure(data, network, options.minutes, options.generated)
            figures[data][network] = {**result["metrics"], "train_pflop": result["compute"]["train_pflop"]}
    record.keep("generate-networks", f"python -m bench.generate.networks --minutes {options.minutes:g}", figures)
