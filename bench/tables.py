"""Write the tables of docs/results.md and README, and what forecasts know, from bench/results/*.json.

`--check` only says whether they are current.
"""

import json
import sys
from pathlib import Path
from typing import Any

from claims import CLAIMS, VERDICTS, Claim, Figures, mean
from record import SUFFIXES

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "bench" / "results"
START, END = "<!-- results: written by bench/tables.py -->", "<!-- end of results -->"


def document(claim: Claim) -> dict[str, Any] | None:
    path = RESULTS / f"{claim.result}.json"
    return json.loads(path.read_text()) if path.exists() else None


def spent(figures: Figures) -> tuple[str, str, str]:
    """PFLOP and minutes of a training, and how many seeds."""
    pflop, seconds = (mean(figures[name]) if name in figures else None for name in ("train_pflop", "train_seconds"))
    return (
        "–" if pflop is None else f"{pflop:.3f}",
        "–" if seconds is None else f"{seconds / 60:.1f}",
        str(figures.get("seeds", 1 if pflop else "–")),
    )


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (head, ("---",) * len(head), *rows)]


def all_claims() -> list[str]:
    head = ("what", "measured", "PFLOP", "minutes", "seeds", "must reach", "aim", "verdict", "peer", "from")
    rows = []
    for claim in CLAIMS:
        kept, asked = document(claim), (claim.floor, claim.aim)
        if kept is None:
            rows.append((claim.what, "not measured", *"–––", *asked, VERDICTS[0], "–", claim.result))
            continue
        figures, source = kept["figures"], f"[{claim.result}](../bench/results/{claim.result}.json)"
        measured = (claim.show(figures), *spent(figures))
        rows.append(
            (claim.what, *measured, *asked, VERDICTS[claim.level(figures)], claim.peer(figures), source),
        )
    return table(head, rows)


def front() -> list[str]:
    head = ("what", "measured", "PFLOP", "minutes", "seeds", "peer in the same run", "machine")
    rows = []
    for claim in (claim for claim in CLAIMS if claim.front):
        if kept := document(claim):
            figures = kept["figures"]
            rows.append((claim.what, claim.show(figures), *spent(figures), claim.peer(figures), told(kept["machine"])))
    return table(head, rows)


def told(machine: dict[str, Any]) -> str:
    """The processor, and how many of its cores were at work."""
    threads, cores = machine["threads"], machine["cores"]
    return f"{machine['processor']}, {cores if threads == cores else f'{threads} of {cores}'} cores"


def expected() -> str:
    """What the forecast of `trine classify fit cifar10` knows: a preset's compute, and accuracies in any precision."""
    rows = []
    for effort in ("quick", "good", "best"):
        paths = [RESULTS / f"classify-cifar10-{effort}{suffix}.json" for suffix in SUFFIXES.values()]
        found = [json.loads(path.read_text())["figures"] for path in paths if path.exists()]
        values = [value for figures in found for value in figures["accuracy_tta"]["values"]]
        row = {"effort": effort, "pflop": found[0]["train_pflop"]["mean"], "low": min(values), "high": max(values)}
        rows.append(row)
    return json.dumps({"cifar10": rows}, indent=2) + "\n"


def written() -> dict[Path, str]:
    """What the files must hold."""
    results, readme = ROOT / "docs" / "results.md", ROOT / "README.md"
    pages = {path: replaced(path.read_text(), lines) for path, lines in ((results, all_claims()), (readme, front()))}
    return {**pages, ROOT / "src" / "trine" / "classify" / "expected.json": expected()}


def replaced(text: str, lines: list[str]) -> str:
    before, _, rest = text.partition(START)
    return f"{before}{START}\n" + "\n".join(lines) + f"\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    stale = [path for path, text in written().items() if path.read_text() != text]
    if "--check" in sys.argv:
        sys.exit(f"not current: {', '.join(map(str, stale))}: run python bench/tables.py" if stale else 0)
    for path, text in written().items():
        path.write_text(text)
