"""Converts two public sets of labelled sequences to tables: unm.tsv and openstack.tsv. Cost: seconds.

unm         System calls of six programs of the University of New Mexico (Forrest et al., 1996; Warrender et al., 1999),
            a process a sequence, from a copy in github.com/anandsagarthumati9848/HIDS. Files of intrusions also contain
            processes that are like normal ones; all of their processes count as attacks, but for sequences that are
            equal to a normal one.
openstack   Requests to virtual machines of an OpenStack cloud, normal and with injected faults (Kalaki et al., 2023),
            as sequences of templates by Landauer et al. (2024), from
            github.com/ait-aecid/anomaly-detection-log-datasets.

Both are read from clones; no data is kept in this repository. Half of the normal sequences, drawn at random, teach; the
other half and all abnormal ones are the test split. Of sequences of one program that are equal, three are kept.

    git clone https://github.com/anandsagarthumati9848/HIDS
    git clone https://github.com/ait-aecid/anomaly-detection-log-datasets
    python -m bench.detect.public_sets --unm HIDS --openstack anomaly-detection-log-datasets
"""

import argparse
import subprocess
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.support import record

FOLDER = record.RUNS / "public"
UNM = "Datasets/UNM/"
PROGRAMS = {
    "1.Synthetic Sendmail": "sun",
    "2.Synthetic Ftp": "linux",
    "3.Synthetic-lpr": "sun",
    "4. Live lpr": "sun",
    "5.xlock": "linux",
    "7.Login_and_ps": "linux",
}
"""Folders, and whose numbers the system calls have. Programs with few or no normal processes are left out."""
SAME = 3
"""Largest number of equal sequences of one program."""
MOST = 300
"""Largest number of normal sequences of one program."""
OPENSTACK = "openstack_parisakalaki/openstack_"
Row = tuple[str, str, str, int]
"""Events, name, kind, label."""


def committed(clone: Path, *words: str) -> str:
    """Output of git in a clone; bare clones have no files to open."""
    done = subprocess.run(["git", "-C", clone, *words], check=True, capture_output=True)
    return done.stdout.decode("utf-8", "replace")


def unm(clone: Path) -> Iterator[Row]:
    paths = committed(clone, "ls-tree", "-r", "-z", "--name-only", "HEAD", UNM).split("\0")
    for path in sorted(paths):
        parts = path.removeprefix(UNM).split("/")
        numbers = PROGRAMS.get(parts[0]) or next((s for p, s in PROGRAMS.items() if parts[0].startswith(p)), None)
        if numbers is None or len(parts) < 3 or not path.strip().endswith((".int", ".txt", "intrusion")):
            continue
        label = int("intrusion" in parts[1].lower())
        try:
            processes = calls(committed(clone, "show", f"HEAD:{path}"), numbers)
        except subprocess.CalledProcessError:
            print(f"not in the clone: {path}")
            continue
        for pid, events in processes.items():
            yield " ".join(events), f"{'/'.join(parts)}:{pid}", parts[0].split(".")[-1].strip().replace(" ", "-"), label


def calls(text: str, numbers: str) -> dict[str, list[str]]:
    """The system calls of each process: lines of two numbers, the process and the call."""
    processes: dict[str, list[str]] = defaultdict(list)
    for line in text.splitlines():
        words = line.split()
        if len(words) == 2 and all(word.isdigit() for word in words):
            processes[words[0]].append(f"{numbers}-{words[1]}")
    return processes


def openstack(clone: Path) -> Iterator[Row]:
    for part, label in (("train", 0), ("test_normal", 0), ("test_abnormal", 1)):
        for line in committed(clone, "show", f"HEAD:{OPENSTACK}{part}").splitlines():
            name, _, events = line.partition(",")
            if events.strip():
                yield events.strip(), name, "fault" if label else "normal", label


def thinned(rows: list[Row]) -> list[Row]:
    """At most `SAME` equal ones and `MOST` normal ones per program; no attack that is equal to a normal sequence."""
    normal = {row[0] for row in rows if not row[3]}
    rows = [rows[i] for i in np.random.default_rng(0).permutation(len(rows))]
    equal: Counter[tuple[str, str]] = Counter()
    of_program: Counter[str] = Counter()
    kept = []
    for row in rows:
        events, _, program, label = row
        equal[events, program] += 1
        of_program[program] += not label
        beyond = of_program[program] > MOST if not label else events in normal
        if equal[events, program] <= SAME and not beyond:
            kept.append(row)
    return kept


def write(name: str, rows: list[Row]) -> Path:
    """The table, normal sequences halved at random."""
    draw = np.random.default_rng(0)
    lines = ["events\tname\tkind\tlabel\tsplit"]
    for events, own, kind, label in rows:
        split = "test" if label or draw.random() < 0.5 else "train"
        lines.append(f"{events}\t{own}\t{kind}\t{label}\t{split}")
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"{name}.tsv"
    path.write_text("\n".join(lines) + "\n")
    counts = Counter((label, kind) for _, _, kind, label in rows)
    print(f"{path}: {len(rows):,} sequences; {dict(counts)}")
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--unm", type=Path)
    parser.add_argument("--openstack", type=Path)
    options = parser.parse_args()
    if options.unm:
        write("unm", thinned(list(unm(options.unm))))
    if options.openstack:
        write("openstack", list(openstack(options.openstack)))
