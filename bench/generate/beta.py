"""Reconstruction and KL divergence for several values of beta, on digits28. Cost on one core: 1 min."""

import argparse
from typing import Any

from bench.support import bound, record

SETTINGS = {
    "likelihood": "bernoulli",
    "widths": [8, 16, 32],
    "latent": 16,
    "least_steps": 200,
    "epochs": 1,
    "flow_steps": 1,
}
BETAS = (0.1, 0.3, 1.0, 3.0, 10.0)


def measured(beta: float) -> dict[str, float]:
    """The bound and its parts on the validation split."""
    run = record.RUNS / f"beta-{beta:g}"
    result = record.fit("generate", "digits28", run, "--no-test", **SETTINGS | {"beta": beta})
    names = ("elbo_nats", "reconstruction_nats", "kl_nats", "active_units")
    return {"beta": beta, **{name: result["metrics"][name] for name in names}}


def table(figures: dict[str, Any]) -> list[str]:
    """The second table of docs/inside/latent-space.md."""
    return bound.table("beta", {f"{row['beta']:g}": row for row in figures["betas"]})


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__).parse_args()
    figures = {"data": "digits28", "split": "validation", "seeds": 1, "settings": SETTINGS}
    record.keep("generate-beta", "python -m bench.generate.beta", figures | {"betas": [measured(b) for b in BETAS]})
