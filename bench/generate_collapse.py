"""Does a training ever fail? Many seeds of `quick` on digits28: the spread of the bound. Cost on two cores: 5 min."""

import argparse
import math

import record

FAST = {"flow_steps": 1, "mixture_components": 1}
"""Priors fitted afterwards have no say in the bound."""

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    asked = parser.parse_args()
    found = []
    for seed in range(asked.seeds):
        folder = record.RUNS / f"generate-digits28-{seed}"
        found.append(record.fit("generate", "digits28", folder, "--seed", seed, "--no-test", **FAST)["metrics"])
    bounds = [one["elbo_nats"] for one in found]
    figures = {
        "elbo_nats": record.spread(bounds),
        "active_units": [one["active_units"] for one in found],
        "units": found[0]["units"],
        "seeds": asked.seeds,
        "not_finite": sum(bound is None or not math.isfinite(bound) for bound in bounds),
        "collapsed": sum(one["collapsed"] for one in found),
        "split": "validation",
    }
    figures["relative_spread"] = figures["elbo_nats"]["sd"] / figures["elbo_nats"]["mean"]
    record.keep("generate-collapse", "python bench/generate_collapse.py", figures)
