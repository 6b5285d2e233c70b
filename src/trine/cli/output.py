"""Output of commands: one JSON document on stdout, or tables: drawn on a terminal, tab-separated elsewhere."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from trine.cli.words import in_words
from trine.datasets.lines import printable

SAMPLES = {"classify": "pictures", "detect": "sequences", "generate": "pictures"}
HEADLINE = ("accuracy_tta", "accuracy_interval", "macro_recall")
"""Figures that stand first: a mean over pictures with its interval, and one over classes, which differs if uneven."""
MOST_ROWS = 20
"""Largest number of classes, kinds or members in a table; larger results are complete in the JSON only."""

if TYPE_CHECKING:
    from trine.model import Model
    from trine.pictures.paths import FoundPictures
    from trine.result import Result


def print_json(document: Any) -> None:
    """Print exactly one JSON document on stdout."""
    print(json.dumps(document, indent=2, ensure_ascii=False))


def print_json_line(document: Any) -> None:
    """Print one line of JSON."""
    print(json.dumps(document, ensure_ascii=False), flush=True)


def print_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table: drawn on a terminal, elsewhere tab-separated lines below a header that starts with `#`."""
    texts = [[str(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        print("# " + "\t".join(columns))
        for row in texts:
            print("\t".join(row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(column)
    for row in texts:
        table.add_row(*row)
    Console().print(table)


def note(line: str) -> None:
    """Print a line on stderr. Control characters, as names of files and entities can have them, become blanks."""
    print(printable(line), file=sys.stderr, flush=True)


def print_passed_over(found: "FoundPictures", as_json: bool = False) -> bool:
    """Say what is passed over among the pictures that were named; returns whether some of it was asked for by name."""
    for line in (*found.passed_over, *found.unusable):
        if as_json:
            print_json_line({"passed_over": line})
        else:
            note(line)
    return bool(found.unusable)


def print_result(result: "Result", as_json: bool) -> None:
    """Print a result as JSON, or as a table of its scalar figures and one table per class, kind or member."""
    if as_json:
        print_json(result.model_dump(mode="json"))
        return
    task, data = result.task, result.data
    title = f"{task}: {data.name}, {data.split} split, n = {data.n:,}"
    measured = ("measured on", f"{data.n:,} {SAMPLES.get(task, 'samples')} ({data.split})")
    print_table(title, ("figure", "value"), [measured, *_figures(task, result.metrics), *_cost(result)])
    for name, rows in result.metrics.items():
        if name.startswith("per_") and isinstance(rows, dict) and 0 < len(rows) <= MOST_ROWS:
            _print_each(name, {row: dict(_figures(task, values)) for row, values in rows.items()})


def print_fitted(model: "Model[Any]", as_json: bool) -> None:
    """Print the result of a training and the path of its model, in the leading process only."""
    if model.result and model.run:
        print_result(model.result, as_json)
        note(f"model: {model.run / 'bundle'}")


def _print_each(name: str, rows: dict[str, dict[str, str]]) -> None:
    """Print a table with one row per class, kind or member."""
    columns = list(dict.fromkeys(column for values in rows.values() for column in values))
    cells = [(row, *(values.get(column, "") for column in columns)) for row, values in rows.items()]
    print_table(name.replace("_", " "), (name.removeprefix("per_"), *columns), cells)


def _figures(task: str, metrics: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Words and values of all scalar figures; a nested figure is named by both keys."""
    rows: list[tuple[str, str]] = []
    for key, value in _headline_first(metrics).items():
        name = in_words(task, key)
        if isinstance(value, bool | str):
            rows.append((prefix + name, str(value)))
        elif isinstance(value, int | float):
            rows.append((prefix + name, f"{value:,}" if isinstance(value, int) else f"{value:.4f}"))
        elif key.endswith("interval"):
            rows.append((prefix + name, " to ".join(f"{bound:.4f}" for bound in value)))
        elif isinstance(value, dict) and not key.startswith("per_"):
            rows += _figures(task, value, f"{prefix}{name} ")
    return rows


def _headline_first(metrics: dict[str, Any]) -> dict[str, Any]:
    """The figures with the `HEADLINE` first, if they have it."""
    return {name: metrics[name] for name in (*(name for name in HEADLINE if name in metrics), *metrics)}


def _cost(result: "Result") -> list[tuple[str, str]]:
    cost = result.compute
    return [
        ("training", f"{cost.train_pflop:.4g} PFLOP in {cost.train_seconds:.0f} s, {cost.gflops:.0f} GFLOP/s"),
        ("machine's sgemm", f"{cost.sgemm_gflops:.0f} GFLOP/s"),
    ]
