"""Classification accuracy score: a classifier learns generated pictures and is tested on real ones. Cost: 45 min.

usage: python -m bench.generate.cas [--minutes 5] [--only DATA ...]

Per data set a generator is trained with labels by `trine generate fit --label` and generates 50,000 pictures. The score
is the accuracy of Trine's `quick` classifier on the real test pictures. The control is a classifier with shuffled
labels, whose accuracy should be near a tenth. The result file is written when all three sets are done.
"""

import argparse
import json

from bench.support import record
from bench.support.claim import Cells, Claim

DATA = ("mnist", "fashion-mnist", "cifar10")

CLAIMS = [
    Claim(
        "accuracy of a classifier trained on generated pictures alone: MNIST / Fashion-MNIST / CIFAR-10",
        "generate-cas",
        lambda f: Cells(" / ".join(f"{100 * f[data]['accuracy_score']:.1f}" for data in DATA) + " %"),
        "Generators were trained for twelve minutes per set on one core; the pixels are drawn too (`--pixel-noise 1`). "
        "The test split was evaluated eight times in all while the generator changed. Measured before the flow was "
        "limited to the times it was trained on. The controls with shuffled labels are in the file.",
    )
]


def scored(data: str, minutes: float) -> dict[str, float]:
    """Score of a data set's generator; measured once and kept in the folder of runs."""
    run = record.RUNS / f"generate-cas-{data}"
    kept = run / "score.json"
    if not kept.exists():
        record.fit("generate", data, run, "--label", "--minutes", minutes, "--no-test")
        metrics = record.trine("generate", "evaluate", run, data, "--accuracy-score")[0]["metrics"]
        scores = {name: value for name, value in metrics.items() if name.startswith("accuracy_score")}
        kept.write_text(json.dumps({**scores, "elbo_nats": metrics["elbo_nats"]}))
    return json.loads(kept.read_text())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--only", nargs="+", default=DATA, choices=DATA)
    options = parser.parse_args()
    scores = {data: scored(data, options.minutes) for data in options.only}
    print(json.dumps(scores, indent=2))
    if len(scores) == len(DATA):
        command = f"python -m bench.generate.cas --minutes {options.minutes:g}"
        record.keep("generate-cas", command, {"minutes": options.minutes, **scores})
