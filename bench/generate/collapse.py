"""Failed trainings and spread of the bound over many seeds of `quick` on digits28. Cost on two cores: 5 min."""

import argparse
import math

from bench.support import record
from bench.support.claim import Cells, Claim, plain

FAST = {"flow_steps": 1, "mixture_components": 1}
"""Shortens the fit of the priors, which does not change the bound."""

CLAIMS = [
    Claim(
        "digits28, 20 seeds of `quick`: bound in nats per picture; not finite; collapsed",
        "generate-collapse",
        lambda f: Cells(f"{plain(f['elbo_nats'], 1)}; {f['not_finite']}; {f['collapsed']}"),
    )
]

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    options = parser.parse_args()
    seeds = []
    for seed in range(options.seeds):
        folder = record.RUNS / f"generate-digits28-{seed}"
        seeds.append(record.fit("generate", "digits28", folder, "--seed", seed, "--no-test", **FAST)["metrics"])
    bounds = [metrics["elbo_nats"] for metrics in seeds]
    figures = {
        "elbo_nats": record.spread(bounds),
        "active_units": [metrics["active_units"] for metrics in seeds],
        "units": seeds[0]["units"],
        "seeds": options.seeds,
        "not_finite": sum(bound is None or not math.isfinite(bound) for bound in bounds),
        "collapsed": sum(metrics["collapsed"] for metrics in seeds),
        "split": "validation",
    }
    figures["relative_spread"] = figures["elbo_nats"]["sd"] / figures["elbo_nats"]["mean"]
    record.keep("generate-collapse", "python -m bench.generate.collapse", figures)
