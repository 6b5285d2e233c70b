"""Record `hostlab`: the system calls of a small web service in ordinary use and under misuse, as a sequence table.

    python tools/record_hostlab.py --out src/trine/data/hostlab/hostlab.tsv.gz

Needs Linux, strace and bash; three to five minutes. Everything runs in a temporary folder and on the loopback address,
is bounded in time and number, and has ended when this program ends. `hostlab/__init__.py` says where what is.
"""

import argparse
import shutil
import sys
from collections import Counter
from pathlib import Path

from hostlab.record import Row, Run, record, write

TARGET = Path(__file__).resolve().parent.parent / "src/trine/data/hostlab/hostlab.tsv.gz"
# The splits take turns, so that a machine that gets busier or idler meets all of them alike.
TURNS = ("train", "valid", "test", "valid", "train", "test") * 3
NEEDED = ("strace", "bash")


def runs(normal: int, misuse: int, seed: int, turns: tuple[str, ...] = TURNS) -> list[Run]:
    """One run a turn; misuse, `misuse` visits of every kind, only in the test split."""
    return [Run(split, seed + turn, normal, misuse if split == "test" else 0) for turn, split in enumerate(turns)]


def summary(rows: list[Row]) -> str:
    """Sessions by split and kind, events, lengths."""
    counted = Counter((row.split, row.kind) for row in rows)
    events = [len(row.session.events) for row in rows]
    lines = [f"{split:6} {kind:20} {number:5}" for (split, kind), number in sorted(counted.items())]
    return "\n".join([*lines, f"{len(rows)} sessions, {sum(events)} events, {min(events)} to {max(events)} a session"])


def main() -> int:
    """The exit status: 0 done, 1 a needed program is missing."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=TARGET, help="the table to write (.tsv.gz)")
    parser.add_argument("--normal", type=int, default=86, help="ordinary visits a run")
    parser.add_argument("--misuse", type=int, default=5, help="misuse visits of each kind a test run")
    parser.add_argument("--seed", type=int, default=1, help="of the first run; each next run has the next")
    options = parser.parse_args()
    if missing := [tool for tool in NEEDED if not shutil.which(tool)]:
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
