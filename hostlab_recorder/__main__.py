"""Record the data set `hostlab`: system calls of a small web service in normal use and under attack.

    python -m hostlab_recorder --out hostlab.tsv.gz

Run it from the root of the repository. It needs Linux, strace and bash and takes three to five minutes. The service is
deliberately weak: read hostlab_recorder/README.md first.
"""

import argparse
import shutil
import sys
from collections import Counter
from pathlib import Path

from hostlab_recorder.record import Row, Run, record, write

TARGET = Path(__file__).resolve().parent.parent / "src/trine/datasets/hostlab/hostlab.tsv.gz"
SPLITS = ("train", "valid", "test", "valid", "train", "test") * 3
"""Split of each run. The splits alternate, so that a change of the machine's load reaches all of them."""
REQUIRED_PROGRAMS = ("strace", "bash")


def runs(normal: int, misuse: int, seed: int) -> list[Run]:
    """Plan of all runs. Attacks, `misuse` visits of each kind, occur only in the test split."""
    return [Run(split, seed + index, normal, misuse if split == "test" else 0) for index, split in enumerate(SPLITS)]


def summary(rows: list[Row]) -> str:
    """Number of sessions per split and kind, number of events, shortest and longest session."""
    counted = Counter((row.split, row.kind) for row in rows)
    events = [len(row.session.events) for row in rows]
    lines = [f"{split:6} {kind:20} {number:5}" for (split, kind), number in sorted(counted.items())]
    total = f"{len(rows)} sessions, {sum(events)} events, {min(events)} to {max(events)} per session"
    return "\n".join([*lines, total])


def main() -> int:
    """Exit status: 0 done, 1 if strace or bash is missing."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("python -m hostlab_recorder", description=__doc__, formatter_class=raw)
    parser.add_argument("--out", type=Path, default=TARGET, help="table to write (.tsv.gz)")
    parser.add_argument("--normal", type=int, default=86, help="normal visits per run")
    parser.add_argument("--misuse", type=int, default=5, help="attacks of each kind per test run")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first run; later runs count up")
    options = parser.parse_args()
    if missing := [tool for tool in REQUIRED_PROGRAMS if not shutil.which(tool)]:
        print(f"error: {', '.join(missing)} not found: install it, then record again", file=sys.stderr)
        return 1
    dropped: Counter[str] = Counter()
    rows: list[Row] = []
    for run in runs(options.normal, options.misuse, options.seed):
        rows += record([run], dropped)
        print(f"run {run.seed} ({run.split}): {len(rows)} sessions so far", file=sys.stderr, flush=True)
    write(rows, options.out)
    print(summary(rows))
    print(f"{options.out}: {options.out.stat().st_size} bytes; left out: {dict(+dropped) or 'none'}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
