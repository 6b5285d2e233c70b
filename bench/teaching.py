"""Write the small tables of docs/inside/*.md from bench/results/*.json. `--check` only says if they are current."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "bench" / "results"
INSIDE = ROOT / "docs" / "inside"
Figures = dict[str, Any]


def ablation(f: Figures) -> list[str]:
    rows = [
        "| network trained | right on held-out pictures | right on those it learned | gap |",
        "| --- | --- | --- | --- |",
    ]
    for name, found in f["variants"].items():
        gap = found["learned"] - found["held_out"]
        rows.append(f"| {name} | {share(found['held_out'])} | {share(found['learned'])} | {100 * gap:.0f} points |")
    return rows


def cells(f: Figures) -> list[str]:
    lags = list(f["cells"]["lstm"]["gradient"])[1:]
    heads = [f"{lag} back" for lag in lags]
    rows = [f"| cell | surprisal, nats | {' | '.join(heads)} |", f"| --- | --- |{' --- |' * len(lags)}"]
    for name, found in f["cells"].items():
        reach = " | ".join(f"{found['gradient'][lag]:.1e}" for lag in lags)
        rows.append(f"| {name.upper()} | {found['surprisal']:.3f} | {reach} |")
    return rows


def ways(f: Figures) -> list[str]:
    return parts("learned through a sample by", f["ways"].items())


def betas(f: Figures) -> list[str]:
    return parts("beta", [(f"{found['beta']:g}", found) for found in f["betas"]])


def parts(head: str, found: Any) -> list[str]:
    rows = [
        f"| {head} | bound, nats | reconstruction | KL divergence | active numbers |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, one in found:
        nats = " | ".join(f"{one[key]:.1f}" for key in ("elbo_nats", "reconstruction_nats", "kl_nats"))
        rows.append(f"| {name} | {nats} | {one['active_units']} |")
    return rows


def share(value: float) -> str:
    return f"{100 * value:.1f} %"


TABLES: dict[str, tuple[str, Callable[[Figures], list[str]]]] = {
    "classify-ablation": ("convolution.md", ablation),
    "detect-cells": ("recurrence.md", cells),
    "generate-reparameterisation": ("latent-space.md", ways),
    "generate-beta": ("latent-space.md", betas),
}


def written() -> dict[Path, str]:
    """What the pages must hold."""
    pages = {INSIDE / page: (INSIDE / page).read_text() for page, _ in TABLES.values()}
    for name, (page, table) in TABLES.items():
        figures = json.loads((RESULTS / f"{name}.json").read_text())["figures"]
        start, end = f"<!-- {name}: written by bench/teaching.py -->", f"<!-- end of {name} -->"
        before, _, rest = pages[INSIDE / page].partition(start)
        after = rest.partition(end)[2]
        pages[INSIDE / page] = f"{before}{start}\n" + "\n".join(table(figures)) + f"\n{end}{after}"
    return pages


if __name__ == "__main__":
    stale = [path for path, text in written().items() if path.read_text() != text]
    if "--check" in sys.argv:
        sys.exit(f"not current: {', '.join(map(str, stale))}: run python bench/teaching.py" if stale else 0)
    for path, text in written().items():
        path.write_text(text)
