"""Write the tables of docs and README, and the accuracies of forecasts, from bench/results/*.json."""

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bench import summary  # noqa: E402
from bench.support import page  # noqa: E402
from bench.support.claim import Claim, Figures  # noqa: E402
from bench.support.record import RESULTS, SUFFIXES  # noqa: E402

SECTIONS = {
    "Classify": (
        "classify.cifar10",
        "classify.airbench",
        "classify.minutes",
        "classify.human",
        "classify.labels",
        "classify.few_pictures",
        "classify.start",
    ),
    "Detect": (
        "detect.adfa",
        "detect.minutes",
        "detect.hdfs",
        "detect.false_alarms",
        "detect.hostlab",
        "detect.members",
        "detect.order_time",
        "detect.speed",
    ),
    "Logs": (
        "detect.suite_web",
        "detect.suite_auditd",
        "detect.suite_sshd",
        "detect.suite_kubernetes",
        "detect.suite_cloudtrail",
        "detect.reading",
        "detect.templates",
    ),
    "A detector at work": ("live_hostlab", "live_speed", "live_kills", "cluster_kafka"),
    "Generate": (
        "generate.pythae",
        "generate.bound",
        "generate.importance",
        "generate.cas",
        "generate.networks",
        "generate.pictures",
        "generate.judged",
        "generate.speed",
        "generate.collapse",
    ),
    "Export": ("export", "runtime_start"),
    "Service": ("serve",),
    "Several processes and machines": ("cluster_train", "cluster_bulk", "cluster_cost"),
    "First minutes": ("demo.first_minutes", "own_pictures"),
    "Reproducibility": ("same_weights",),
}
"""Scripts with claims, in the order of the tables of docs/results.md."""
INSIDE = {
    "classify-ablation": ("classify.ablation", "convolution.md"),
    "detect-cells": ("detect.cells", "recurrence.md"),
    "generate-reparameterisation": ("generate.reparameterisation", "latent-space.md"),
    "generate-beta": ("generate.beta", "latent-space.md"),
}
"""Script and page under docs/inside of each result that is a whole table."""
PRECISIONS = {"Intel(R) Xeon(R) Processor": "bfloat16", "AMD EPYC": "float32"}
"""Precision in which networks compute on the two processors of the results."""
HEAD = ("what", "Trine", "peer in the same run", "ratio", "evidence")


def document(name: str) -> dict[str, Any]:
    """A result file."""
    return json.loads((RESULTS / f"{name}.json").read_text())


def figures(name: str) -> Figures:
    return document(name)["figures"]


def claims(section: str) -> list[Claim]:
    """The claims of a section's scripts that have been measured: their result file exists."""
    listed = [claim for script in SECTIONS[section] for claim in import_module(f"bench.{script}").CLAIMS]
    return [claim for claim in listed if (RESULTS / f"{claim.file}.json").exists()]


def results() -> list[str]:
    """A table per section, then a footnote per result file."""
    lines, notes = [], {}
    for section in filter(claims, SECTIONS):
        rows = []
        for claim in claims(section):
            link = f"[JSON](../bench/results/{claim.file}.json)[^{claim.file}]"
            rows.append((claim.what, *claim.cells(figures(claim.file)), link))
            notes.setdefault(claim.file, [facts(document(claim.file))])
            if claim.note and claim.note not in notes[claim.file]:
                notes[claim.file].append(claim.note)
        lines += [f"## {section}", "", *page.table(HEAD, rows), ""]
    return [*lines, *(f"[^{name}]: {' '.join(texts)}" for name, texts in notes.items())]


def facts(document: dict[str, Any]) -> str:
    """Machine, precision, seeds and date of a result."""
    machine, seeds = document["machine"], document["figures"].get("seeds")
    threads, cores = machine["threads"], machine["cores"]
    facts = [machine["processor"], f"{cores} cores" if threads == cores else f"{threads} of {cores} cores"]
    facts.append(PRECISIONS[machine["processor"]])
    if seeds or "train_pflop" in document["figures"]:
        facts.append(f"{seeds} seeds" if seeds and seeds > 1 else "one seed")
    return f"{', '.join([*facts, document['date']])}."


def front() -> list[str]:
    """The table of README."""
    rows = [
        (claim.what, *claim.cells(figures(claim.file)), f"[JSON](bench/results/{claim.file}.json)")
        for section in SECTIONS
        for claim in claims(section)
        if claim.front
    ]
    return page.table(HEAD, rows)


def cost() -> list[str]:
    """The table of docs/scaling.md; a line that says so where nothing is measured yet."""
    if not (RESULTS / "cluster-cost.json").exists():
        return ["The grid has not been measured yet on the machines of [Results](results.md)."]
    return import_module("bench.cluster_cost").table(figures("cluster-cost"))


def expected() -> str:
    """What the forecast of `trine classify fit cifar10` knows: compute per preset, and accuracies in any precision."""
    rows = []
    for effort in ("quick", "good", "best"):
        names = [f"classify-cifar10-{effort}{suffix}" for suffix in SUFFIXES.values()]
        measured = [figures(name) for name in names if (RESULTS / f"{name}.json").exists()]
        values = [value for each in measured for value in each["accuracy_tta"]["values"]]
        pflop = measured[0]["train_pflop"]["mean"]
        rows.append({"effort": effort, "pflop": pflop, "low": min(values), "high": max(values)})
    return json.dumps({"cifar10": rows}, indent=2) + "\n"


def written() -> dict[Path, str]:
    """Content of every file that this script writes."""
    readme, page_of_results = ROOT / "README.md", ROOT / "docs" / "results.md"
    text = page.between(page_of_results.read_text(), "summary", summary.lines(figures))
    pages = {
        readme: page.between(readme.read_text(), "results", front()),
        page_of_results: page.between(text, "results", results()),
        ROOT / "src" / "trine" / "classify" / "expected.json": expected(),
    }
    scaling = ROOT / "docs" / "scaling.md"
    pages[scaling] = page.between(scaling.read_text(), "cost", cost())
    for name, (script, inside) in INSIDE.items():
        path = ROOT / "docs" / "inside" / inside
        table = import_module(f"bench.{script}").table(figures(name))
        pages[path] = page.between(pages.get(path) or path.read_text(), name, table)
    return pages


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing, and fail if a page is not current")
    options = parser.parse_args()
    stale = [path for path, text in written().items() if path.read_text() != text]
    if options.check:
        sys.exit(f"not current: {', '.join(map(str, stale))}: run python bench/tables.py" if stale else 0)
    for path, text in written().items():
        path.write_text(text)
