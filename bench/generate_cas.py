"""Classification accuracy score: a classifier learns generated pictures, and is tested on real ones. Cost: 45 min.

usage: generate_cas.py [--minutes 5] [--only DATA ...]

Each set's generator is trained with its labels by `trine generate fit --label` and makes 50,000 pictures. The score is
the accuracy of our own `quick` classifier on the real test pictures, beside that of one whose labels were shuffled,
which must be near a tenth.
Results so far are kept in the bench's folder; the file is written when all three sets are done.
"""

import argparse
import json

import record

DATA = ("mnist", "fashion-mnist", "cifar10")


def scored(data: str, minutes: float) -> dict[str, float]:
    """The score of a set's generator, trained for so long; measured once and kept."""
    run = record.RUNS / f"generate-cas-{data}"
    kept = run / "score.json"
    if not kept.exists():
        record.fit("generate", data, run, "--label", "--minutes", minutes, "--no-test")
        metrics = record.trine("generate", "evaluate", run, data, "--accuracy-score")[0]["metrics"]
        found = {name: value for name, value in metrics.items() if name.startswith("accuracy_score")}
        kept.write_text(json.dumps({**found, "elbo_nats": metrics["elbo_nats"]}))
    return json.loads(kept.read_text())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--only", nargs="+", default=DATA, choices=DATA)
    options = parser.parse_args()
    found = {data: scored(data, options.minutes) for data in options.only}
    print(json.dumps(found, indent=2))
    if len(found) == len(DATA):
        command = f"python bench/generate_cas.py --minutes {options.minutes:g}"
        record.keep("generate-cas", command, {"minutes": options.minutes, **found})
